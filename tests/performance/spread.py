"""How often a judge's spread of specificity between systems passes: `python tests/performance/spread.py [PACKS]`. The
table of docs/judge-validate.md is its output for 400 packs a cell.

Systems' true specificities are of a beta distribution of a mean and an SD. A pack is as many wrong answers of each
system, of items of 40 recordings that all systems share, and the spread is that of `judge validate`.
"""

import sys

import numpy as np

from cpbench.judges.validity.packs import System
from cpbench.judges.validity.strictness import spread
from cpbench.judges.validity.table import Table
from cpbench.judges.validity.thresholds import Thresholds
from cpbench.records import Clip, Item

LIMIT, SDS = Thresholds().specificity_sd, (0.0, 0.03, 0.06)


def specificities(mean, sd, systems, draw):
    if sd == 0:
        return np.full(systems, mean)
    size = mean * (1 - mean) / sd**2 - 1
    return draw.beta(mean * size, (1 - mean) * size, systems)


def pack(systems, wrong):
    """A table of wrong answers only, without scores."""
    items = tuple(Item(f"i{at}", "t", (Clip("a", "0" * 64, 1.0, f"r{at % 40}"),), "?", ("x",)) for at in range(wrong))
    made = tuple(System(f"s{at}", "s", f"f{at % 3}", "end_to_end", "audio") for at in range(systems))
    system, item = np.repeat(np.arange(systems), wrong), np.tile(np.arange(wrong), systems)
    nothing = np.zeros(systems * wrong)
    return Table(made, items, None, system, item, nothing.astype(int), nothing, nothing, 60.0)


def passing(systems, wrong, *, mean, sd, packs, seed=1):
    """The share of packs that pass."""
    draw, empty, passed = np.random.default_rng(seed), pack(systems, wrong), 0
    for _ in range(packs):
        accepts = 1 - np.repeat(specificities(mean, sd, systems, draw), wrong)
        score = np.where(draw.random(len(accepts)) < accepts, 100.0, 0.0)
        columns = (empty.systems, empty.items, None, empty.system, empty.item, empty.truth, score, empty.length, 60.0)
        passed += spread(Table(*columns), LIMIT)["bound"] <= LIMIT
    return passed / packs


def main(packs):
    print(f"| systems | wrong answers of each | mean specificity | {' | '.join(f'SD {sd:g}' for sd in SDS)} |")
    print("|---|---|---|---|---|---|")
    for systems in (8, 12):
        for wrong in (110, 200, 400):
            for mean in (0.85, 0.9, 0.95, 0.98):
                shares = " | ".join(f"{passing(systems, wrong, mean=mean, sd=sd, packs=packs):.2f}" for sd in SDS)
                print(f"| {systems} | {wrong} | {mean} | {shares} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
