"""Clustered intervals against statsmodels, hand-made numbers and simulated sets."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from statsmodels.formula.api import ols
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from cpbench.stats import cluster_bootstrap, cluster_interval, cluster_sums, influence


def mean(sums):
    return sums[..., 0] / sums[..., 1]


def macro_f1(sums):
    support, named, both = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    return (2 * both / (support + named)).mean(axis=-1)


def with_ones(values):
    return np.stack([values, np.ones(len(values))], axis=1)


def class_rows(truth, said, classes):
    rows = np.stack([truth[:, None] == np.arange(classes), said[:, None] == np.arange(classes)], axis=1).astype(float)
    return np.concatenate([rows, rows[:, :1] * rows[:, 1:]], axis=1).reshape(len(truth), -1)


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def test_the_influence_of_a_mean_is_the_deviation_from_it(rng):
    values = rng.normal(size=50)
    assert influence(with_ones(values), mean) == pytest.approx(values - values.mean(), abs=1e-8)


def test_the_influence_of_macro_f1_is_what_a_little_more_of_the_item_does(rng):
    truth, said = rng.integers(3, size=60), rng.integers(3, size=60)
    rows = class_rows(truth, said, 3)
    sums, little = rows.sum(axis=0), 1e-6
    more = (macro_f1(sums + little * rows) - macro_f1(sums - little * rows)) / (2 * little) * len(rows)
    found = influence(rows, macro_f1)
    assert found == pytest.approx(more, abs=1e-7)
    assert found.sum() == pytest.approx(0, abs=1e-7)


def test_a_column_that_is_zero_everywhere_is_not_differentiated():
    """A class that nobody named: there the value has a corner, and a step below zero has no meaning."""
    cornered = lambda sums: np.where(sums[..., 2] < 0, np.nan, sums[..., 0] / sums[..., 1])  # noqa: E731
    rows = np.array([[1.0, 1, 0], [0, 1, 0]])
    assert influence(rows, cornered) == pytest.approx([0.5, -0.5])


def test_one_way_is_exactly_the_cluster_robust_regression_on_a_constant(rng):
    values, groups = rng.normal(size=90), rng.permutation(np.arange(90) % 9)
    fit = OLS(values, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    found = cluster_interval(values.mean(), influence(with_ones(values), mean), [f"speaker {g}" for g in groups])
    low, high = fit.conf_int()[0]
    assert (found.se, found.low, found.high) == pytest.approx((fit.bse[0], low, high), rel=1e-8)
    assert (found.n, found.clusters) == (90, 9)


def test_clusters_of_unequal_size_have_the_standard_error_of_that_regression_and_fewer_degrees_of_freedom(rng):
    """Bell and McCaffrey's rule written out with matrices: u = M y with M = 1 - n 1'/N, y of variance n_c^2."""
    sizes = np.array([49, 58, 43, 38, 55, 35, 61, 69])  # clips of eight of EmoDB's speakers
    groups = np.repeat(np.arange(8), sizes)
    values = rng.normal(size=len(groups))
    fit = OLS(values, np.ones(len(groups))).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    takes = np.eye(8) - np.outer(sizes, np.ones(8)) / sizes.sum()
    varies = takes @ np.diag(sizes.astype(float) ** 2) @ takes.T
    freedom = np.trace(varies) ** 2 / np.trace(varies @ varies)
    found = cluster_interval(values.mean(), influence(with_ones(values), mean), groups)
    assert found.se == pytest.approx(fit.bse[0], rel=1e-8)
    assert found.high - found.value == pytest.approx(scipy_stats.t.ppf(0.975, freedom) * found.se, rel=1e-8)
    assert 6.0 < freedom < 6.1


def test_one_way_by_hand():
    """Deviations .25 -.75 .25 .25 in clusters {0, 1}, {2}, {3}: sums -.5 .25 .25; 3/2 * .375 / 16 = .0351563.

    Shares of the items 1/2 1/4 1/4: the sums have covariances [[6 -3 -3], [-3 3.5 -.5], [-3 -.5 3.5]] / 64, of trace
    13 / 64 and sum of squares 97 / 64^2: 13^2 / 97 degrees of freedom.
    """
    found = cluster_interval(0.75, np.array([0.25, -0.75, 0.25, 0.25]), ["a", "a", "b", "c"])
    assert found.se == pytest.approx(0.1875)
    assert found.high - found.value == pytest.approx(scipy_stats.t.ppf(0.975, 13**2 / 97) * 0.1875, rel=1e-6)


def test_two_ways_is_the_crossed_analysis_of_variance(rng):
    """10 speakers x 8 sentences: (MS speaker + MS sentence - MS rest) / 80, the mean squares by statsmodels."""
    speaker, sentence = np.divmod(np.arange(80), 8)
    values = rng.normal(size=10)[speaker] + rng.normal(size=8)[sentence] + rng.normal(size=80)
    table = anova_lm(ols("y ~ C(a) + C(b)", pd.DataFrame({"y": values, "a": speaker, "b": sentence})).fit())
    squares = table["mean_sq"].to_numpy()
    variance = (squares[0] + squares[1] - squares[2]) / 80
    freedom = (80 * variance) ** 2 / (squares**2 / np.array([9, 7, 63])).sum()
    found = cluster_interval(values.mean(), influence(with_ones(values), mean), speaker, sentence)
    assert found.se == pytest.approx(np.sqrt(variance), rel=1e-7)
    assert found.high - found.value == pytest.approx(scipy_stats.t.ppf(0.975, freedom) * found.se, rel=1e-6)
    assert f"{freedom:.4g} degrees of freedom, clustered two ways" in found.method


def test_what_levels_leave_unexplained_is_least_squares_where_cells_are_missing_or_uneven(rng):
    first, second = rng.integers(9, size=200), rng.integers(6, size=200)
    values = rng.normal(size=9)[first] + rng.normal(size=6)[second] + rng.normal(size=200)
    cell = np.unique(first * 6 + second, return_inverse=True)[1]
    fit = ols("y ~ C(a) + C(b)", pd.DataFrame({"y": values, "a": first, "b": second})).fit()
    sums = np.bincount(cell, weights=fit.resid)
    centred = values - values.mean()
    one, other, cells = (
        count / (count - 1) * (np.bincount(codes, weights=centred) ** 2).sum() / 200**2
        for codes, count in ((first, 9), (second, 6), (cell, len(sums)))
    )
    rest = len(sums) / (len(sums) - 14) * (sums**2).sum() / 200**2
    counts = pd.crosstab(first, second).to_numpy()
    expected = scipy_stats.contingency.expected_freq(counts)
    apart = ((counts - expected) ** 2).sum() / (counts**2).sum()
    assert 0.1 < apart < 0.3
    found = cluster_interval(values.mean(), centred, first, second)
    assert found.se == pytest.approx(np.sqrt(one + other - apart * cells - (1 - apart) * rest), rel=1e-6)


def test_where_the_crossing_is_sparse_it_is_the_formula_of_cameron_gelbach_and_miller(rng):
    first, second = np.arange(120) // 3, rng.integers(60, size=120)
    values = rng.normal(size=40)[first] + rng.normal(size=60)[second] + rng.normal(size=120)
    both, _, _ = cov_cluster_2groups(OLS(values, np.ones(120)).fit(), first, second)
    found = cluster_interval(values.mean(), influence(with_ones(values), mean), first, second)
    assert found.se == pytest.approx(np.sqrt(both[0, 0]), rel=1e-8)
    assert "sparsely" in found.method


def test_a_negative_two_way_variance_gives_way_to_that_of_the_cells():
    """Four cells, whose deviations cancel within both rows and columns: V1 = V2 = 0, and sums of .5 are left."""
    found = cluster_interval(0.5, np.array([0.5, -0.5, -0.5, 0.5]), ["a", "a", "b", "b"], ["x", "y", "x", "y"])
    assert found.se == pytest.approx(np.sqrt(4 / 3 * 4 * 0.25) / 4)  # too few cells to part them: 4/3, not 4/1
    assert "add nothing" in found.method and "1 degree " in found.method


def test_two_or_three_sentences_leave_one_or_two_degrees_of_freedom(rng):
    """24 actors say the same two sentences (RAVDESS): how far sentences differ is hardly known."""
    actor, sentence = np.divmod(np.arange(48), 2)
    found = cluster_interval(0.0, rng.normal(size=48), actor, sentence)
    assert "t, 1 degree of freedom" in found.method


def test_words_that_are_all_alike_cross_nothing(rng):
    values = rng.normal(size=12)
    ids = [at // 3 for at in range(12)]
    alone = cluster_interval(0.0, values, ids)
    assert cluster_interval(0.0, values, ids, ["the same"] * 12) == alone


def test_one_cluster_has_no_interval():
    found = cluster_interval(0.5, np.array([0.5, -0.5]), ["a", "a"])
    assert (found.value, found.low, found.high, found.se, found.clusters) == (0.5, None, None, None, 1)


@pytest.mark.parametrize("ids", [(), (["a"],), (["a", "b"],) * 3])
def test_ids_that_do_not_fit_are_refused(ids):
    with pytest.raises(ValueError, match=r"ways|ids"):
        cluster_interval(0.5, np.array([0.5, -0.5]), *ids)


@pytest.mark.parametrize("rows", [np.zeros((0, 2)), np.zeros(3), np.array([[np.nan, 1.0]])])
def test_rows_that_are_no_rows_are_refused(rows):
    with pytest.raises(ValueError, match="rows"):
        influence(rows, mean)


def test_cluster_sums_add_up_each_recording(rng):
    rows, ids = rng.normal(size=(20, 3)), rng.integers(4, size=20)
    assert cluster_sums(rows, ids) == pytest.approx(np.stack([rows[ids == at].sum(axis=0) for at in range(4)]))


def test_the_bootstrap_agrees_with_the_formula_where_there_are_many_clusters(rng):
    ids = np.arange(600) // 10
    truth, said = rng.integers(4, size=600), rng.integers(4, size=600)
    rows = class_rows(truth, np.where(rng.random(600) < 0.5, truth, said), 4)
    drawn = cluster_bootstrap(rows, macro_f1, ids, draws=4000, seed=1)
    formula = cluster_interval(float(macro_f1(rows.sum(axis=0))), influence(rows, macro_f1), ids)
    assert drawn.value == formula.value
    assert drawn.se == pytest.approx(formula.se, rel=0.06)
    assert (drawn.low, drawn.high) == pytest.approx((formula.low, formula.high), abs=0.1 * formula.se + 0.005)


def test_the_bootstrap_depends_on_its_seed_alone(rng):
    rows, ids = with_ones(rng.normal(size=60)), np.arange(60) // 2
    first = cluster_bootstrap(rows, mean, ids, draws=200, seed=3)
    assert cluster_bootstrap(rows, mean, ids, draws=200, seed=3) == first
    assert cluster_bootstrap(rows, mean, ids, draws=200, seed=4).low != first.low


def test_draws_without_a_value_are_counted():
    """The ratio to a class that only one of three clusters holds has no value where that was not drawn: (2/3)^3."""
    rows = np.array([[1.0, 1], [1, 0], [1, 0]])
    found = cluster_bootstrap(rows, mean, ["a", "b", "c"], draws=1000, seed=0)
    lost = int(found.method.split(", ")[-1].split()[0])
    assert lost == pytest.approx(1000 * 8 / 27, abs=60)


def test_a_statistic_that_mostly_has_no_value_is_refused():
    rows = np.zeros((40, 2))
    rows[0] = 1
    with pytest.raises(ValueError, match="draws only"):
        cluster_bootstrap(rows, lambda sums: np.where(sums[..., 1] > 1.5, 1.0, np.nan), range(40), draws=100)
