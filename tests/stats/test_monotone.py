"""Whether the share of right answers rises with the score."""

import numpy as np
import pytest

from cpbench.stats.monotone import rising


def drawn(shares, n=60, recordings=40, seed=0):
    draw = np.random.default_rng(seed)
    scores = np.repeat(np.arange(len(shares)) * 20.0, n)
    right = draw.random(len(scores)) < np.repeat(shares, n)
    return scores, right.astype(float), draw.integers(0, recordings, len(scores))


def test_a_rise_is_found_and_the_shares_are_the_means():
    scores, right, recordings = drawn([0.1, 0.3, 0.5, 0.9])
    found = rising(scores, right, recordings)
    assert found.verdict == "rises"
    assert found.scores == (0.0, 20.0, 40.0, 60.0)
    assert [one.value for one in found.shares] == pytest.approx([right[scores == s].mean() for s in found.scores])
    assert [step.change.value for step in found.steps] == pytest.approx(np.diff([one.value for one in found.shares]))


def test_a_fall_in_the_middle_is_named():
    found = rising(*drawn([0.1, 0.8, 0.3, 0.9]))
    assert found.verdict == "falls somewhere"
    assert [(step.below, step.above) for step in found.falls] == [(20.0, 40.0)]


def test_a_small_dip_by_chance_is_no_fall():
    """Flat in the middle: of 200 draws at most about 5 % may call a fall."""
    called = [rising(*drawn([0.2, 0.5, 0.5, 0.8], seed=seed)).verdict == "falls somewhere" for seed in range(200)]
    assert np.mean(called) <= 0.05


def test_scores_that_mean_nothing_are_not_shown_to_rise():
    assert rising(*drawn([0.5, 0.5, 0.5])).verdict == "not shown"


def test_a_constant_judge_is_refused():
    with pytest.raises(ValueError, match="constant"):
        rising(np.ones(4), np.ones(4), "abcd")
