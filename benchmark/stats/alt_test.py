"""The alternative annotator test: may a judge take the place of a human rater?

Calderon, Reichart and Dror, The Alternative Annotator Test for LLM-as-a-Judge (ACL 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.stats.clusters import cluster_interval

Array = npt.NDArray[np.floating[Any]]
FEWEST = 30  # items that a rater shares with others: below, the paper's t test is not to be trusted


@dataclass(frozen=True)
class Against:
    """The judge against one human rater."""

    rater: int
    items: int
    judge: float  # share of the items on which the judge is at least as near to the other raters
    human: float  # share on which this rater is
    p: float | None  # one-sided, that the judge is worse by epsilon or more; None: too few items or recordings
    won: bool  # after the correction of Benjamini and Yekutieli over the raters


@dataclass(frozen=True)
class AltTest:
    """`winning_rate`: the share of the raters that the judge may stand in for; at 0.5 it passes."""

    raters: tuple[Against, ...]
    epsilon: float
    winning_rate: float
    advantage: float  # mean over the raters of `judge`: the probability to be as good as a rater chosen at random

    @property
    def passes(self) -> bool:
        return self.winning_rate >= 0.5


def alt_test(
    humans: Array, judge: Array, recordings: Sequence[object], *, epsilon: float, level: float = 0.05
) -> AltTest:
    """Return the test of a judge's scores (N,) against the humans' (raters, N), NaN where one gave none.

    A rater (or the judge in its place) is as near to the others on an item as the root of the mean squared difference
    to their scores. `epsilon` is what the judge may be worse by, since it is cheaper: 0.2 for experts, 0.1 for crowd
    workers; it is to be fixed beforehand. The t is clustered by recording. Raises ValueError for fewer than three
    raters, or scores of unequal length.
    """
    humans, judge = np.asarray(humans, dtype=float), np.asarray(judge, dtype=float)
    if len(humans) < 3 or humans.shape[1:] != judge.shape:
        raise ValueError(f"{len(humans)} raters: the test needs three, over the judge's items")
    found = [_against(rater, humans, judge, recordings, epsilon) for rater in range(len(humans))]
    won = _benjamini_yekutieli([one[-1] for one in found], level)
    raters = tuple(Against(*one, won=win) for one, win in zip(found, won, strict=True))
    return AltTest(raters, epsilon, float(np.mean(won)), float(np.mean([one.judge for one in raters])))


def _against(
    rater: int, humans: Array, judge: Array, recordings: Sequence[object], epsilon: float
) -> tuple[int, int, float, float, float | None]:
    others = np.delete(humans, rater, axis=0)
    shared = ~np.isnan(humans[rater]) & ~np.isnan(judge) & (~np.isnan(others)).any(axis=0)
    if not shared.any():
        return rater, 0, 0.0, 0.0, None
    far_judge, far_human = (_far(scores[shared], others[:, shared]) for scores in (judge, humans[rater]))
    judge_wins, human_wins = (far_judge <= far_human + 1e-12), (far_human <= far_judge + 1e-12)
    worse = human_wins.astype(float) - judge_wins
    means = float(judge_wins.mean()), float(human_wins.mean())
    n = int(shared.sum())
    within = [recording for recording, kept in zip(recordings, shared, strict=True) if kept]
    interval = cluster_interval(float(worse.mean()), worse - worse.mean(), within)
    if n < FEWEST or interval.se is None:
        return rater, n, *means, None
    return rater, n, *means, _below(interval.value - epsilon, interval.se, interval.clusters - 1)


def _far(scores: Array, others: Array) -> Array:
    away: Array = np.sqrt(np.nanmean((others - scores) ** 2, axis=0))
    return away


def _below(value: float, se: float, freedom: int) -> float:
    from scipy.special import stdtr

    if se == 0:
        return 0.0 if value < 0 else 1.0
    return float(stdtr(freedom, value / se))


def _benjamini_yekutieli(ps: Sequence[float | None], level: float) -> list[bool]:
    """Which of several tests hold with a false discovery rate of `level`, however they depend on each other."""
    tests = len(ps)
    slack = sum(1 / k for k in range(1, tests + 1))
    order = sorted(range(tests), key=lambda at: 1.0 if ps[at] is None else float(ps[at] or 0.0))
    most = 0
    for rank, at in enumerate(order, 1):
        p = ps[at]
        if p is not None and p <= level * rank / (tests * slack):
            most = rank
    return [at in order[:most] for at in range(tests)]
