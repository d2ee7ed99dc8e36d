"""Many systems on the same items: every pair of them, tested as `rows_difference` tests one.

Nineteen thousand pairs (200 systems) take as many sign flips. A pattern of signs has nothing to do with the pair, so
one set of drawn patterns serves all pairs: what is left of each is a product of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cpbench.stats.clusters import Array, Codes, Value, cluster_spread, influence
from cpbench.stats.paired import ALPHA, DRAWS, EXACT, SignFlip, sign_flip_p, smallest_difference, t_p

_BLOCK = 512  # pairs whose flipped sums are held at once: 9,999 x 512 numbers, 41 MB


@dataclass(frozen=True)
class Meeting:
    """Two systems, by their places in the list, on the items that both have: a minus b."""

    a: int
    b: int
    difference: float
    se: float | None  # None: one cluster
    p: float | None  # two-sided, not corrected for other pairs
    smallest: float | None  # the smallest true difference that this pair shows with a power of 80 %
    n: int  # items
    clusters: int


def every_pair(
    rows: Sequence[Array], value: Value, *ids: Sequence[object], pairs: Sequence[tuple[int, int]] | None = None
) -> list[Meeting]:
    """Return every pair of systems, in the order of `itertools.combinations`; or the `pairs` of places that are given.

    `rows`: (N, D) a system, of the same N items in the same order; a row of NaN is an item that this system has no
    usable answer to, and a pair is tested on the items that both have. `ids`: one or two identities (N,), as those of
    `cluster_interval`. `smallest` is for tests at 5 % divided by the number of pairs. A pair without a common item is
    left out.

    p is that of `rows_difference`, with two exceptions. Where some clusters do not differ, patterns are drawn for all
    of them, not for those that do: the others change no sum. And where no drawn pattern is as far as what is observed,
    p is that of the clustered t (C - 1 degrees of freedom) if that is smaller still: 9,999 patterns end at .0001, which
    the correction for more than 500 pairs turns into 1, so that no difference of any size could ever be shown.

    >>> column = lambda xs: np.array([[x, 1.0] for x in xs])
    >>> systems = [column([1, 1, 1, 0]), column([0, 1, 0, 0]), column([1, 1, 1, 0])]
    >>> found = every_pair(systems, lambda sums: sums[..., 0] / sums[..., 1], ["a", "b", "c", "d"])
    >>> [(one.a, one.b, round(one.difference, 6), one.p) for one in found]
    [(0, 1, 0.5, 0.5), (0, 2, 0.0, 1.0), (1, 2, -0.5, 0.5)]
    """
    wanted = list(combinations(range(len(rows)), 2)) if pairs is None else list(pairs)
    level = ALPHA / max(1, len(wanted))
    apart = list(_apart(rows, value, [_codes(each) for each in ids], wanted))
    flips = _flips([one.sums for one in apart])
    return [_meeting(one, flip, level) for one, flip in zip(apart, flips, strict=True)]


@dataclass(frozen=True)
class _Apart:
    """What separates two systems, before it is tested."""

    a: int
    b: int
    difference: float
    sums: Array  # (C,): each cluster's summed difference
    n: int
    se: float | None
    freedom: float | None  # of the t that has to agree, where clusters cross


def _apart(
    rows: Sequence[Array], value: Value, ids: Sequence[Codes], pairs: Sequence[tuple[int, int]]
) -> Iterator[_Apart]:
    usable = [~np.isnan(each).any(axis=1) for each in rows]
    whole = [_share(each, value) if ok.all() else None for each, ok in zip(rows, usable, strict=True)]
    for a, b in pairs:
        first, second = whole[a], whole[b]
        if first is not None and second is not None:
            yield _separate((a, b), first - second, ids)
            continue
        common = usable[a] & usable[b]
        if common.any():
            shares = [_share(rows[each][common], value) for each in (a, b)]
            yield _separate((a, b), shares[0] - shares[1], [each[common] for each in ids])


def _share(rows: Array, value: Value) -> Array:
    """Each item's share (N,) in a system's value, which is their mean: value + influence."""
    share: Array = float(value(rows.sum(axis=0))) + influence(rows, value)
    return share


def _separate(pair: tuple[int, int], shares: Array, ids: Sequence[Codes]) -> _Apart:
    difference, n = float(shares.mean()), len(shares)
    moved = shares - difference
    sums: Array = np.bincount(ids[0], weights=shares).astype(float)
    held = np.bincount(ids[0]) > 0  # a cluster whose items one of the two lacks is none of this pair's
    if len(ids) == 2:
        spread = cluster_spread(moved, *(each.tolist() for each in ids))
        se, freedom = (None, None) if spread is None else (spread.se, spread.freedom if spread.crossed else None)
        return _Apart(*pair, difference, sums[held], n, se, freedom)
    clusters, squares = int(held.sum()), float((np.bincount(ids[0], weights=moved) ** 2).sum())
    se = None if clusters == 1 else float(np.sqrt(clusters / (clusters - 1) * squares)) / n
    return _Apart(*pair, difference, sums[held], n, se, None)


def _meeting(one: _Apart, flip: SignFlip, level: float) -> Meeting:
    p, clusters = flip.p, len(one.sums)
    if one.se is None:
        return Meeting(one.a, one.b, one.difference, None, None, None, one.n, clusters)
    by_t = t_p(one.difference, one.se, clusters - 1 if one.freedom is None else one.freedom)
    if not flip.exact and flip.p == flip.least:
        p = min(p, by_t or 0.0)
    if one.freedom is not None:
        p = max(p, by_t or 0.0)
    smallest = smallest_difference(one.se, clusters, freedom=one.freedom, level=level)
    return Meeting(one.a, one.b, one.difference, one.se, p, smallest, one.n, clusters)


def _flips(sums: Sequence[Array]) -> list[SignFlip]:
    """The sign flips of every pair: exact ones one by one, drawn ones with patterns that they share."""
    found: dict[int, SignFlip] = {}
    drawn: dict[int, list[int]] = {}
    for at, each in enumerate(sums):
        moving = int((np.abs(each) > _close(each)).sum())
        if moving <= EXACT:
            found[at] = sign_flip_p(each)
        else:
            drawn.setdefault(len(each), []).append(at)
    for clusters, places in drawn.items():
        signs = _patterns(clusters)
        for start in range(0, len(places), _BLOCK):
            block = places[start : start + _BLOCK]
            table = np.stack([sums[at] for at in block], axis=1)
            far = np.abs(table.sum(axis=0)) - 1e-9 * np.abs(table).sum(axis=0)
            hits = (np.abs(signs @ table) >= far).sum(axis=0)
            for at, hit in zip(block, hits, strict=True):
                found[at] = SignFlip((1 + int(hit)) / (1 + DRAWS), 1 / (1 + DRAWS), False)
    return [found[at] for at in range(len(sums))]


def _close(sums: Array) -> float:
    return float(1e-9 * np.abs(sums).sum())


def _patterns(clusters: int, seed: int = 0) -> Array:
    """Drawn signs (DRAWS, C): bit by bit those of `sign_flip_p`."""
    drawn = np.random.default_rng(seed).integers(256, size=(-(-clusters // 8), DRAWS), dtype=np.uint8)
    signs: Array = 2.0 * np.unpackbits(drawn[:, None, :], axis=1).reshape(-1, DRAWS)[:clusters].T - 1
    return signs


def _codes(ids: Sequence[object]) -> Codes:
    """Ids as numbers from 0."""
    codes: Codes = np.unique(np.array([str(each) for each in ids]), return_inverse=True)[1].reshape(-1)
    return codes
