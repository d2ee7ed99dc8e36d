"""How often a 95 % interval of `cluster_interval` holds the truth, over simulated sets whose truth is known:
`python tests/performance/coverage.py [SETS]`. The table of docs/judge-validate.md is its output for 4,000 sets a cell.

A set is items of some recordings, of one size or of unequal ones (EmoDB's clips a speaker, CPQA's questions a podcast),
alone or crossed with sentences. The scores are of a normal distribution, or right and wrong; for macro-F1 a wrong
answer is any of four classes. How good a system is differs between recordings and between sentences: of a score's
variance .23 and .08, of the shares of right answers (.6) by up to .2 and .2.

Beside them stand sets in which nothing clusters, and sets in which one recording holds most of the items.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np

from cpbench.stats import cluster_interval, influence

CLASSES, RIGHT = 4, 0.6
EMODB = (49, 58, 43, 38, 55, 35, 61, 69)
STATISTICS = ("mean", "share", "macro-F1")


@dataclass(frozen=True)
class Design:
    """Items in recordings, and perhaps in sentences that cross them."""

    name: str
    sizes: tuple[int, ...]  # items of each recording
    sentences: int = 0  # 0: every item has its own
    clusters: bool = True  # whether anything does

    def ids(self, rng):
        """Recording and sentence of each item; a recording has each sentence as evenly as its size allows."""
        recordings = np.repeat(np.arange(len(self.sizes)), self.sizes)
        if not self.sentences:
            return (recordings,)
        return recordings, np.concatenate([self._said(size, rng) for size in self.sizes])

    def _said(self, size, rng):
        times = -(-size // self.sentences)
        return rng.permutation(np.repeat(np.arange(self.sentences), times))[:size]


UNEVEN = {
    8: EMODB,
    15: tuple(6 + at * 7 % 12 for at in range(15)),
    40: tuple(3 + at * 5 % 7 for at in range(40)),
    479: tuple(1 + at * 3 % 5 for at in range(479)),
}
EVEN = {8: 40, 15: 20, 40: 12, 479: 3}
NAMED = [
    Design(f"{count} recordings, {how}{f' x {across} sentences' if across else ''}", sizes, across)
    for count in EVEN
    for across in (0, 12 if count >= 40 else 10)
    for how, sizes in (("even", (EVEN[count],) * count), ("uneven", UNEVEN[count]))
]
BESIDE = [
    Design("8 recordings of 5 to 200 items", (5, 5, 5, 5, 5, 10, 100, 200)),
    Design("8 recordings, even x 10 sentences, nothing clusters", (40,) * 8, 10, clusters=False),
    Design("40 recordings, even x 12 sentences, nothing clusters", (12,) * 40, 12, clusters=False),
    Design("24 recordings x 2 sentences", (4,) * 24, 2),
    Design("479 recordings, uneven x 200 sentences", UNEVEN[479], 200),
]


def mean(sums):
    return sums[..., 0] / sums[..., 1]


def macro_f1(sums):
    support, named, both = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    return (2 * both / (support + named)).mean(axis=-1)


def drawn(design, statistic, rng):
    """One set: its rows, its identities, the value of their sums, and the truth."""
    ids = design.ids(rng)
    if statistic == "mean":
        scores = rng.normal(size=len(ids[0])) + _moved(ids, (0.3**0.5, 0.1**0.5), design, rng.normal, rng)
        return np.stack([scores, np.ones(len(scores))], axis=1), ids, mean, 0.0
    shifts = _moved(ids, (0.2, 0.2), design, lambda size: rng.uniform(-1, 1, size), rng)
    right = rng.random(len(ids[0])) < RIGHT + shifts
    if statistic == "share":
        return np.stack([right, np.ones(len(right))], axis=1).astype(float), ids, mean, RIGHT
    truth, other = rng.integers(CLASSES, size=(2, len(right)))
    marks = np.stack([truth, np.where(right, truth, other)], axis=1)[..., None] == np.arange(CLASSES)
    rows = np.concatenate([marks, marks[:, :1] & marks[:, 1:]], axis=1).reshape(len(right), -1).astype(float)
    return rows, ids, macro_f1, RIGHT + (1 - RIGHT) / CLASSES


def _moved(ids, by, design, draw, rng):
    """What recording and sentence add to each item."""
    if not design.clusters:
        return np.zeros(len(ids[0]))
    return sum(size * draw(size=each.max() + 1)[each] for each, size in zip(ids, by, strict=False))


def coverage(design, statistic, sets, seed=1):
    """The share of the sets whose interval holds the truth."""
    rng, held = np.random.default_rng(seed), 0
    for _ in range(sets):
        rows, ids, value, truth = drawn(design, statistic, rng)
        found = cluster_interval(float(value(rows.sum(axis=0))), influence(rows, value), *ids)
        held += found.low <= truth <= found.high
    return held / sets


def main(sets):
    print(f"| {sets} sets a cell | {' | '.join(STATISTICS)} |\n|---|{'---|' * len(STATISTICS)}")
    for design in (*NAMED, *BESIDE):
        start = time.monotonic()
        shares = [coverage(design, statistic, sets) for statistic in STATISTICS]
        print(f"| {design.name} | {' | '.join(f'{share:.3f}' for share in shares)} |", flush=True)
        print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
