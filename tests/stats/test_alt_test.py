"""The alternative annotator test, by hand and by simulation."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ttest_1samp

from cpbench.stats.alt_test import alt_test


def rated(noise_of_judge, seed=0, n=120):
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 6, n)

    def rater(noise):
        return np.clip(truth + np.round(draw.normal(0, noise, n)), 0, 5)

    return np.array([rater(1.0) for _ in range(4)]), rater(noise_of_judge)


def test_a_judge_as_good_as_the_humans_wins_and_a_bad_one_loses():
    humans, good = rated(0.5)
    _, bad = rated(4.0)
    assert alt_test(humans, good, range(120), epsilon=0.2).winning_rate == 1.0
    found = alt_test(humans, bad, range(120), epsilon=0.2)
    assert found.winning_rate == 0.0
    assert not found.passes


def test_it_is_the_papers_t_test_where_every_item_is_a_recording():
    humans, judge = rated(1.5)
    found = alt_test(humans, judge, range(120), epsilon=0.2)
    ps = []
    for rater in range(4):
        others = np.delete(humans, rater, axis=0)
        far_judge = np.sqrt(((others - judge) ** 2).mean(0))
        far_human = np.sqrt(((others - humans[rater]) ** 2).mean(0))
        worse = (far_human <= far_judge + 1e-12).astype(float) - (far_judge <= far_human + 1e-12)
        ps.append(ttest_1samp(worse, 0.2, alternative="less").pvalue)
        assert found.raters[rater].judge == pytest.approx((far_judge <= far_human + 1e-12).mean())
    assert [one.p for one in found.raters] == pytest.approx(ps, rel=1e-6)
    corrected = false_discovery_control(ps, method="by")
    assert [one.won for one in found.raters] == [p <= 0.05 for p in corrected]


def test_too_few_items_decide_nothing():
    humans, judge = rated(0.1, n=20)
    found = alt_test(humans, judge, range(20), epsilon=0.2)
    assert [one.p for one in found.raters] == [None] * 4
    assert found.winning_rate == 0.0


def test_missing_ratings_are_left_out():
    humans, judge = rated(0.5)
    humans[0, :60] = np.nan
    found = alt_test(humans, judge, range(120), epsilon=0.2)
    assert [one.items for one in found.raters] == [60, 120, 120, 120]


def test_two_raters_are_refused():
    humans, judge = rated(0.5)
    with pytest.raises(ValueError, match="three"):
        alt_test(humans[:2], judge, range(120), epsilon=0.2)
