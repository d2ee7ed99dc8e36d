"""From outcomes to scores: each metric of each task, condition and slice, with its interval, coverage and bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.errors import UserError
from cpbench.metrics import find_metrics, judged_metrics
from cpbench.parts import Metric
from cpbench.records import QTYPES, Estimate, Judgement, Outcome, Score, Task
from cpbench.stats import cluster_interval, influence

Array = npt.NDArray[np.floating[Any]]
Column = tuple[str, str]  # a task, a condition


@dataclass(frozen=True)
class Absent:
    """A number that does not exist, and why."""

    task: str
    condition: str
    slice: str
    metric: str
    why: str


def compute(outcomes: Sequence[Outcome], tasks: Sequence[Task], *, judge_id: str | None = None) -> tuple[Score, ...]:
    """Return the scores of outcomes: per task, condition, metric and slice ("all" and each question type present).

    Without `judge_id` the task's metrics that need no judge; with it those that are made from that judge's scores, of
    whose judgements the outcomes then are. Intervals are clustered by recording, and two ways by `Item.words` where
    words recur in several recordings; they are cut to the metric's bounds.

    An answer of status `error`, or without a judgement where the metric needs one, is missing: left out of the value
    and its interval, counted in `coverage`, and put at the bottom and at the top for `worst` and `best`, which are None
    where nothing is missing. A metric that has no value on a slice has no score there: `absences` says why.

    Raises UserError for outcomes of a task that is not among `tasks`, and UsageError for a metric that nobody defines.
    """
    return tuple(
        _score(part, rows, name, metric, judge_id)
        for name, metric, part, rows in _measured(outcomes, tasks, judge_id)
        if not isinstance(rows, str)
    )


def absences(outcomes: Sequence[Outcome], tasks: Sequence[Task], *, judge_id: str | None = None) -> list[Absent]:
    """Return the numbers that `compute` leaves out of what the tasks ask for, each with the reason."""
    return [
        Absent(part[0].prediction.task, part[0].prediction.condition, name, metric.name, rows)
        for name, metric, part, rows in _measured(outcomes, tasks, judge_id)
        if isinstance(rows, str)
    ]


def _measured(
    outcomes: Sequence[Outcome], tasks: Sequence[Task], judge_id: str | None
) -> Iterator[tuple[str, Metric, list[Outcome], Array | str]]:
    """Every slice, metric, its outcomes and their rows, or the reason why there are none."""
    known = {task.name: task for task in tasks}
    for (task, _), column in columns(outcomes, tasks).items():
        for metric in metrics_of(known[task], judge_id):
            for name, part in slices(column, metric):
                yield name, metric, part, _rows(part, metric)


def _rows(part: Sequence[Outcome], metric: Metric) -> Array | str:
    try:
        rows = metric.rows(part)
    except UserError as error:
        return error.what
    if np.isnan(rows).any(axis=1).all():
        return f"none of {len(part)} items has a usable {'judgement' if metric.judged else 'answer'}"
    return rows


def columns(outcomes: Iterable[Outcome], tasks: Sequence[Task]) -> dict[Column, list[Outcome]]:
    """Group outcomes by task and condition: the tasks in their order, the conditions as they come.

    Raises UserError for an outcome of none of the tasks.
    """
    found: dict[Column, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault((outcome.prediction.task, outcome.prediction.condition), []).append(outcome)
    order = {task.name: at for at, task in enumerate(tasks)}
    if unknown := [task for task, _ in found if task not in order]:
        raise UserError("answers to a task that this run does not know", value=unknown[0], allowed=order)
    return dict(sorted(found.items(), key=lambda pair: order[pair[0][0]]))


def metrics_of(task: Task, judge_id: str | None) -> list[Metric]:
    """Return a task's metrics: those that need no judge, or those of a judge's scores (all, if it names none)."""
    named = find_metrics(task.metrics)
    if judge_id is None:
        return [metric for metric in named if not metric.judged]
    return [metric for metric in named if metric.judged] or judged_metrics()


def slices(column: Sequence[Outcome], metric: Metric) -> Iterator[tuple[str, list[Outcome]]]:
    """Yield the outcomes that a metric applies to: all of them ("all"), then each question type."""
    whole = [outcome for outcome in column if metric.applies(outcome)]
    if whole:
        yield "all", whole
    for qtype in QTYPES:
        if part := [outcome for outcome in whole if outcome.item.type == qtype]:
            yield qtype, part


def _score(part: Sequence[Outcome], rows: Array, name: str, metric: Metric, judge_id: str | None) -> Score:
    usable = np.asarray(~np.isnan(rows).any(axis=1))
    worst, best = (None, None) if usable.all() else _ends(part, usable, metric)
    first = part[0].prediction
    return Score(
        first.task,
        first.condition,
        name,
        metric.name,
        judge_id if metric.judged else None,
        _estimate(
            [outcome for outcome, is_usable in zip(part, usable, strict=True) if is_usable], rows[usable], metric
        ),
        coverage=float(usable.mean()),
        worst=worst,
        best=best,
        leaked=any("leaked" in outcome.prediction.flags for outcome in part),
    )


def _estimate(part: Sequence[Outcome], rows: Array, metric: Metric) -> Estimate:
    value = float(metric.value(rows.sum(axis=0)))
    recordings = [outcome.item.recording for outcome in part]
    ids = [recordings, words] if (words := crossing(part, recordings)) else [recordings]
    estimate = cluster_interval(value, influence(rows, metric.value), *ids)
    if estimate.low is None or estimate.high is None:
        return estimate
    bottom, top = metric.bounds
    return dataclasses.replace(estimate, low=max(estimate.low, bottom), high=min(estimate.high, top))


def crossing(part: Sequence[Outcome], recordings: Sequence[str]) -> list[str] | None:
    """Return the words of each item (N,) where some words are said in several recordings, else None.

    Unknown words are nobody's. With the recordings (N,) they are the two identities of `cluster_interval`.
    """
    spoken: dict[str, set[str]] = {}
    for outcome, recording in zip(part, recordings, strict=True):
        if outcome.item.words is not None:
            spoken.setdefault(outcome.item.words, set()).add(recording)
    if not any(len(heard_in) > 1 for heard_in in spoken.values()):
        return None
    return [f"unknown {at}" if one.item.words is None else f"={one.item.words}" for at, one in enumerate(part)]


def _ends(part: Sequence[Outcome], usable: npt.NDArray[np.bool_], metric: Metric) -> tuple[float, float]:
    """The value with the missing at worst and at best.

    The missing are imagined silent, right, and lured, each with the judge's score to match; the extremes are taken. For
    a mean over items these are bounds. For the F1s `worst` is an answer that nobody can read: a wrong class would cost
    that class too.
    """
    imagined = [
        [outcome if is_usable else imagine(outcome) for outcome, is_usable in zip(part, usable, strict=True)]
        for imagine in (_silent, _right, _lured)
    ]
    values = [float(metric.value(metric.rows(each).sum(axis=0))) for each in imagined]
    worst, best = (min(values), max(values)) if metric.higher_is_better else (max(values), min(values))
    return worst, best


def _silent(outcome: Outcome) -> Outcome:
    return _imagined(outcome, "", 0.0)


def _right(outcome: Outcome) -> Outcome:
    item = outcome.item
    return _imagined(outcome, item.label if item.label is not None else next(iter(item.references), ""), 100.0)


def _lured(outcome: Outcome) -> Outcome:
    return _imagined(outcome, outcome.item.lure or "", 0.0)


def _imagined(outcome: Outcome, answer: str, score: float) -> Outcome:
    prediction = dataclasses.replace(outcome.prediction, answer=answer, status="ok")
    judgement = Judgement("", outcome.item.id, outcome.item.task, prediction.condition, "", "", "ok", score)
    return Outcome(outcome.item, prediction, (judgement,))
