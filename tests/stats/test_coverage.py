"""What share of 95 % intervals holds the truth: the simulation of tests/performance/coverage.py with fewer sets.

A share of 400 sets lies within .918 and .975 (3 standard errors) where 94.5 to 95.5 % is true.
"""

import pytest
from beside import TESTS, module_at

simulation = module_at(TESTS / "performance" / "coverage.py")


@pytest.mark.parametrize("statistic", simulation.STATISTICS)
@pytest.mark.parametrize(
    "design", [each for each in simulation.NAMED if len(each.sizes) < 40], ids=lambda one: one.name
)
def test_intervals_of_few_recordings_hold_the_truth_in_95_of_100_sets(design, statistic):
    assert 0.918 <= simulation.coverage(design, statistic, 400) <= 0.975


def test_where_sentences_cross_the_recordings_one_way_is_too_narrow(monkeypatch):
    design = next(each for each in simulation.NAMED if each.name.startswith("15") and each.sentences)
    two_ways = simulation.coverage(design, "mean", 300)
    alone = simulation.cluster_interval
    monkeypatch.setattr(simulation, "cluster_interval", lambda value, moved, first, *_: alone(value, moved, first))
    assert simulation.coverage(design, "mean", 300) < two_ways - 0.04


def test_a_recording_that_holds_most_of_the_items_makes_the_interval_wide_and_not_narrow():
    """With C-1 degrees of freedom it covers .67."""
    assert simulation.coverage(simulation.BESIDE[0], "mean", 400) >= 0.95
