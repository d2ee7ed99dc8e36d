"""Ranks as intervals: the places that no significant difference excludes (JUDGE, 4).

Within one table every pair of systems is tested on the items that both answered, clustered by recording, and the p
values are corrected for each other (Holm). A system's rank is then

    [1 + the number of systems that are significantly better,   K - the number that are significantly worse]

of K systems. Baselines stand beside them and are no systems: they take no place, and are not in that correction. What
separates them from the systems is a family of tests of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.parts import Metric
from cpbench.stats import Meeting, every_pair, holm
from cpbench.stats.paired import ALPHA, EXACT

Array = npt.NDArray[np.floating[Any]]
RULE = (
    "A rank is an interval: 1 + the number of systems that are significantly better, to the number of systems less "
    "those that are significantly worse. Every pair is tested on the items that both answered, by sign flips of the "
    "recordings' differences (where no drawn pattern is as far as what is observed, by the clustered t); the p values "
    "of a table are corrected for each other (Holm), at 5 %. Systems whose intervals overlap are not shown to differ."
)


@dataclass(frozen=True)
class Ground:
    """The items of a table (N,), as all of its systems answered them: what they are clustered by."""

    recordings: Sequence[str]
    words: Sequence[str] | None = None  # the sentence of each, where recordings cross with it

    @property
    def ids(self) -> tuple[Sequence[str], ...]:
        return (self.recordings,) if self.words is None else (self.recordings, self.words)


@dataclass(frozen=True)
class Place:
    """Where an entry stands in its table."""

    entry: str
    best: int | None  # None: it is not counted as a system
    worst: int | None
    better: tuple[str, ...]  # entries that are significantly better
    worse: tuple[str, ...]  # entries that are significantly worse


@dataclass(frozen=True)
class Ranking:
    """A table's ranks, in the order of the entries."""

    places: tuple[Place, ...]
    systems: int
    pairs: int
    smallest: float | None  # the median over pairs of the smallest true difference that is shown with a power of 80 %
    undecidable: str | None  # why no difference of any size could be significant here


def rank(rows: Mapping[str, Array], metric: Metric, ground: Ground, *, beside: Sequence[str] = ()) -> Ranking:
    """Return the rank of every entry.

    `rows`: each entry's rows of the metric (N, D), of the ground's items in its order; NaN where it has no usable
    answer. `beside`: the entries among them that are no systems. Raises ValueError for rows of another length.
    """
    if wrong := [entry for entry, each in rows.items() if len(each) != len(ground.recordings)]:
        raise ValueError(f"{wrong[0]} has {len(rows[wrong[0]])} rows for {len(ground.recordings)} items")
    counted = [entry for entry in rows if entry not in beside]
    pairs = len(counted) * (len(counted) - 1) // 2
    met = every_pair([rows[entry] for entry in counted], metric.value, *ground.ids)
    above = _above(met, counted, metric)
    outside = _beside(rows, counted, metric, ground)
    places = tuple(_place(entry, above if entry in counted else set(), outside, counted) for entry in rows)
    spans = [one.smallest for one in met if one.smallest is not None]
    return Ranking(
        places,
        len(counted),
        pairs,
        float(np.median(spans)) if spans else None,
        _undecidable(len(set(ground.recordings)), pairs),
    )


def _above(met: Sequence[Meeting], names: Sequence[str], metric: Metric) -> set[tuple[str, str]]:
    """Which entry is significantly better than which: (better, worse), corrected for all that were met."""
    found = set()
    for one, p in zip(met, holm([each.p for each in met]), strict=True):
        if p is None or p > ALPHA or one.difference == 0:
            continue
        a_better = (one.difference > 0) == metric.higher_is_better
        found.add((names[one.a], names[one.b]) if a_better else (names[one.b], names[one.a]))
    return found


def _beside(rows: Mapping[str, Array], counted: Sequence[str], metric: Metric, ground: Ground) -> set[tuple[str, str]]:
    """The same of each system and each entry that is none."""
    names = list(rows)
    others = [at for at, entry in enumerate(names) if entry not in counted]
    pairs = [(names.index(entry), other) for other in others for entry in counted]
    return _above(every_pair(list(rows.values()), metric.value, *ground.ids, pairs=pairs), names, metric)


def _place(entry: str, above: set[tuple[str, str]], outside: set[tuple[str, str]], counted: Sequence[str]) -> Place:
    better = sorted(a for a, b in above if b == entry)
    worse = sorted(b for a, b in above if a == entry)
    best, worst = (1 + len(better), len(counted) - len(worse)) if entry in counted else (None, None)
    better += sorted(a for a, b in outside if b == entry)
    worse += sorted(b for a, b in outside if a == entry)
    return Place(entry, best, worst, tuple(better), tuple(worse))


def _undecidable(recordings: int, pairs: int) -> str | None:
    """Why no pair could be told apart, whatever the answers; None where one could."""
    if not pairs:
        return None
    if recordings == 1:
        return "all items are of one recording"
    level = ALPHA / pairs
    least = 0.5 ** (recordings - 1)
    if recordings > EXACT or least <= level:
        return None
    each = "a pair" if pairs == 1 else f"each of {pairs} pairs"
    return f"{recordings} recordings allow no p under {least:.2g}, and {each} needs {level:.2g}"
