"""Whether a share rises with a score: the source paper's own evidence for its judge, with the certainty it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.records import Estimate
from cpbench.stats.clusters import cluster_interval, influence

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Step:
    """From one score to the next one that occurs: how the share of right answers changes."""

    below: float
    above: float
    change: Estimate


@dataclass(frozen=True)
class Rising:
    """The share of right answers at each score, and whether it rises."""

    scores: tuple[float, ...]
    shares: tuple[Estimate, ...]
    steps: tuple[Step, ...]
    falls: tuple[Step, ...]  # the steps that surely go down: Holm-corrected over all steps
    verdict: str  # "rises", "falls somewhere", "not shown": between the lowest and the highest score nothing is shown


def rising(scores: Array, right: Array, recordings: Sequence[object], *, level: float = 0.05) -> Rising:
    """Return P(right | score) at each score that occurs, and the check that it rises.

    `scores`, `right` (0 or 1) (N,). Each share and each step has the clustered t interval of its influences. The
    verdict is "falls somewhere" where a step is surely negative after Holm's correction, "rises" where none is and the
    highest score's share is surely above the lowest one's, else "not shown". Raises ValueError for fewer than two
    different scores.
    """
    scores, right = np.asarray(scores, dtype=float), np.asarray(right, dtype=float)
    values = np.unique(scores)
    if len(values) < 2:
        raise ValueError("a constant score: nothing can rise with it")
    at = (scores[:, None] == values).astype(float)
    sums = np.concatenate([at, at * right[:, None]], axis=1)  # (N, 2 V): how many, how many right
    shares = tuple(_of(sums, recordings, _share(number, len(values))) for number in range(len(values)))
    steps = tuple(
        Step(float(values[n]), float(values[n + 1]), _of(sums, recordings, _change(n, n + 1, len(values))))
        for n in range(len(values) - 1)
    )
    whole = _of(sums, recordings, _change(0, len(values) - 1, len(values)))
    falls = tuple(step for step, p in zip(steps, _holm_down(steps), strict=True) if p <= level)
    rises = not falls and whole.low is not None and whole.low > 0
    verdict = "falls somewhere" if falls else "rises" if rises else "not shown"
    return Rising(tuple(values.tolist()), shares, steps, falls, verdict)


def _share(number: int, count: int) -> Any:
    return lambda sums: sums[..., count + number] / sums[..., number]


def _change(before: int, after: int, count: int) -> Any:
    return lambda sums: _share(after, count)(sums) - _share(before, count)(sums)


def _of(sums: Array, recordings: Sequence[object], value: Any) -> Estimate:
    at = float(value(sums.sum(axis=0)))
    return cluster_interval(at, influence(sums, value), recordings)


def _holm_down(steps: Sequence[Step]) -> list[float]:
    """One-sided p that a step goes down, by its t, corrected over all steps; 1 where it has no interval."""
    from scipy.special import stdtr

    ps = [
        1.0
        if step.change.se in (None, 0.0)
        else float(stdtr(step.change.clusters - 1, step.change.value / step.change.se))
        for step in steps
    ]
    corrected, most = [1.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        most = max(most, min(1.0, (len(ps) - rank) * ps[at]))
        corrected[at] = most
    return corrected
