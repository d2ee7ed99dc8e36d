"""Validating 8 systems x 2,000 items with 2,000 draws takes under 15 s; the judging itself is not in it."""

from __future__ import annotations

import time

import pytest
from beside import TESTS, module_at

from cpbench.flow.watch import Watching
from cpbench.judges import load_judge
from cpbench.judges.validity.asking import Hearing, hear
from cpbench.judges.validity.evidence import Candidate, People, concluded, measured
from cpbench.judges.validity.validate import open_ledger

ground = module_at(TESTS / "judges" / "validity" / "ground.py")
PACK = "8 systems x 2,000 items, 400 recordings, 2,000 draws; the judging is not in it"


@pytest.mark.performance
def test_eight_systems_and_two_thousand_items(tmp_path, figure):
    pack = ground.make(systems=8, items=4000, recordings=400)
    with open_ledger(tmp_path) as ledger:
        heard = hear(Hearing(pack, "gate", load_judge("simulated:noisy")), ledger, Watching())
    start = time.perf_counter()
    found = concluded(measured(heard, Candidate("simulated:noisy"), People(), draws=2000), pack)
    seconds = time.perf_counter() - start
    assert found["pack"]["items"] == 2000 and found["pack"]["answers"] == 16000
    figure("judge validate: from judgements to a verdict", seconds, bound=15, unit="s", on=PACK)
    assert seconds < 15
