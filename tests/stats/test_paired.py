"""Paired tests against scipy, statsmodels and hand-made numbers, and on simulated pairs whose truth is known."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from cpbench.stats import (
    cluster_interval,
    cluster_spread,
    holm,
    influence,
    rows_difference,
    sign_flip_p,
    smallest_difference,
    t_p,
)


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
    return np.random.default_rng(4)


def by_scipy(sums, **options):
    return scipy_stats.permutation_test(
        (sums,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", vectorized=True, **options
    ).pvalue


@pytest.mark.parametrize("clusters", [2, 5, 9, 13])
def test_the_exact_p_is_scipy_s(rng, clusters):
    for _ in range(5):
        sums = rng.normal(0.4, 1, size=clusters)
        found = sign_flip_p(sums)
        assert found.exact and found.p == pytest.approx(by_scipy(sums, n_resamples=np.inf))


def test_whole_numbers_tie_and_ties_count(rng):
    """Differences of counts of right answers: many patterns give the observed sum exactly."""
    for _ in range(20):
        sums = rng.integers(-2, 4, size=10).astype(float)
        assert sign_flip_p(sums).p == pytest.approx(by_scipy(sums, n_resamples=np.inf))


def test_ties_count_where_rounding_parts_them():
    """Sixths, which no binary fraction is: 1/6 + 2/6 - 3/6 is zero but for rounding."""
    sums = np.array([1.0, 2.0, -3.0, 6.0]) / 6
    assert sign_flip_p(sums).p == sign_flip_p(sums * 6).p == by_scipy(sums * 6, n_resamples=np.inf)


@pytest.mark.parametrize("clusters", [15, 40, 120])
def test_the_drawn_p_is_scipy_s_up_to_the_draw(rng, clusters):
    sums = rng.normal(size=clusters)
    sums += 1.8 * np.sqrt((sums**2).sum()) / clusters - sums.mean()  # p near .07
    found, other = sign_flip_p(sums), by_scipy(sums, n_resamples=20_000, rng=1)
    assert not found.exact and found.least == 1e-4
    assert found.p == pytest.approx(other, abs=4 * np.sqrt(other / 10_000 + other / 20_000))
    assert sign_flip_p(sums) == found
    assert sign_flip_p(sums, seed=1).p != found.p


def test_no_drawn_p_is_zero():
    assert sign_flip_p(np.ones(60)).p == 1e-4


def test_four_recordings_allow_no_significance():
    assert sign_flip_p(np.array([9.0, 8.0, 7.0, 10.0])).p == 0.125
    assert sign_flip_p(np.array([9.0, 8.0, 7.0, 10.0])).least == 0.125


def test_recordings_without_a_difference_say_nothing():
    """Ten recordings of which three differ: as many patterns as three allow."""
    alone, among = sign_flip_p(np.array([1.0, 2.0, 1.0])), sign_flip_p(np.array([1.0, 0, 0, 2, 0, 1, 0, 0, 0, 1e-13]))
    assert among == alone
    assert (alone.p, alone.least) == (0.25, 0.25)
    assert sign_flip_p(np.zeros(30)).p == sign_flip_p(np.zeros(30)).least == 1.0


@pytest.mark.parametrize("sums", [np.zeros(0), np.zeros((2, 2)), np.array([1.0, np.nan])])
def test_sums_that_are_no_sums_are_refused(sums):
    with pytest.raises(ValueError, match="sums"):
        sign_flip_p(sums)


def test_holm_is_statsmodels_and_leaves_out_what_is_none(rng):
    for size in (1, 2, 3, 10, 28):
        ps = list(rng.uniform(size=size) ** 3)
        assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]
    assert holm([]) == []


def test_the_t_p_is_scipy_s():
    assert t_p(-1.7, 0.6, 11.5) == pytest.approx(2 * scipy_stats.t.sf(1.7 / 0.6, 11.5))


@pytest.mark.parametrize(("freedom", "level"), [(2, 0.05), (4, 0.05), (9, 0.05), (30, 0.05 / 3), (478, 0.05)])
def test_the_smallest_difference_of_a_t_test_is_that_of_the_noncentral_t(freedom, level):
    times = smallest_difference(1.0, 2000, freedom=freedom, level=level)
    edge = scipy_stats.t.ppf(1 - level / 2, freedom)
    power = scipy_stats.nct.sf(edge, freedom, times) + scipy_stats.nct.cdf(-edge, freedom, times)
    assert power == pytest.approx(0.8, abs=2e-3)


def test_with_many_recordings_the_smallest_difference_is_that_of_the_normal_distribution():
    assert smallest_difference(1.5) == pytest.approx(4.2)
    assert smallest_difference(1.5, 100_000) == pytest.approx(1.5 * (1.959964 + 0.841621), rel=1e-4)


def test_where_no_p_can_be_small_enough_there_is_no_smallest_difference():
    assert smallest_difference(1.0, 5) is None
    assert smallest_difference(1.0, 6) is not None
    assert smallest_difference(1.0, 6, level=0.05 / 3) is None  # 2 / 2^6 = .031
    assert smallest_difference(0.0, 40) is None


@pytest.mark.parametrize(
    ("clusters", "level"), [(6, 0.05), (7, 0.05), (8, 0.05), (10, 0.05), (9, 0.05 / 3), (12, 0.05 / 3)]
)
def test_sign_flips_find_the_smallest_difference_four_times_in_five(rng, clusters, level):
    """Normal recordings of equal size, whose standard error is 1: one rejection a row of 4,000."""
    times = smallest_difference(1.0, clusters, level=level)
    drawn = rng.normal(times / np.sqrt(clusters), 1, size=(4000, clusters))
    signs = 1 - 2 * ((np.arange(2 ** (clusters - 1))[:, None] >> np.arange(clusters)) & 1)
    flipped = np.abs(drawn @ signs.T)
    p = (flipped >= flipped[:, :1] - 1e-9).mean(axis=1)
    assert sign_flip_p(drawn[0]).p == pytest.approx(p[0])
    assert (p <= level).mean() == pytest.approx(0.8, abs=0.025)


def test_a_difference_of_means_is_that_of_the_items(rng):
    a, b, ids = rng.normal(size=60), rng.normal(size=60), np.arange(60) // 6
    found = rows_difference((with_ones(a), with_ones(b)), mean, ids)
    items = cluster_interval((a - b).mean(), influence(with_ones(a - b), mean), ids)
    assert (found.value_a, found.value_b) == pytest.approx((a.mean(), b.mean()))
    assert (found.estimate.value, found.estimate.se) == pytest.approx((items.value, items.se))
    assert found.p == by_scipy((a - b).reshape(10, 6).sum(axis=1), n_resamples=np.inf)


def test_a_difference_of_macro_f1_turns_round_with_its_sides(rng):
    truth, ids = rng.integers(3, size=90), np.arange(90) // 9
    a, b = (
        class_rows(truth, np.where(rng.random(90) < right, truth, rng.integers(3, size=90)), 3) for right in (0.8, 0.3)
    )
    found, turned = rows_difference((a, b), macro_f1, ids), rows_difference((b, a), macro_f1, ids)
    assert found.estimate.value == macro_f1(a.sum(axis=0)) - macro_f1(b.sum(axis=0)) == -turned.estimate.value
    assert found.p == turned.p < 0.05
    assert found.smallest == pytest.approx(turned.smallest)


def test_equal_systems_have_no_difference_and_one_recording_no_p(rng):
    rows = with_ones(rng.normal(size=20))
    same = rows_difference((rows, rows), mean, np.arange(20) // 2)
    assert (same.estimate.value, same.p, same.p_least, same.smallest) == (0.0, 1.0, 1.0, None)
    alone = rows_difference((rows, 2 * rows), mean, [0] * 20)
    assert (alone.p, alone.p_least, alone.smallest, alone.estimate.low) == (None, None, None, None)


def test_where_words_recur_the_interval_and_the_sign_flips_have_to_agree(rng):
    speaker, sentence = np.divmod(np.arange(100), 10)
    nought = with_ones(np.zeros(100))
    for shift in (0.0, 0.5, 1.0, 1.5):
        a = rng.normal(size=10)[speaker] + rng.normal(size=10)[sentence] + rng.normal(size=100) + shift
        crossed, one_way = (
            rows_difference((with_ones(a), nought), mean, *ids) for ids in ((speaker, sentence), (speaker,))
        )
        spread = cluster_spread(a - a.mean(), speaker, sentence)
        wanted = max(one_way.p, t_p(a.mean(), spread.se, spread.freedom))
        assert crossed.p == pytest.approx(wanted)
        assert crossed.smallest >= one_way.smallest * crossed.estimate.se / one_way.estimate.se * (1 - 1e-9)


def test_four_recordings_stay_four_however_many_sentences_they_share(rng):
    speaker, sentence = np.divmod(np.arange(80), 20)
    a = with_ones(5 + rng.normal(size=80))
    found = rows_difference((a, with_ones(np.zeros(80))), mean, speaker, sentence)
    assert (found.p, found.p_least, found.smallest) == (0.125, 0.125, None)
    always = rows_difference((with_ones(np.ones(80)), with_ones(np.zeros(80))), mean, speaker, sentence)
    assert (always.estimate.se, always.p) == (0.0, 0.125)


ITEMS = {8: 40, 15: 20, 40: 12, 479: 3.3}
"""Items a recording, on average; their numbers are log-normal with a deviation of 0.4."""


def simulated(recordings, kind, shift, rng):
    """One pair of systems on one set: recordings of unequal size, items hard for both, and each system's own way with
    a recording. `shift` is what system a is better by, on the scale of the hardness. -> rows a, rows b, ids"""
    sizes = np.maximum(1, np.round(rng.lognormal(np.log(ITEMS[recordings]) - 0.08, 0.4, size=recordings)))
    ids = np.repeat(np.arange(recordings), sizes.astype(int))
    hard = 0.7 * rng.normal(size=recordings)[ids] + rng.normal(size=len(ids))
    own = [hard + 0.5 * rng.normal(size=recordings)[ids] + 0.7 * rng.normal(size=len(ids)) for _ in range(2)]
    own[0] = own[0] + shift
    return *(with_ones(x > 0 if kind == "binary" else np.clip(np.round(2.5 + x), 0, 5) * 20) for x in own), ids


@pytest.mark.parametrize("kind", ["binary", "score"])
@pytest.mark.parametrize(("recordings", "sets"), [(8, 800), (15, 500), (40, 300), (479, 100)])
def test_null_pairs_are_called_different_one_time_in_twenty(recordings, sets, kind):
    """Four standard errors; docs/compare.md has the figures of 4,000 sets (tests/performance/null_pairs.py)."""
    rng = np.random.default_rng(7)
    ps = []
    for _ in range(sets):
        a, b, ids = simulated(recordings, kind, 0.0, rng)
        ps.append(rows_difference((a, b), mean, ids).p)
    assert np.mean(np.array(ps) <= 0.05) == pytest.approx(0.045, abs=4 * np.sqrt(0.045 * 0.955 / sets))
