"""Sensitivity and what follows from it, against scipy, sklearn, statsmodels and published numbers."""

import numpy as np
import pytest
from scipy.stats import binomtest, chi2
from sklearn.metrics import roc_auc_score

from cpbench.stats import cluster_interval
from cpbench.stats.diagnostic import Calibration, auc, between_system_sd, clopper_pearson, rogan_gladen


@pytest.mark.parametrize(("count", "n"), [(0, 60), (1, 60), (30, 60), (60, 60), (3, 7)])
def test_clopper_pearson_is_scipys(count, n):
    expected = binomtest(count, n).proportion_ci(0.95, method="exact")
    assert clopper_pearson(count, n) == pytest.approx((expected.low, expected.high))
    upper = binomtest(count, n, alternative="less").proportion_ci(0.95, method="exact").high
    assert clopper_pearson(count, n, sided=1)[1] == pytest.approx(upper)


def test_no_failure_among_sixty_bounds_the_rate_at_five_percent():
    assert clopper_pearson(0, 60, sided=1)[1] == pytest.approx(0.049, abs=5e-4)


def test_rogan_gladen_of_the_published_case():
    found = rogan_gladen(0.6, 1000, Calibration(0.9, 0.8, 100, 100))
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.5714, 0.4898, 0.6555)


def test_rogan_gladen_covers():
    """True share .6, sensitivity .9, specificity .8, all estimated: the interval holds it 95 times in 100."""
    draw, held = np.random.default_rng(3), 0
    for _ in range(2000):
        share = draw.binomial(400, 0.6 * 0.9 + 0.4 * 0.2) / 400
        known = Calibration(draw.binomial(80, 0.9) / 80, draw.binomial(80, 0.8) / 80, 80, 80)
        found = rogan_gladen(share, 400, known)
        held += found.low <= 0.6 <= found.high
    assert 0.935 <= held / 2000 <= 0.975


def test_a_judge_that_tells_nothing_apart_corrects_nothing():
    found = rogan_gladen(0.5, 100, Calibration(0.6, 0.4, 50, 50))
    assert (found.value, found.low, found.high) == (None, 0.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_sklearns_ties_and_all(seed):
    draw = np.random.default_rng(seed)
    right = draw.random(80) < 0.4
    scores = draw.integers(0, 6, 80) + right * draw.integers(0, 3, 80)
    value, influence = auc(scores, right)
    assert value == pytest.approx(roc_auc_score(right, scores))
    assert influence.sum() == pytest.approx(0, abs=1e-9)


def test_the_aucs_influences_are_its_derivative():
    """The variance of DeLong et al.: S10 / m + S01 / n, each with its own n-1."""
    draw = np.random.default_rng(1)
    right = np.arange(60) < 25
    scores = draw.normal(size=60) + right
    value, influence = auc(scores, right)
    a, b = influence[right] * 25 / 60, influence[~right] * 35 / 60
    delong = (a**2).sum() / 24 / 25 + (b**2).sum() / 34 / 35
    found = cluster_interval(value, influence, range(60))
    assert found.se == pytest.approx(delong**0.5, rel=0.03)


def test_auc_needs_both():
    with pytest.raises(ValueError, match="right and wrong"):
        auc(np.array([1.0, 2]), np.array([True, True]))


def test_the_spread_of_equal_systems_is_bounded_and_that_of_unequal_ones_is_found():
    draw = np.random.default_rng(0)
    errors = np.full(9, 0.05**2)
    zero = [between_system_sd(0.8 + draw.normal(0, 0.05, 9), errors) for _ in range(300)]
    apart = [between_system_sd(0.8 + draw.normal(0, 0.1, 9) + draw.normal(0, 0.05, 9), errors) for _ in range(600)]
    assert np.median([one.value for one in zero]) < 0.02
    assert np.median([one.value for one in apart]) == pytest.approx(0.1, abs=0.012)
    assert np.mean([one.upper >= 0.1 for one in apart]) == pytest.approx(0.95, abs=0.03)
    assert np.mean([one.lower <= 0.1 for one in apart]) == pytest.approx(0.95, abs=0.03)


def test_the_bound_without_error_is_the_chi_squared_one():
    values = np.array([0.7, 0.8, 0.9, 0.75])
    found = between_system_sd(values, np.full(4, 1e-12))
    assert found.upper == pytest.approx((((values - values.mean()) ** 2).sum() / chi2.ppf(0.05, 3)) ** 0.5, rel=1e-4)


def test_one_system_has_no_spread():
    assert between_system_sd(np.array([0.8]), np.array([0.01])).upper is None
