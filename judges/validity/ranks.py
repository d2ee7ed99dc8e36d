"""The judge over systems: does its mean rank them as the labels do?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpbench.judges.validity import schema
from cpbench.judges.validity.table import RIGHT, UNREAD, Array, Bools, Codes, Table
from cpbench.metrics.classification import class_rows, macro_f1
from cpbench.records import Outcome
from cpbench.stats import cluster_sums, influence
from cpbench.stats.ranking import (
    Correlation,
    correlation,
    correlations,
    nested_draws,
    pairwise_accuracy,
    percentiles,
    soft_pairwise_accuracy,
)

DRAWS = 2000
CORRELATIONS: tuple[Correlation, ...] = ("pearson", "spearman", "kendall_tau_b")
Target = Literal["accuracy", "macro_f1"]
Measure = Callable[[Array], Array]  # summed rows (..., D) -> (...)


@dataclass(frozen=True)
class Standings:
    """The counted systems on the items that all of them have, in rows: what each says and is, item by item."""

    rows: Array  # (S, I, D): score, one, right, and three columns a class of each set of labels
    recordings: Codes  # (I,)
    sets: tuple[int, ...]  # classes in each set of labels

    @property
    def sums(self) -> Array:
        """(S, C, D), by recording."""
        return np.stack([cluster_sums(rows, self.recordings.tolist()) for rows in self.rows])

    def macro_f1(self, sums: Array) -> Array:
        """The mean over the sets of labels; for one set the macro-F1 of a run's results."""
        ends = 3 + np.cumsum([0, *(3 * classes for classes in self.sets)])
        each = [macro_f1(sums[..., a:b]) for a, b in itertools.pairwise(ends)]
        found: Array = np.mean(each, axis=0)
        return found

    @property
    def targets(self) -> dict[Target, Measure]:
        return {"accuracy": right_share, "macro_f1": self.macro_f1}


def judged_mean(sums: Array) -> Array:
    found: Array = sums[..., 0] / sums[..., 1]
    return found


def right_share(sums: Array) -> Array:
    found: Array = sums[..., 2] / sums[..., 1]
    return found


def standings(table: Table, outcomes: Sequence[Sequence[Outcome]]) -> Standings | None:
    """The counted systems side by side; `outcomes` are theirs, of each system in the table's order.

    None where fewer than two are counted, or no item is answered by and judged for all of them.
    """
    systems = [at for at, system in enumerate(table.systems) if system.counted]
    filled = np.full((len(table.systems), len(table.items), 2), np.nan)
    filled[table.system, table.item, 0] = table.score
    filled[table.system, table.item, 1] = table.truth == RIGHT
    common = np.isfinite(filled[systems]).all(axis=(0, 2))
    if len(systems) < 2 or not common.any():
        return None
    wanted = [table.items[at] for at in np.flatnonzero(common)]
    held = [{(one.item.task, one.item.id): one for one in outcomes[at]} for at in systems]
    classes = [_class_columns([each[item.task, item.id] for item in wanted]) for each in held]
    base = filled[systems][:, common]
    ones = np.ones((*base.shape[:2], 1))
    rows = np.concatenate([base[..., :1], ones, base[..., 1:], np.stack([rows for rows, _ in classes])], axis=2)
    _, recordings = np.unique(np.array([item.recording for item in wanted]), return_inverse=True)
    return Standings(rows, recordings.reshape(-1), classes[0][1])


