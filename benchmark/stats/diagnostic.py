"""A judge as a diagnostic test: what it says of right and of wrong answers, and what follows for a share it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.stats.clusters import LEVEL

Array = npt.NDArray[np.floating[Any]]


def clopper_pearson(count: int, n: int, *, level: float = LEVEL, sided: int = 2) -> tuple[float, float]:
    """Return the exact interval of a share, for independent draws (Clopper and Pearson 1934).

    One-sided (`sided=1`) each bound holds at `level` by itself. Raises ValueError for a count outside 0 to n.

    >>> low, high = clopper_pearson(0, 60, sided=1)
    >>> low, round(high, 4)
    (0.0, 0.0487)
    """
    from scipy.special import betaincinv

    if not 0 <= count <= n or n < 1:
        raise ValueError(f"{count} of {n}")
    tail = (1 - level) / sided
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return low, high


def auc(scores: Array, right: npt.NDArray[np.bool_]) -> tuple[float, Array]:
    """Return the area under the ROC curve, ties half, and each item's influence on it: (N,), of sum zero.

    The probability that a right answer is scored above a wrong one. The influences are the placements of DeLong et al.
    (1988); their clustered mean gives the interval of Obuchowski (1997). Raises ValueError where all are right or all
    wrong.
    """
    from scipy.stats import rankdata

    scores, right = np.asarray(scores, dtype=float), np.asarray(right, dtype=bool)
    above, below = scores[right], scores[~right]
    if not len(above) or not len(below):
        raise ValueError("the area under the curve needs right and wrong answers")
    together = rankdata(np.concatenate([above, below]))
    won = (together[: len(above)] - rankdata(above)) / len(below)  # share of the wrong that each right one beats
    beaten = 1 - (together[len(above) :] - rankdata(below)) / len(above)
    value = float(won.mean())
    influence = np.empty(len(scores))
    influence[right] = (won - value) * len(scores) / len(above)
    influence[~right] = (beaten - value) * len(scores) / len(below)
    return value, influence


@dataclass(frozen=True)
class Corrected:
    """A share with its interval; `value` None where the judge tells nothing apart."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """What is known of a judge: its sensitivity on `right` answers and its specificity on `wrong` ones."""

    sensitivity: float
    specificity: float
    right: int
    wrong: int


def rogan_gladen(share: float, n: int, known: Calibration, *, level: float = LEVEL) -> Corrected:
    """Return the share of right answers that a judge's `share` of n stands for, and its interval, both cut to [0, 1].

    (share + specificity - 1) / (sensitivity + specificity - 1): Rogan and Gladen (1978); the interval is that of Lee et
    al. (arXiv 2511.21140), which knows the calibration's own uncertainty. Items count as independent. Without a value
    where sensitivity + specificity is at most 1.

    >>> found = rogan_gladen(0.6, 1000, Calibration(0.9, 0.8, 100, 100))
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.5714, 0.4898, 0.6555)
    """
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    apart = known.sensitivity + known.specificity - 1
    value = min(1.0, max(0.0, (share + known.specificity - 1) / apart)) if apart > 0 else None
    p, n_moved = (n * share + z**2 / 2) / (n + z**2), n + z**2
    sens = (known.right * known.sensitivity + 1) / (known.right + 2)
    spec = (known.wrong * known.specificity + 1) / (known.wrong + 2)
    if value is None or sens + spec <= 1:
        return Corrected(None, 0.0, 1.0)
    moved = (p + spec - 1) / (sens + spec - 1)
    of_sens, of_spec = sens * (1 - sens) / (known.right + 2), spec * (1 - spec) / (known.wrong + 2)
    bias = 2 * z**2 * (moved * of_sens - (1 - moved) * of_spec)
    variance = p * (1 - p) / n_moved + (1 - moved) ** 2 * of_spec + moved**2 * of_sens
    half = z * variance**0.5 / (sens + spec - 1)
    return Corrected(value, max(0.0, moved + bias - half), min(1.0, moved + bias + half))


@dataclass(frozen=True)
class Spread:
    """How far systems lie apart, beyond what their sampling errors explain: a standard deviation and its bound."""

    value: float
    upper: float | None  # one-sided; None: fewer than two systems
    lower: float = 0.0  # one-sided


def between_system_sd(values: Array, variances: Array, *, level: float = LEVEL) -> Spread:
    """Return the standard deviation between systems of a quantity measured with error, and its upper bound.

    `values` (S,) and the `variances` (S,) of their errors, independent of each other. The generalised Q statistic
    sum (y - mean)^2 / (v + t^2) is chi-square with S-1 degrees of freedom at the true t: its median gives the value,
    its lower tail the upper bound, its upper tail the lower one (Q-profile, Viechtbauer 2007). An equal judge shows a
    raw spread by chance; this one is 0 then.

    >>> spread = between_system_sd(np.array([0.8, 0.8, 0.8, 0.8]), np.full(4, 0.01))
    >>> spread.value, spread.upper < 0.15
    (0.0, True)
    """
    from scipy.special import chdtri  # chdtri(v, p): the point with p above it

    values, variances = np.asarray(values, dtype=float), np.asarray(variances, dtype=float)
    if len(values) < 2:
        return Spread(0.0, None)
    freedom = len(values) - 1

    def q(t: float) -> float:
        weights = 1 / np.maximum(variances + t**2, 1e-12)
        centre = (weights * values).sum() / weights.sum()
        return float((weights * (values - centre) ** 2).sum())

    return Spread(*(_where_falls(q, float(chdtri(freedom, above))) for above in (0.5, level, 1 - level)))


def _where_falls(q: Any, level: float) -> float:
    """Where a falling function of t >= 0 comes down to a level; 0 where it begins below."""
    from scipy.optimize import brentq

    if q(0.0) <= level:
        return 0.0
    high = 1.0
    while q(high) > level:
        high *= 2
    return float(brentq(lambda t: q(t) - level, 0.0, high, xtol=1e-9))
