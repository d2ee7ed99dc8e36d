"""The answers of a run as the report's table has them: plain objects, without what is empty.

An item stands once, an answer once for each condition. Texts of a task whose rights forbid them are not in the page at
all. Long texts are cut, and where a run would still make too large a page, its last conditions are left out; either is
said, and the whole stands in the run's files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cpbench.comparison.right import is_right
from cpbench.metrics.overlap import has_truth, overlap_score
from cpbench.records import Item, Judgement, Outcome, Task
from cpbench.report.clips import Clips
from cpbench.runfolder import Run

LONGEST: Mapping[str, int] = {"question": 2000, "reference": 2000, "answer": 4000, "reasoning": 4000, "reason": 2000}
LARGEST = 24_000_000  # bytes of all answers; a browser reads so much in a fraction of a second
CUT = "\N{HORIZONTAL ELLIPSIS}"
Row = dict[str, Any]


@dataclass
class Table:
    """What the page's script reads, and what has to be said of it."""

    data: Row
    withheld: list[Task] = field(default_factory=list)  # tasks without texts
    silent: list[Task] = field(default_factory=list)  # tasks without clips
    cut: int = 0  # texts that are not whole
    left_out: dict[str, int] = field(default_factory=dict)  # condition -> answers
    linked: int = 0
    missing: int = 0

    @property
    def count(self) -> int:
        return len(self.data["answers"])


@dataclass
class _Texts:
    """Cuts what is too long, and counts."""

    cut: int = 0

    def __call__(self, text: str | None, kind: str) -> str | None:
        if text is None or len(text) <= LONGEST[kind]:
            return text
        self.cut += 1
        return text[: LONGEST[kind]] + CUT


def answers(run: Run, clips: Clips, *, main: str) -> Table:
    """Return the answers of a run; those under its `main` condition go first, and are never left out."""
    tasks, texts = {task.name: task for task in run.tasks}, _Texts()
    rows, judges = _answers(run, tasks, texts)
    present = dict.fromkeys(row["condition"] for row in rows)
    conditions = [main, *(one for one in present if one != main)] if main in present else list(present)
    kept, left_out = _within(rows, conditions)
    asked = {(row["task"], row["id"]) for row in kept}
    items = [item for item in run.items if (item.task, item.id) in asked]
    described = [_item(item, tasks[item.task], clips, texts) for item in items]
    place = {(item.task, item.id): at for at, item in enumerate(items)}
    for row in kept:
        row["item"] = place[row.pop("task"), row.pop("id")]
        row["played"] = [clips.allowed[sha] for sha in row["played"] if sha in clips.allowed]
    order = {name: at for at, name in enumerate(conditions)}
    kept.sort(key=lambda row: (order[row["condition"]], row["item"]))
    data: Row = {
        "tasks": [_task(task) for task in run.tasks],
        "conditions": [name for name in conditions if name not in left_out],
        "main": main,
        "judges": judges,
        "items": described,
        "answers": [_without_empty(row) for row in kept],
    }
    here = [task for task in run.tasks if any(item.task == task.name for item in items)]
    return Table(
        data,
        [task for task in here if not task.rights.text_in_report],
        [task for task in here if not task.rights.audio_in_report],
        texts.cut,
        left_out,
        len(clips.linked),
        len(clips.missing),
    )


def _task(task: Task) -> Row:
    rights = task.rights
    return {
        "name": task.name,
        "license": rights.license,
        "text": rights.text_in_report,
        "audio": rights.audio_in_report,
    }


def _item(item: Item, task: Task, clips: Clips, texts: _Texts) -> Row:
    addresses = [clips.address(clip, task.rights) for clip in item.clips]
    seconds = [clip.seconds for clip in item.clips]
    known: Row = {
        "task": item.task,
        "id": item.id,
        "type": item.type,
        "recording": item.recording,
        "clips": addresses,
        "seconds": None if None in seconds else round(sum(filter(None, seconds)), 2),
    }
    if task.rights.text_in_report:
        known |= {
            "question": texts(item.question, "question"),
            "references": [texts(each, "reference") for each in item.references],
            "label": item.label,
            "options": list(item.options),
            "lure": item.lure,
            "transcripts": [texts(clip.transcript, "reference") for clip in item.clips if clip.transcript],
        }
    return _without_empty(known)


