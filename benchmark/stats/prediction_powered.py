"""PPI++: the mean that humans would give, from a random sample of human labels and a judge's scores of everything.

Angelopoulos, Duchi and Zrnic, PPI++: Efficient Prediction-Powered Inference (2023), for a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.records import Estimate
from cpbench.stats.clusters import cluster_interval

Array = npt.NDArray[np.floating[Any]]


def ppi_mean(judge: Array, human: Array, recordings: Sequence[object], *, chance: Array | None = None) -> Estimate:
    """Return the mean human score over all items, with its interval clustered by recording.

    `judge` (N,) scores every item, `human` (N,) the sampled ones and is NaN elsewhere. `chance` (N,): the probability
    with which each item was drawn; None: all alike. The sample must be drawn at random: of items that were picked
    otherwise it proves nothing. The judge counts with the weight that makes the interval narrowest: a useless judge
    gets 0, and what is left is the mean of the human labels. Raises ValueError for fewer than three labels.

    >>> judge = np.array([0.0, 1, 1, 0, 1, 0, 1, 1])
    >>> human = np.array([0.0, 1, np.nan, 0, 1, np.nan, np.nan, 1])
    >>> round(ppi_mean(judge, human, list("abcdefgh")).value, 6)
    0.615385
    """
    judge, human = np.asarray(judge, dtype=float), np.asarray(human, dtype=float)
    drawn = ~np.isnan(human)
    if drawn.sum() < 3:
        raise ValueError(f"{int(drawn.sum())} human labels")
    weight = np.where(drawn, 1 / (np.full(len(judge), drawn.mean()) if chance is None else chance), 0.0)
    weight = weight * len(judge) / weight.sum()  # sums to N: the labels stand for all items
    label = np.where(drawn, human, 0.0)
    centre_judge, centre_human = judge.mean(), (weight * label).mean()
    part = _part(judge[drawn], human[drawn], weight[drawn], len(judge))
    value = part * centre_judge + float((weight * (label - part * judge)).mean())
    own = part * (judge - centre_judge)
    corrected = weight * (label - part * judge - (centre_human - part * (weight * judge).mean()))
    found = cluster_interval(value, own + corrected - (own + corrected).mean(), recordings)
    return Estimate(
        found.value, found.low, found.high, found.se, int(drawn.sum()), found.clusters, f"PPI++, {found.method}"
    )


def _part(judge: Array, human: Array, weight: Array, n: int) -> float:
    """The judge's weight: cov(human, judge) / ((1 + labels / items) var(judge)), cut to [0, 1]."""
    share = weight / weight.sum()
    off = judge - (share * judge).sum()
    variance = float((share * off**2).sum())
    if variance == 0:
        return 0.0
    covariance = float((share * off * (human - (share * human).sum())).sum())
    return min(1.0, max(0.0, covariance / ((1 + len(judge) / n) * variance)))
