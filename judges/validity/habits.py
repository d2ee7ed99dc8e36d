"""The judge's habits: its own noise, a liking for its own family or for long answers, and what they do to a score."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence

import numpy as np

from cpbench.judges.validity import schema
from cpbench.judges.validity.accuracy import confusion_rows
from cpbench.judges.validity.table import RIGHT, WRONG, Array, Bools, Codes, Table, as_number, exact_interval, mean
from cpbench.records import Estimate
from cpbench.stats import cluster_interval, influence
from cpbench.stats.agreement import krippendorff_alpha
from cpbench.stats.diagnostic import Calibration, rogan_gladen

GROUPS = 40  # of recordings, for the jackknife


def jackknife(value: Callable[[Codes], float | None], recordings: Sequence[object]) -> schema.Number | None:
    """A statistic without a formula and its t interval, from leaving out each recording in turn (or a group of them).

    `value` takes the places of the items that are kept. None where it has no value. Source: Tukey (1958); Efron and
    Stein (1981) for its being no smaller than it should on average.
    """
    from scipy.special import stdtrit

    _, codes = np.unique(np.array([str(each) for each in recordings]), return_inverse=True)
    clusters, groups = int(codes.max()) + 1, codes.reshape(-1) % GROUPS
    whole = value(np.arange(len(groups)))
    if whole is None:
        return None
    count = min(clusters, GROUPS)
    left = [value(np.flatnonzero(groups != group)) for group in range(count)] if count > 1 else []
    kept = np.array([each for each in left if each is not None])
    if len(kept) < max(count, 2):
        return _number(whole, None, len(groups), clusters, "none: too few recordings")
    se = float(np.sqrt((count - 1) / count * ((kept - kept.mean()) ** 2).sum()))
    half = float(stdtrit(count - 1, 0.975)) * se
    how = f"jackknife over {count} {'groups of ' if clusters > count else ''}recordings"
    return _number(whole, half, len(groups), clusters, how)


def _number(value: float, half: float | None, n: int, recordings: int, method: str) -> schema.Number:
    """Of an agreement, which is 1 at most."""
    return {
        "value": value,
        "low": None if half is None else value - half,
        "high": None if half is None else min(1.0, value + half),
        "n": n,
        "recordings": recordings,
        "method": method,
    }


def repeats(scores: Array, recordings: Sequence[object], *, correct_score: float) -> schema.Repeats | None:
    """The noise of answers judged several times: `scores` (answers, repeats), NaN where there is none.

    None where no answer has two scores.
    """
    given = ~np.isnan(scores)
    several = given.sum(axis=1) >= 2
    if not several.any():
        return None
    scores, given = scores[several], given[several]
    within = [one for one, kept in zip(recordings, several, strict=True) if kept]
    times = given.sum(axis=1)
    yes = ((scores >= correct_score) & given).sum(axis=1)
    rows = np.stack([yes * (times - yes), times * (times - 1) / 2], axis=1).astype(float)
    flips = as_number(cluster_interval(float(mean(rows.sum(axis=0))), influence(rows, mean), within), (0.0, 1.0))
    if flips["value"] in (0.0, 1.0):
        flips = {**flips, **exact_interval(round(flips["value"] * len(rows)), len(rows))}
    middle = np.nansum(scores, axis=1) / times
    off = np.where(given, scores - middle[:, None], 0.0)
    return {
        "items": len(scores),
        "repeats": int(times.max()),
        "flips": flips,
        "sd": float(np.sqrt((off**2).sum() / (times - 1).sum())),
        "alpha": jackknife(lambda kept: krippendorff_alpha(scores[kept].T), within),
    }


def same_family(table: Table, kin: Collection[str]) -> schema.Number | None:
    """The judge's bias on systems of these families minus that on all others; None where one side is empty."""
    told = table.told
    own = np.isin(table.family[told], sorted(kin))
    if own.all() or not own.any():
        return None
    apart = table.accepted[told].astype(float) - (table.truth[told] == RIGHT)
    rows = np.stack([apart * own, own, apart * ~own, ~own], axis=1).astype(float)
    return table.number(rows, _contrast, told, bounds=(-2.0, 2.0))


def length(table: Table) -> dict[str, schema.Number]:
    """The share accepted among answers longer than the median minus that among the others: of right, of wrong."""
    found = {}
    for name, truth in (("right", RIGHT), ("wrong", WRONG)):
        where = table.told & (table.truth == truth)
        if not where.any():
            continue
        long = table.length[where] > np.median(table.length[where])
        if long.all() or not long.any():
            continue
        yes = table.accepted[where]
        rows = np.stack([yes & long, long, yes & ~long, ~long], axis=1).astype(float)
        found[name] = table.number(rows, _contrast, where, bounds=(-1.0, 1.0))
    return found


def _contrast(sums: Array) -> Array:
    found: Array = sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3]
    return found


def corrected(table: Table, system: int) -> schema.Corrected | None:
    """Rogan and Gladen's correction of one system's share of accepted answers, for the judge's errors on that system.

    The errors are measured on half of the recordings and the share on the other half: on the same answers the
    correction would give back the labels, whatever the judge. None where a half lacks right or wrong answers.
    """
    mine = table.scored & (table.truth >= 0) & (table.system == system)
    half = np.array([hashlib.sha256(str(code).encode()).digest()[0] % 2 for code in range(_count(table))])
    first, second = mine & (half[table.recording] == 0), mine & (half[table.recording] == 1)
    if not second.any() or not _told_apart(table, first):
        return None
    hits, right, rejected, wrong = confusion_rows(table, first).sum(axis=0)
    share, n = float(table.accepted[second].mean()), int(second.sum())
    found = rogan_gladen(share, n, Calibration(hits / right, rejected / wrong, int(right), int(wrong)))
    return {
        "accepted": share,
        "corrected": None if found.value is None else float(found.value),
        "low": float(found.low),
        "high": float(found.high),
        "right": float((table.truth[second] == RIGHT).mean()),
    }


def _count(table: Table) -> int:
    return int(table.recording.max()) + 1


def _told_apart(table: Table, where: Bools) -> bool:
    truth = table.truth[where]
    return bool((truth == RIGHT).any() and (truth == WRONG).any())


def mean_number(values: Array, recordings: Sequence[object], bounds: tuple[float, float]) -> schema.Number:
    """The mean of some values with its clustered interval."""
    rows = np.stack([values, np.ones(len(values))], axis=1)
    estimate: Estimate = cluster_interval(float(values.mean()), influence(rows, mean), recordings)
    return as_number(estimate, bounds)