def _answers(run: Run, tasks: Mapping[str, Task], texts: _Texts) -> tuple[list[Row], list[Row]]:
    """Every answer with what each judge said of it; and the judges (one that is none where there is no other)."""
    known: Mapping[str, Mapping[str, Any]] = run.manifest.get("judges", {})
    rows: list[Row] = []
    for number, judge_id in enumerate(known or (None,)):
        reasons = _reasons(run, judge_id, tasks, texts)
        bar = None if judge_id is None else known[judge_id]["correct_score"]
        for at, outcome in enumerate(run.outcomes(judge_id=judge_id)):
            if number == 0:
                rows.append(_answer(outcome, tasks[outcome.item.task], texts))
            rows[at]["judged"].append(_judged(outcome, bar, reasons))
    names = [{"name": about["name"], "correct": about["correct_score"]} for about in known.values()]
    return rows, names or [{"name": None}]


def _answer(outcome: Outcome, task: Task, texts: _Texts) -> Row:
    said = outcome.prediction
    row: Row = {
        "task": said.task,
        "id": said.item_id,
        "condition": said.condition,
        "status": said.status,
        "flags": list(said.flags),
        "played": list(said.played) if task.rights.audio_in_report else [],
        "judged": [],
    }
    if said.audio_seconds and said.audio_seconds_heard < 0.995 * said.audio_seconds:
        row["heard"] = round(said.audio_seconds_heard, 2)
    if task.rights.text_in_report:
        row |= {
            "answer": texts(said.answer, "answer"),
            "reasoning": texts(said.reasoning, "reasoning"),
            "error": texts(said.error, "reason"),
            "told": list(said.told),
        }
    return row


def _judged(outcome: Outcome, bar: float | None, reasons: Mapping[str, str]) -> Row:
    """What one judge said: the score of the item, whether it is right and by what, and each judgement.

    Without a judge the score is the item's `overlap_score`, and the page says that this is none.
    """
    found = is_right(outcome, bar)
    score = outcome.score
    if bar is None and has_truth(outcome) and outcome.prediction.status != "error":
        score = overlap_score(outcome)
    each = [
        _without_empty({"status": one.status, "score": one.score, "reason": reasons.get(one.key)})
        for one in outcome.judgements
    ]
    right = None if found is None else {"right": found.right, "by": found.basis}
    return _without_empty({"score": None if score is None else round(score, 2), "each": each, **(right or {})})


def _reasons(run: Run, judge_id: str | None, tasks: Mapping[str, Task], texts: _Texts) -> dict[str, str]:
    """Why one judge scored as it did, by judgement: its reason, or what it said where no score could be read."""
    return {
        one.key: str(texts(said, "reason"))
        for one in (run.judgements if judge_id is not None else ())
        if one.judge_id == judge_id
        and one.task in tasks
        and tasks[one.task].rights.text_in_report
        and (said := _why(one))
    }


def _why(one: Judgement) -> str | None:
    return one.reason or (one.raw if one.score is None else None)


def _within(rows: Sequence[Row], conditions: Sequence[str]) -> tuple[list[Row], dict[str, int]]:
    """The rows of a page no larger than LARGEST: whole conditions, the first one always; and how many are left out."""
    sizes = dict.fromkeys(conditions, 0)
    counts = dict.fromkeys(conditions, 0)
    for row in rows:
        sizes[row["condition"]] += len(json.dumps(row))
        counts[row["condition"]] += 1
    kept, total = set(conditions[:1]), sum(sizes[name] for name in conditions[:1])
    for name in conditions[1:]:
        if total + sizes[name] <= LARGEST:
            kept.add(name)
            total += sizes[name]
    left_out = {name: counts[name] for name in conditions if name not in kept}
    return [row for row in rows if row["condition"] in kept], left_out


def _without_empty(row: Mapping[str, Any]) -> Row:
    return dict(_full(row.items()))


def _full(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for key, value in pairs:
        if value is not None and value not in ([], ""):
            yield key, value
