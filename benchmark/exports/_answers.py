"""Answers as rows: one prediction a row, with its item, the label that was read from it, and what each judge gave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cpbench.exports._tables import Kind, Table
from cpbench.metrics.classification import labelled, predicted
from cpbench.metrics.overlap import has_truth, overlap_score
from cpbench.records import Item, Outcome, Prediction, Task

TEXTS = ("question", "references", "transcript", "options", "raw", "reasoning")
"""What holds a data set's own words, or may repeat them at length."""

PRIVATE = ("error",)
"""What may name paths of the machine."""

COLUMNS: Mapping[str, Kind] = {
    "task": str,
    "item_id": str,
    "condition": str,
    "type": str,
    "language": str,
    "split": str,
    "recording": str,
    "speaker": str,
    "gender": str,
    "question": str,
    "references": str,
    "transcript": str,
    "options": str,
    "label": str,
    "answer": str,
    "raw": str,
    "reasoning": str,
    "predicted": str,  # the one of the options that the answer names
    "correct": bool,  # whether that is the label; None for an item without one, and for a failed answer
    "status": str,
    "error": str,
    "finish_reason": str,
    "input_tokens": int,
    "output_tokens": int,
    "audio_seconds": float,
    "audio_seconds_heard": float,
    "flags": str,
    "overlap_score": float,
}
MANY = "\n"
"""What stands between several values of one cell."""


def answer_table(
    outcomes: Iterable[Outcome],
    tasks: Sequence[Task],
    *,
    judged: Mapping[str, Iterable[Outcome]] | None = None,
    own: bool = False,
) -> Table:
    """Every prediction; `judged`: by a judge's name, the same predictions with its judgements.

    A judge makes two columns, `judge_score[NAME]` (0 to 100, the mean of its repeats) and `judge_status[NAME]`. The
    texts of a task whose rights do not let them be shown are left out, and so are paths, unless the table stays with
    the `own`er of the data; where no task may show its texts, their columns are left out too.
    """
    open_to = {task.name: task for task in tasks if own or task.rights.text_in_report}
    metrics = {task.name: "overlap_score" in task.metrics for task in tasks}
    rows = []
    for outcome in outcomes:
        row = _of_item(outcome.item) | _of_prediction(outcome, overlap=metrics[outcome.prediction.task])
        rows.append(row if outcome.prediction.task in open_to else row | dict.fromkeys(TEXTS))
    by_key = {(row["task"], row["item_id"], row["condition"]): row for row in rows}
    columns = dict(COLUMNS)
    for name, heard in (judged or {}).items():
        columns |= {f"judge_score[{name}]": float, f"judge_status[{name}]": str}
        for outcome in heard:
            by_key[_place(outcome.prediction)] |= _of_judge(name, outcome)
    hidden = {*(() if own else PRIVATE), *(() if open_to else TEXTS)}
    columns = {name: kind for name, kind in columns.items() if name not in hidden}
    return Table(columns, tuple({name: row.get(name) for name in columns} for row in rows))


def _place(prediction: Prediction) -> tuple[str, str, str]:
    return prediction.task, prediction.item_id, prediction.condition


def _of_item(item: Item) -> dict[str, Any]:
    return {
        "task": item.task,
        "item_id": item.id,
        "type": item.type,
        "language": item.language,
        "split": item.split,
        "recording": item.recording,
        "speaker": _joined(clip.speaker for clip in item.clips),
        "gender": _joined(clip.gender for clip in item.clips),
        "question": item.question,
        "references": _joined(item.references),
        "transcript": _joined(clip.transcript for clip in item.clips),
        "options": _joined(item.options),
        "label": item.label,
    }


def _of_prediction(outcome: Outcome, *, overlap: bool) -> dict[str, Any]:
    said, item = outcome.prediction, outcome.item
    read, failed = predicted(outcome), said.status == "error"
    return {
        "condition": said.condition,
        "answer": said.answer,
        "raw": said.raw,
        "reasoning": said.reasoning,
        "predicted": read,
        "correct": None if failed or not labelled(outcome) else read == item.label,
        "status": said.status,
        "error": said.error,
        "finish_reason": said.finish_reason,
        "input_tokens": said.input_tokens,
        "output_tokens": said.output_tokens,
        "audio_seconds": said.audio_seconds,
        "audio_seconds_heard": said.audio_seconds_heard,
        "flags": _joined(said.flags),
        "overlap_score": overlap_score(outcome) if overlap and not failed and has_truth(outcome) else None,
    }


def _of_judge(name: str, outcome: Outcome) -> dict[str, Any]:
    statuses = dict.fromkeys(judgement.status for judgement in outcome.judgements)
    return {f"judge_score[{name}]": outcome.score, f"judge_status[{name}]": _joined(statuses)}


def _joined(values: Iterable[str | None]) -> str | None:
    return MANY.join(_known(values)) or None


def _known(values: Iterable[str | None]) -> Iterator[str]:
    return (value for value in dict.fromkeys(values) if value)
