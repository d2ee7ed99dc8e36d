"""A run laid out for comparison with itself: a question type of a task, a column of outcomes for each condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cpbench.conditions import kind
from cpbench.errors import UserError
from cpbench.metrics import find_metrics
from cpbench.metrics.classification import labelled, predicted
from cpbench.parts import Metric
from cpbench.records import QTYPES, Item, Outcome, Task

FIRST = ("balanced_accuracy", "accuracy", "overlap_score")
"""Which of a task's metrics counts for a type: the first that it names and that has a value there. Balanced accuracy
first, since a habit (always the commonest label) then stands at chance; it has none where each item has options of its
own."""
WITHOUT_THE_CLIP = frozenset({"silent", "other", "words"})
"""The kinds of condition under which the item's own clip is not played."""


@dataclass(frozen=True)
class Judged:
    """What one judge said of a run."""

    name: str
    judge_id: str
    correct: float  # the score from which an answer counts as right, 0 to 100
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Sheet:
    """One question type of a task in one metric, by one judge or none: condition -> outcomes."""

    task: Task
    type: str  # "all" where the items have no type
    metric: Metric
    main: str
    columns: Mapping[str, tuple[Outcome, ...]]
    judge: Judged | None = None

    @property
    def others(self) -> list[str]:
        return [condition for condition in self.columns if condition != self.main]

    def differ_in_tags_only(self, a: str, b: str) -> bool:
        """Whether two conditions change the same of what is heard and asked, whatever their tags say."""
        return _bare(a) == _bare(b)

    def beside(self, other: str) -> str:
        """What a condition is held against: the main one, or, where that has tags and this one none (or the other way
        round), the one like it that has as many; the main one again where the run has no such condition."""
        alike = [each for each in self.columns if self.differ_in_tags_only(each, self.main)]
        return next((each for each in (self.main, *alike) if self.told(each) == self.told(other)), self.main)

    @property
    def without_the_clip(self) -> list[str]:
        return [condition for condition in self.others if kind(condition) in WITHOUT_THE_CLIP]

    def told(self, condition: str) -> bool:
        """Whether tags in the prompt name emotions."""
        return any(one.prediction.told for one in self.columns[condition])

    def right(self, condition: str) -> dict[str, bool]:
        """Which items of a column are answered rightly, by id; those without a usable answer are left out.

        Where there is a label and no judge: the answer names it. Else the score reaches the judge's `correct`, or half
        of the metric's range.
        """
        column = self.columns[condition]
        if self.judge is None and all(labelled(one) for one in column):
            answered = [one for one in column if one.prediction.status != "error"]
            return {one.item.id: predicted(one) == one.item.label for one in answered}
        rows = self.metric.rows(column)
        bar = self.judge.correct if self.judge else sum(self.metric.bounds) / 2
        usable = ~np.isnan(rows).any(axis=1)
        scores = self.metric.value(np.where(usable[:, None], rows, 1.0))
        return {one.item.id: bool(score >= bar) for one, score, ok in zip(column, scores, usable, strict=True) if ok}


def sheets(
    outcomes: Sequence[Outcome], tasks: Sequence[Task], conditions: Sequence[str], judged: Sequence[Judged] = ()
) -> Iterator[Sheet]:
    """Yield the sheets of a run, the tasks and types in their order; the first of the conditions is the main one.

    A type with labels has one in its label metric; one without has one in the offline score only where nobody judges;
    each judge has one of its own.
    """
    readings = [(None, _by_task(outcomes)), *((judge, _by_task(judge.outcomes)) for judge in judged)]
    for task in tasks:
        for name in _types(readings[0][1].get(task.name, ())):
            for judge, found in readings:
                part = [one for one in found.get(task.name, ()) if name in ("all", one.item.type)]
                metric = find_metrics(["judge_score"])[0] if judge else _metric(task, part, bool(judged))
                if metric is None:
                    continue
                columns: dict[str, list[Outcome]] = {}
                for one in part:
                    if metric.applies(one):
                        columns.setdefault(one.prediction.condition, []).append(one)
                if conditions[0] in columns:
                    kept = {condition: tuple(columns[condition]) for condition in conditions if condition in columns}
                    yield Sheet(task, name, metric, conditions[0], kept, judge)


def _bare(condition: str) -> tuple[str, ...]:
    return tuple(step for step in condition.split("+") if kind(step) not in ("told", "plain"))


def items_of(sheet: Sheet) -> dict[str, Item]:
    """The items of a sheet, by id."""
    return {one.item.id: one.item for column in sheet.columns.values() for one in column}


def _by_task(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.prediction.task, []).append(outcome)
    return found


def _types(outcomes: Sequence[Outcome]) -> list[str]:
    found = {outcome.item.type for outcome in outcomes}
    return ["all"] * (None in found) + [name for name in QTYPES if name in found]


def _metric(task: Task, part: Sequence[Outcome], judged: bool) -> Metric | None:
    """The metric without a judge that counts for these outcomes; None where a judge's score does."""
    named = [metric for metric in find_metrics(task.metrics) if not metric.judged]
    order = {name: at for at, name in enumerate(FIRST)}
    for metric in sorted(named, key=lambda each: order.get(each.name, len(FIRST))):
        whom = [one for one in part if metric.applies(one)]
        if whom and not (judged and not any(labelled(one) for one in whom)) and _has_value(metric, whom):
            return metric
    return None


def _has_value(metric: Metric, part: Sequence[Outcome]) -> bool:
    try:
        metric.rows(part)
    except UserError:
        return False
    return True
