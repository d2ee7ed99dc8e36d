"""Nominal 95 % intervals cover 94 to 96 % over 4,000 simulated sets, in every cell; `coverage.py` prints the table.

A share of 4,000 sets has a standard error of .0034: two of them are allowed on either side.
"""

from pathlib import Path

import pytest
from beside import module_at

simulation = module_at(Path(__file__).with_name("coverage.py"))


@pytest.mark.performance
@pytest.mark.parametrize("statistic", simulation.STATISTICS)
@pytest.mark.parametrize("design", simulation.NAMED, ids=lambda one: one.name)
def test_intervals_cover(design, statistic):
    assert 0.933 <= simulation.coverage(design, statistic, 4000) <= 0.967