def _class_columns(outcomes: Sequence[Outcome]) -> tuple[Array, tuple[int, ...]]:
    """`class_rows` of each set of labels, side by side; zeros in the columns of the other sets."""
    sets = sorted({frozenset(one.item.options) for one in outcomes}, key=sorted)
    blocks, classes = [], []
    for options in sets:
        mine = np.array([frozenset(one.item.options) == options for one in outcomes])
        found = class_rows([one for one, kept in zip(outcomes, mine, strict=True) if kept])
        block = np.zeros((len(outcomes), found.shape[1]))
        block[mine] = found
        blocks.append(block)
        classes.append(found.shape[1] // 3)
    return np.concatenate(blocks, axis=1), tuple(classes)


def ranks(held: Standings, *, draws: int = DRAWS, seed: int = 0) -> list[schema.Rank]:
    """Every rank statistic against accuracy and macro-F1, with its two intervals; needs three systems."""
    if len(held.rows) < 3:
        return []
    sums = held.sums
    drawn = nested_draws(sums, draws=draws, seed=seed)
    found: list[schema.Rank] = []
    for target, measure in held.targets.items():
        found += _ranks(held, sums.sum(axis=1), drawn, (target, measure))
    return found


def _ranks(
    held: Standings, whole: Array, drawn: tuple[Array, Array], by: tuple[Target, Measure]
) -> Iterator[schema.Rank]:
    target, measure = by
    x, y = judged_mean(whole), measure(whole)
    moved = [(judged_mean(each), measure(each)) for each in drawn]
    for kind in CORRELATIONS:
        known = correlation(x, y, kind)
        intervals = [percentiles(_correlations(a, b, kind)) for a, b in moved]
        yield _rank((target, kind), known.value, intervals, n=len(x), p=known.p, exact=known.exact)
    intervals = [percentiles(_pairwise(a, b)) for a, b in moved]
    yield _rank((target, "pairwise_accuracy"), pairwise_accuracy(x, y), intervals, n=len(x))
    errors = [pair_errors(held, judged_mean), pair_errors(held, measure)]
    soft = soft_pairwise_accuracy(_pair_p(x, errors[0]), _pair_p(y, errors[1]))
    over_items = percentiles(_soft(*moved[0], errors))
    yield _rank((target, "soft_pairwise_accuracy"), soft, [over_items, None], n=len(x))


def _rank(
    name: tuple[Target, str],
    value: float | None,
    intervals: Sequence[tuple[float, float] | None],
    *,
    n: int,
    p: float | None = None,
    exact: bool | None = None,
) -> schema.Rank:
    items, both = (None, None) if value is None else intervals
    return {
        "target": name[0],
        "statistic": name[1],
        "value": value,
        "p": p,
        "exact": exact if p is not None else None,
        "systems": n,
        "over_items": items,
        "over_items_and_systems": both,
    }


def _correlations(x: Array, y: Array, kind: Correlation) -> Array:
    """Of draws (draws, S), NaN where a measure does not vary."""
    if kind == "pearson":
        return correlations(x, y)
    if kind == "spearman":
        from scipy.stats import rankdata

        return correlations(rankdata(x, axis=-1), rankdata(y, axis=-1))
    a, b = _signs(x), _signs(y)
    norm = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    found: Array = np.where(norm > 0, (a * b).sum(axis=-1) / np.where(norm > 0, norm, 1), np.nan)
    return found


def _pairwise(x: Array, y: Array) -> Array:
    a, b = _signs(x), _signs(y)
    told = (a != 0) | (b != 0)
    count = told.sum(axis=-1)
    found: Array = np.where(count > 0, ((a * b + 1) / 2 * told).sum(axis=-1) / np.maximum(count, 1), np.nan)
    return found


def _signs(values: Array) -> Array:
    first, second = np.triu_indices(values.shape[-1], 1)
    apart: Array = values[..., first] - values[..., second]
    return np.sign(np.where(np.abs(apart) > 1e-12, apart, 0.0))


def pair_errors(held: Standings, measure: Measure) -> tuple[Array, float]:
    """The clustered standard error of the difference of each pair of systems (pairs,), and its degrees of freedom."""
    moved = np.stack([influence(rows, measure) for rows in held.rows])  # (S, I)
    sums = np.stack([np.bincount(held.recordings, weights=each) for each in moved]) / moved.shape[1]
    clusters = sums.shape[1]
    first, second = np.triu_indices(len(sums), 1)
    factor = clusters / max(clusters - 1, 1)
    return np.sqrt(factor * ((sums[first] - sums[second]) ** 2).sum(axis=1)), float(max(clusters - 1, 1))


def _pair_p(values: Array, errors: tuple[Array, float]) -> Array:
    """One-sided, that the first system of each pair is no better: (..., S) to (..., pairs)."""
    from scipy.special import stdtr

    se, freedom = errors
    first, second = np.triu_indices(values.shape[-1], 1)
    apart = values[..., first] - values[..., second]
    away = apart / np.where(se > 1e-12, se, 1e-12)
    found: Array = np.where(np.abs(apart) > 1e-12, stdtr(freedom, -away), 0.5)
    return found


def _soft(x: Array, y: Array, errors: Sequence[tuple[Array, float]]) -> Array:
    """Soft pairwise accuracy of draws; the standard errors stay those of the whole set."""
    found: Array = 1 - np.abs(_pair_p(x, errors[0]) - _pair_p(y, errors[1])).mean(axis=-1)
    return found


def unread(table: Table) -> Bools:
    """Answers of counted systems without a label."""
    return np.asarray(table.counted & (table.truth == UNREAD))
