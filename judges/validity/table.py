"""Answers as columns: what the label says of each, what the judge says, and to whom it belongs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.judges.validity.packs import System
from cpbench.judges.validity.schema import Number
from cpbench.metrics.classification import predicted
from cpbench.records import Estimate, Item, Outcome
from cpbench.results.scores import crossing
from cpbench.stats import cluster_interval, influence
from cpbench.stats.diagnostic import clopper_pearson

Array = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]
Value = Callable[[Array], Array]
RIGHT, WRONG, UNREAD = 1, 0, -1
UNSTATED = "unstated"


@dataclass(frozen=True)
class Table:
    """N answers of some systems to some items, in columns (N,)."""

    systems: tuple[System, ...]
    items: tuple[Item, ...]
    words: tuple[str, ...] | None  # of each item, where recordings share words: the second identity
    system: Codes  # which of the systems
    item: Codes  # which of the items
    truth: Codes  # RIGHT, WRONG, or UNREAD: no single label can be read from the answer
    score: Array  # the judge's, 0 to 100; NaN: none
    length: Array  # of the answer, in characters
    correct_score: float  # from this score on an answer is accepted

    def __len__(self) -> int:
        return len(self.system)

    @cached_property
    def accepted(self) -> Bools:
        """Where a score is; False where there is none."""
        return np.asarray(np.nan_to_num(self.score, nan=-1.0) >= self.correct_score)

    @cached_property
    def scored(self) -> Bools:
        return np.asarray(~np.isnan(self.score))

    @cached_property
    def told(self) -> Bools:
        """The answers of counted systems of which both label and judge say something."""
        return np.asarray(self.scored & (self.truth != UNREAD) & self.counted)

    @cached_property
    def counted(self) -> Bools:
        return np.array([system.counted for system in self.systems], dtype=bool)[self.system]

    @cached_property
    def recording(self) -> Codes:
        """Of each answer, as a number."""
        _, codes = np.unique(np.array([item.recording for item in self.items]), return_inverse=True)
        return np.asarray(codes.reshape(-1)[self.item])

    @cached_property
    def family(self) -> npt.NDArray[np.str_]:
        return np.array([system.family for system in self.systems])[self.system]

    def of_items(self, about: Callable[[Item], str]) -> npt.NDArray[np.str_]:
        """A property of the items, for each answer."""
        return np.array([about(item) for item in self.items])[self.item]

    def ids(self, rows: Bools) -> list[Sequence[object]]:
        """The one or two identities by which these answers are clustered."""
        if self.words is None:
            return [self.recording[rows]]  # type: ignore[list-item]
        return [self.recording[rows], np.array(self.words)[self.item[rows]]]  # type: ignore[list-item]

    def number(self, rows: Array, value: Value, where: Bools, *, bounds: tuple[float, float] = (0.0, 1.0)) -> Number:
        """A function of sums of these answers' rows, with its clustered interval, cut to `bounds`."""
        at = float(value(rows.sum(axis=0)))
        return as_number(cluster_interval(at, influence(rows, value), *self.ids(where)), bounds)

    def share(self, hits: Bools, where: Bools) -> Number | None:
        """The share of `where` in which `hits` is true; None where there is nothing.

        Where all or none are, the answers differ in nothing and the clustered interval would have no width: then it is
        Clopper and Pearson's, as if answers were independent.
        """
        n = int(where.sum())
        if not n:
            return None
        count = int(hits[where].sum())
        rows = np.stack([hits[where].astype(float), np.ones(n)], axis=1)
        found = self.number(rows, mean, where)
        return found if 0 < count < n else {**found, **exact_interval(count, n)}


def as_number(estimate: Estimate, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Number:
    """An estimate as validity.json has it."""
    low, high = estimate.low, estimate.high
    return {
        "value": float(estimate.value),
        "low": None if low is None else float(np.clip(low, *bounds)),
        "high": None if high is None else float(np.clip(high, *bounds)),
        "n": estimate.n,
        "recordings": estimate.clusters,
        "method": estimate.method,
    }


def exact_interval(count: int, n: int) -> Any:
    """The part of a `Number` that Clopper and Pearson say."""
    low, high = clopper_pearson(count, n)
    return {"low": low, "high": high, "method": "Clopper-Pearson: all answers are alike"}


def mean(sums: Array) -> Array:
    """Of rows (x, 1)."""
    averaged: Array = sums[..., 0] / sums[..., 1]
    return averaged


def make_table(
    systems: Sequence[System],
    items: Sequence[Item],
    outcomes: Mapping[str, Sequence[Outcome]],
    scores: Mapping[str, Sequence[float | None]],
    *,
    correct_score: float,
) -> Table:
    """The table of each system's outcomes and, beside them, their scores."""
    place = {(item.task, item.id): at for at, item in enumerate(items)}
    rows = [
        (at, place[one.item.task, one.item.id], _truth(one), np.nan if score is None else score, len(_said(one)))
        for at, system in enumerate(systems)
        for one, score in zip(outcomes[system.name], scores[system.name], strict=True)
    ]
    columns = np.array(rows, dtype=float).reshape(-1, 5).T
    first = next((each for each in outcomes.values() if each), [])
    words = None
    if len(first) == len(items):
        crossed = crossing(list(first), [one.item.recording for one in first])
        words = None if crossed is None else tuple(crossed)
    system, item, truth = (columns[at].astype(np.intp) for at in (0, 1, 2))
    return Table(tuple(systems), tuple(items), words, system, item, truth, columns[3], columns[4], correct_score)


def language(item: Item) -> str:
    return item.language or UNSTATED


def kind(item: Item) -> str:
    return item.type or UNSTATED


def _truth(outcome: Outcome) -> int:
    label = predicted(outcome)
    return UNREAD if label is None else RIGHT if label == outcome.item.label else WRONG


def _said(outcome: Outcome) -> str:
    return outcome.prediction.answer if outcome.prediction.status == "ok" else ""
