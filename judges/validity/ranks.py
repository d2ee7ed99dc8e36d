"""The judge over systems: does its mean rank them as the labels do, and is it equally strict with all of them?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpbench.judges.validity import schema
from cpbench.judges.validity.table import RIGHT, UNREAD, WRONG, Array, Bools, Codes, Table
from cpbench.metrics.classification import class_rows, macro_f1
from cpbench.records import Outcome
from cpbench.stats import cluster_sums, influence
from cpbench.stats.diagnostic import between_system_sd
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
LEVEL = 0.975  # one-sided: both ends of a 95 % interval
FALSE_PASS, NEAR = 0.05, 0.75
"""A true SD of three quarters of the threshold (.06 of .08) is to pass in 5 of 100 packs, however many systems there
are: see `gate_level`. Simulated, it does in 4 to 8, where systems' specificities lie around .85 or .9."""
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


def gate_level(systems: int) -> float:
    """The one-sided level of the upper bound of the spread that decides: 99 % with 8 systems, 99.5 % with 12.

    A bound of a fixed level would let ever more packs through in which the SD is not far under the threshold. Where
    sampling error is small, the bound t of an observed variance s^2 is (S-1) s^2 / t^2 = the 1 - level quantile of
    chi-square, and at a true SD of NEAR * t the chance of as small an s^2 is made FALSE_PASS.

    >>> round(gate_level(8), 3), round(gate_level(12), 3)
    (0.99, 0.995)
    """
    from scipy.special import chdtr, chdtri  # chdtri(v, p): the point with p above it

    return 1 - float(chdtr(systems - 1, NEAR**2 * chdtri(systems - 1, 1 - FALSE_PASS)))


def spread(table: Table) -> schema.Spread | None:
    """The SD of specificity between the counted systems, beyond sampling error, with its interval.

    Systems share recordings, so their errors go up and down together; only what is left once each recording's mean
    over the systems is taken off moves them apart. The variance of that (times S / (S - 1), which makes up for the
    mean) beside the binomial one, pooled over systems, is the design effect by which each system's binomial variance
    is multiplied. Pooled, since a system that happens to have no error would get a variance of nothing. None with
    fewer than two systems that have wrong answers, or fewer than two recordings.
    """
    wrong = table.told & (table.truth == WRONG)
    present = np.unique(table.system[wrong])
    clusters = len(np.unique(table.recording[wrong]))
    if len(present) < 2 or clusters < 2:
        return None
    n = np.array([(wrong & (table.system == at)).sum() for at in present], dtype=float)
    rejected = np.array([(wrong & (table.system == at) & ~table.accepted).sum() for at in present], dtype=float)
    values, pooled = rejected / n, rejected.sum() / n.sum()
    binomial = pooled * (1 - pooled) / n
    variances = binomial * _design_effect(table, wrong, (present, values, binomial))
    gate = gate_level(len(present))
    found, decides = (between_system_sd(values, variances, level=level) for level in (LEVEL, gate))
    return {
        "sd": found.value,
        "lower": found.lower,
        "upper": 0.0 if found.upper is None else found.upper,
        "bound": 0.0 if decides.upper is None else decides.upper,
        "bound_level": gate,
        "raw": float(values.std(ddof=1)),
        "systems": len(present),
        "families": len({table.systems[at].family for at in present}),
    }


def _design_effect(table: Table, wrong: Bools, known: tuple[Codes, Array, Array]) -> float:
    """The centred, clustered variances of the systems' specificities over the binomial ones."""
    present, values, binomial = known
    if not binomial.any():
        return 1.0
    _, recording = np.unique(table.recording, return_inverse=True)
    clusters = int(recording.max()) + 1
    moved = np.zeros((len(present), clusters))
    for row, at in enumerate(present):
        mine = wrong & (table.system == at)
        apart = (~table.accepted[mine]).astype(float) - values[row]
        moved[row] = np.bincount(recording[mine], weights=apart / mine.sum(), minlength=clusters)
    centred = moved - moved.mean(axis=0)
    own = clusters / (clusters - 1) * (centred**2).sum() * len(present) / (len(present) - 1)
    return float(own / binomial.sum())


def unread(table: Table) -> Bools:
    """Answers of counted systems without a label."""
    return np.asarray(table.counted & (table.truth == UNREAD))
