"""Rankings of systems, against scipy and by hand."""

import numpy as np
import pytest
from scipy import stats

from cpbench.stats.ranking import (
    correlation,
    correlations,
    nested_bootstrap,
    nested_draws,
    pairwise_accuracy,
    percentiles,
    soft_pairwise_accuracy,
)

THEIRS = {
    "pearson": lambda x, y: stats.pearsonr(x, y).statistic,
    "spearman": lambda x, y: stats.spearmanr(x, y).statistic,
    "kendall_tau_b": lambda x, y: stats.kendalltau(x, y).statistic,
}


@pytest.mark.parametrize("kind", THEIRS)
@pytest.mark.parametrize("seed", range(3))
def test_value_and_exact_p_are_scipys(kind, seed):
    draw = np.random.default_rng(seed)
    x = draw.integers(0, 5, 6).astype(float)
    y = x + draw.integers(0, 4, 6)
    found = correlation(x, y, kind)
    expected = stats.permutation_test((x,), lambda a: THEIRS[kind](a, y), permutation_type="pairings", n_resamples=1e6)
    assert found.value == pytest.approx(THEIRS[kind](x, y))
    tails = np.abs(expected.null_distribution) >= abs(found.value) - 1e-9
    assert found.exact
    assert found.p == pytest.approx(tails.mean())


def test_many_systems_are_drawn_and_agree_with_the_t_distribution():
    draw = np.random.default_rng(0)
    x = draw.normal(size=20)
    y = 0.5 * x + draw.normal(size=20)
    found = correlation(x, y, "pearson")
    assert not found.exact
    assert found.p == pytest.approx(stats.pearsonr(x, y).pvalue, abs=0.015)
    assert correlation(x, y, "pearson") == found


def test_a_measure_that_is_the_same_for_all_has_no_correlation():
    found = correlation(np.ones(4), np.arange(4.0), "spearman")
    assert (found.value, found.p) == (None, None)


def test_two_systems_are_refused():
    with pytest.raises(ValueError, match="three"):
        correlation(np.array([1.0, 2]), np.array([1.0, 2]), "pearson")


def test_pairwise_accuracy_by_hand():
    """Pairs: 1-2 alike, 1-3 alike, 2-3 a tie in one: (1 + 1 + .5) / 3."""
    assert pairwise_accuracy(np.array([1.0, 2, 3]), np.array([1.0, 2, 2])) == pytest.approx(2.5 / 3)
    assert pairwise_accuracy(np.ones(3), np.ones(3)) is None


def test_soft_pairwise_accuracy_by_hand():
    assert soft_pairwise_accuracy(np.array([0.01, 0.5]), np.array([0.11, 0.9])) == pytest.approx(0.75)
    assert soft_pairwise_accuracy(np.array([]), np.array([])) is None


def test_correlations_along_the_last_axis():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(4, 7)), draw.normal(size=(4, 7))
    assert correlations(x, y) == pytest.approx([stats.pearsonr(a, b).statistic for a, b in zip(x, y, strict=True)])
    assert np.isnan(correlations(np.ones((1, 5)), y[:1, :5])).all()


def test_drawing_systems_too_widens_the_interval():
    draw = np.random.default_rng(0)
    skill = np.linspace(0.3, 0.7, 8)
    right = draw.random((8, 60, 5)) < skill[:, None, None]
    judged = draw.random((8, 60, 5)) < skill[:, None, None]
    sums = np.stack([right.sum(2), judged.sum(2), np.full((8, 60), 5)], axis=-1)

    def between(drawn):
        return correlations(drawn[..., 0] / drawn[..., 2], drawn[..., 1] / drawn[..., 2])

    found = nested_bootstrap(sums, between, draws=500)
    assert found.items[0] < found.items[1] <= 1
    assert found.items_and_systems[0] < found.items[0]
    assert nested_bootstrap(sums, between, draws=500) == found


def test_draws_shared_by_statistics_give_the_intervals_of_each():
    sums = np.random.default_rng(0).random((5, 12, 3))
    drawn, both = nested_draws(sums, draws=300, seed=4)
    mean = lambda values: values[..., 0].mean(axis=-1)  # noqa: E731
    found = nested_bootstrap(sums, mean, draws=300, seed=4)
    assert (percentiles(mean(drawn)), percentiles(mean(both))) == (found.items, found.items_and_systems)
    assert percentiles(np.full(10, np.nan)) is None
