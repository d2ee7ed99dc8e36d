"""Rankings of systems: how far two measures of the same systems agree, by few systems and with what certainty."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cpbench.stats.clusters import LEVEL

Array = npt.NDArray[np.floating[Any]]
Correlation = Literal["pearson", "spearman", "kendall_tau_b"]
EXACT = 8  # systems: up to here every order is counted (40,320)


@dataclass(frozen=True)
class Correlated:
    """A correlation over systems and the share of all orders of them that give one as large."""

    value: float | None  # None: one of the two measures is the same for all systems
    p: float | None  # two-sided
    exact: bool
    n: int


def correlation(x: Array, y: Array, kind: Correlation, *, draws: int = 20000, seed: int = 0) -> Correlated:
    """Return a correlation of two measures (S,) of the same systems with its permutation p.

    Exact up to EXACT systems, else from `draws` seeded orders with the observed one counted in. Raises ValueError for
    fewer than three systems: two always correlate fully.

    >>> found = correlation(np.array([1.0, 2, 3, 4]), np.array([2.0, 4, 6, 9]), "spearman")
    >>> round(found.value, 12), round(found.p, 6), found.exact
    (1.0, 0.083333, True)
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    n = len(x)
    if n != len(y) or n < 3:
        raise ValueError(f"{n} and {len(y)} systems: a correlation needs three")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlated(None, None, True, n)
    a, b = _as_pearson(x, kind), _as_pearson(y, kind)
    value = float((a * b).sum())
    exact = n <= EXACT
    orders = _all_orders(n) if exact else _drawn_orders(n, draws, seed)
    shuffled = _reordered(b, orders) @ a.ravel()
    reached = int((np.abs(shuffled) >= abs(value) - 1e-9).sum())
    p = reached / len(orders) if exact else (reached + 1) / (len(orders) + 1)
    return Correlated(value, p, exact, n)


def _as_pearson(values: Array, kind: Correlation) -> Array:
    """What makes the correlation a sum of products: standardised values, ranks, or the signs of all differences."""
    from scipy.stats import rankdata

    if kind == "kendall_tau_b":
        made = np.sign(np.subtract.outer(values, values))
    else:
        made = (rankdata(values) if kind == "spearman" else values).astype(float)
        made = made - made.mean()
    unit: Array = made / math.sqrt((made**2).sum())
    return unit


def _reordered(made: Array, orders: npt.NDArray[np.intp]) -> Array:
    """Under each of the orders (P, S): (P, S), or (P, S * S) for what belongs to pairs."""
    if made.ndim == 1:
        return made[orders]
    return made[orders[:, :, None], orders[:, None, :]].reshape(len(orders), -1)


def _all_orders(n: int) -> npt.NDArray[np.intp]:
    return np.array(list(itertools.permutations(range(n))))


def _drawn_orders(n: int, draws: int, seed: int) -> npt.NDArray[np.intp]:
    return np.random.default_rng(seed).permuted(np.tile(np.arange(n), (draws, 1)), axis=1)


def pairwise_accuracy(x: Array, y: Array) -> float | None:
    """Return the share of pairs of systems that both measures (S,) order alike; a tie in one of them counts half.

    Pairs that both call a tie are left out (Kocmi et al. 2021); None where no pair is left.

    >>> pairwise_accuracy(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]))
    0.6666666666666666
    """
    first, second = np.triu_indices(len(x), 1)
    a, b = np.sign(np.subtract(x[first], x[second])), np.sign(np.subtract(y[first], y[second]))
    told = (a != 0) | (b != 0)
    return float(((a * b)[told] + 1).mean() / 2) if told.any() else None


def soft_pairwise_accuracy(p_x: Array, p_y: Array) -> float | None:
    """Return 1 - mean |p_x - p_y| over pairs of systems (Thompson et al. 2024): certainty counts, not only the order.

    `p_x`, `p_y` (pairs,): the one-sided p, by either measure, that the first system of the pair is no better.
    """
    p_x, p_y = np.asarray(p_x, dtype=float), np.asarray(p_y, dtype=float)
    return float(1 - np.abs(p_x - p_y).mean()) if len(p_x) else None


@dataclass(frozen=True)
class Nested:
    """What a statistic over systems does when items are drawn again, and when items and systems are."""

    items: tuple[float, float]
    items_and_systems: tuple[float, float] | None  # None: on most draws it has no value (too few distinct systems)


def nested_bootstrap(
    sums: Array, statistic: Callable[[Array], Array], *, draws: int = 2000, seed: int = 0, level: float = LEVEL
) -> Nested:
    """Return percentile intervals of a statistic over systems: over recordings alone, and over systems too.

    `sums` (S, C, D): what each system's items sum to in each recording; the systems share the recordings, which are
    drawn for all of them alike. `statistic` takes summed (draws, S, D) to (draws,), NaN where it has no value. With few
    systems the second interval is wide: that is its message.
    """
    drawn, both = nested_draws(sums, draws=draws, seed=seed)
    over_items = percentiles(statistic(drawn), level=level)
    if over_items is None:
        raise ValueError("the statistic has no value on most draws of the recordings")
    return Nested(over_items, percentiles(statistic(both), level=level))


def nested_draws(sums: Array, *, draws: int = 2000, seed: int = 0) -> tuple[Array, Array]:
    """Return the draws of `nested_bootstrap`: sums (draws, S, D) over recordings, and over recordings and systems.

    For several statistics of the same draws: the drawing takes most of the time.
    """
    sums = np.asarray(sums, dtype=float)
    systems, clusters, width = sums.shape
    draw = np.random.default_rng(seed)
    counts = draw.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws).astype(float)
    together = counts @ sums.transpose(1, 0, 2).reshape(clusters, systems * width)
    drawn = together.reshape(draws, systems, width)
    chosen = draw.integers(0, systems, (draws, systems))
    return drawn, np.take_along_axis(drawn, chosen[:, :, None], axis=1)


def percentiles(values: Array, *, level: float = LEVEL) -> tuple[float, float] | None:
    """Return the percentile interval of a statistic's draws; None where it has no value (NaN) on most of them."""
    kept = values[np.isfinite(values)]
    if 2 * len(kept) < len(values):
        return None
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def correlations(x: Array, y: Array) -> Array:
    """Return Pearson's correlation along the last axis, NaN where a measure does not vary: (..., S) to (...)."""
    a, b = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    norm = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = np.where(norm > 1e-12, (a * b).sum(axis=-1) / norm, np.nan)
    return found
