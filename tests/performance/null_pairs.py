"""How often `compare`'s test calls equal systems different, and how often it finds a difference of the size that it
prints itself: `python tests/performance/null_pairs.py [SETS]`. The figures of docs/compare.md are its output.

The sets are those of tests/stats/test_paired.py. For the power, the true difference is the mean of the smallest
differences that were printed beside the null pairs.
"""

import runpy
import sys
import time
from pathlib import Path

import numpy as np

from cpbench.stats import rows_difference

GIVEN = runpy.run_path(str(Path(__file__).parents[1] / "stats" / "test_paired.py"))
simulated, mean, ITEMS = GIVEN["simulated"], GIVEN["mean"], GIVEN["ITEMS"]


def run(recordings, kind, shift, sets, seed):
    """-> p, the smallest difference, and whether the interval holds zero: (sets, 3)."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(sets):
        a, b, ids = simulated(recordings, kind, shift, rng)
        one = rows_difference((a, b), mean, ids)
        smallest = np.nan if one.smallest is None else one.smallest
        found.append((one.p, smallest, one.estimate.low <= 0 <= one.estimate.high))
    return np.array(found)


def shift_of(recordings, kind, difference):
    """The shift that makes this true difference, by bisection over the same draws."""
    low, high = 0.0, 4.0
    for _ in range(16):
        middle, rng, values = (low + high) / 2, np.random.default_rng(99), []
        for _ in range(max(60, 12_000 // recordings)):
            a, b, _ = simulated(recordings, kind, middle, rng)
            values.append(mean(a.sum(axis=0)) - mean(b.sum(axis=0)))
        low, high = (middle, high) if np.mean(values) < difference else (low, middle)
    return low


def main(sets):
    print("| recordings | scores | false alarms | intervals that hold 0 | smallest difference | found |")
    print("|---|---|---|---|---|---|")
    for recordings in ITEMS:
        for kind in ("binary", "score"):
            start, points = time.monotonic(), 100 if kind == "binary" else 1
            null = run(recordings, kind, 0.0, sets, seed=1)
            smallest = np.nanmean(null[:, 1])
            found = run(recordings, kind, shift_of(recordings, kind, smallest), sets, seed=2)
            alarms, held, power = (np.mean(each) for each in (null[:, 0] <= 0.05, null[:, 2], found[:, 0] <= 0.05))
            scores = "right or wrong" if kind == "binary" else "0 to 100"
            row = f"| {recordings} | {scores} | {alarms:.1%} | {held:.1%} | {points * smallest:.1f} | {power:.1%} |"
            print(row, flush=True)
            print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
