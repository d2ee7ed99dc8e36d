"""Is a judge equally strict with all systems? The spread of its specificity between them, and the deciding bound."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cpbench.judges.validity import schema
from cpbench.judges.validity.table import WRONG, Array, Bools, Codes, Table
from cpbench.stats.diagnostic import between_system_sd

LEVEL = 0.975  # one-sided: both ends of a 95 % interval
FALSE_PASS, NEAR = 0.08, 0.75
"""A true SD of three quarters of the limit (.06 of .08) is to pass in 8 of 100 packs at most, however many systems
there are: see `gate_level`, and tests/performance/spread.py for what comes out."""
EVENEST = 0.95
"""The highest mean specificity at which such an SD is looked for. Above, it would mean that nearly all systems lie at 1
and one in fifty far below: no eight systems show that, and no judge, however even, could pass."""
WIDEST = 1.0  # a bound that says nothing: specificities differ by 1 at most
DRAWN = 4_000  # packs, from a fixed seed: the level of a pack is always the same


@lru_cache(maxsize=256)
def gate_level(systems: int, specificity: float, answers: float, limit: float) -> float:
    """The one-sided level of the upper bound of the spread that decides: that at which a judge with a true SD of
    NEAR * limit passes in FALSE_PASS of packs such as this one.

    `specificity` is the mean over systems, `answers` the wrong answers of each (as many as would be if they were
    independent). Systems' true specificities are taken to be of a beta distribution: near 1 it is skewed, most packs
    hold none of its few bad systems, and a level for normal ones would let every fifth pack pass. The bound t of an
    observed variance s^2 with errors v is where (S-1) s^2 / (v + t^2) is the 1 - level quantile of chi-square. It
    is 1 where so many packs of that judge show no spread at all: so few systems or answers cannot pass.

    >>> [round(gate_level(8, mean, 200, 0.08), 3) for mean in (0.85, 0.95)]
    [0.983, 0.999]
    """
    from scipy.special import chdtr

    sd, mean = NEAR * limit, min(max(specificity, 1 - EVENEST), EVENEST)
    size = max(mean * (1 - mean) / sd**2 - 1, 0.1)  # of the beta distribution with this mean and SD
    draw, n = np.random.default_rng(0), max(round(answers), 1)
    true = draw.beta(mean * size, (1 - mean) * size, (DRAWN, systems))
    seen = (draw.binomial(n, true) / n).var(axis=1, ddof=1)
    errors = specificity * (1 - specificity) / answers
    passing = float(np.quantile(seen, FALSE_PASS)) / (errors + limit**2)
    return max(LEVEL, 1 - float(chdtr(systems - 1, (systems - 1) * passing)))


def spread(table: Table, limit: float) -> schema.Spread | None:
    """The SD of specificity between the counted systems, beyond sampling error, with its interval and its bound.

    `limit`: of the SD, for the bound's level.

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
    effect = _design_effect(table, wrong, (present, values, binomial))
    variances = binomial * effect
    answers = float(n.mean() if not variances.any() else pooled * (1 - pooled) / variances.mean())
    gate = gate_level(len(present), float(pooled), answers, limit)
    found = between_system_sd(values, variances, level=LEVEL)
    decides = between_system_sd(values, variances, level=gate).upper if gate < 1 else WIDEST
    return {
        "sd": found.value,
        "lower": found.lower,
        "upper": 0.0 if found.upper is None else found.upper,
        "bound": min(decides or 0.0, WIDEST),
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
