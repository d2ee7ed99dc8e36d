"""A submission's answers and judgements as outcomes, and their scores: computed here, by whoever reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cpbench.leaderboard.datasets import DatasetCard
from cpbench.leaderboard.schema import JudgementLine, PredictionLine, Submission
from cpbench.records import Judgement, Outcome, Prediction, Score
from cpbench.results import compute

METRICS_VERSION = 1
"""Of what the metrics mean. It stands in every table's key: scores of two versions are never ranked together."""


def outcomes(folder: Path, submission: Submission, dataset: DatasetCard) -> tuple[Outcome, ...]:
    """The outcomes of a submission's folder that `check` has accepted: those of the ranked condition first."""
    answers = (PredictionLine.model_validate_json(line) for line in _lines(folder / "predictions.jsonl"))
    judged = (JudgementLine.model_validate_json(line) for line in _lines(folder / "judgements.jsonl"))
    return join(submission, dataset, list(answers), list(judged))


def join(
    submission: Submission, dataset: DatasetCard, answers: Iterable[PredictionLine], judged: Iterable[JudgementLine]
) -> tuple[Outcome, ...]:
    """Each answer with its item and its judgements: condition by condition, in the order of the items' ids.

    Raises KeyError for an answer to an item that the set does not have.
    """
    judge_id = submission.judge.judge_id if submission.judge else ""
    said: dict[tuple[str, str], list[Judgement]] = {}
    for line in judged:
        said.setdefault((line.condition, line.item_id), []).append(judgement(line, dataset.task.name, judge_id))
    place = {condition: at for at, condition in enumerate(submission.conditions)}
    ordered = sorted(answers, key=lambda line: (place[line.condition], line.item_id))
    return tuple(
        Outcome(dataset.by_id[line.item_id], prediction(line, dataset.task.name), tuple(said.get(line.key, ())))
        for line in ordered
    )


def rescore(outcomes: Sequence[Outcome], dataset: DatasetCard, judge_id: str | None = None) -> tuple[Score, ...]:
    """The scores of outcomes: the set's label metrics, and with `judge_id` those of that judge's scores.

    Judged metrics are computed over the conditions that the judge has judged.
    """
    made = compute(outcomes, [dataset.task])
    if judge_id is None:
        return made
    heard = {outcome.prediction.condition for outcome in outcomes if outcome.judgements}
    judged = [outcome for outcome in outcomes if outcome.prediction.condition in heard]
    return (*made, *compute(judged, [dataset.task], judge_id=judge_id))


def prediction(line: PredictionLine, task: str) -> Prediction:
    """The prediction that a line was written from, as far as it tells."""
    return Prediction(
        line.item_id,
        task,
        line.condition,
        line.answer if line.raw is None else line.raw,
        line.reasoning,
        line.answer,
        line.status,
        finish_reason=line.finish_reason,
        input_tokens=line.input_tokens,
        output_tokens=line.output_tokens,
        audio_seconds=line.audio_seconds,
        audio_seconds_heard=line.audio_seconds_heard,
        flags=line.flags,
    )


def judgement(line: JudgementLine, task: str, judge_id: str) -> Judgement:
    """The judgement that a line was written from, without its calls."""
    return Judgement(
        line.key_sha256,
        line.item_id,
        task,
        line.condition,
        line.answer_sha256,
        judge_id,
        line.status,
        line.score,
        raw=line.raw,
        reason=line.reason,
        repeat=line.repeat,
        members=line.members,
    )


def _lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().split(b"\n") if line]
