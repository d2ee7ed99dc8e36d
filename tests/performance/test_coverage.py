"""Nominal 95 % intervals cover 94 to 96 % over 4,000 simulated sets, in every cell; `coverage.py` prints the table.

A share of 4,000 sets has a standard error of .0034: two of them are allowed on either side.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("coverage_of", Path(__file__).parent / "coverage.py")
simulation = importlib.util.module_from_spec(SPEC)
sys.modules["coverage_of"] = simulation  # its dataclass looks there
SPEC.loader.exec_module(simulation)


@pytest.mark.performance
@pytest.mark.parametrize("statistic", simulation.STATISTICS)
@pytest.mark.parametrize("design", simulation.NAMED, ids=lambda one: one.name)
def test_intervals_cover(design, statistic):
    assert 0.933 <= simulation.coverage(design, statistic, 4000) <= 0.967
