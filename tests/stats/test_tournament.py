"""Every pair of many systems, held against `rows_difference`, which takes them one by one."""

import time
from itertools import combinations

import numpy as np
import pytest

from cpbench.stats import every_pair, rows_difference

MEAN = lambda sums: sums[..., 0] / sums[..., 1]  # noqa: E731


def columns(systems: int, items: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [np.stack([generator.random(items), np.ones(items)], axis=1) for _ in range(systems)]


def alone(rows, ids):
    """Pairs as the paired test has them, item by item."""
    for a, b in combinations(range(len(rows)), 2):
        common = ~(np.isnan(rows[a]).any(axis=1) | np.isnan(rows[b]).any(axis=1))
        kept = [[each for each, ok in zip(one, common, strict=True) if ok] for one in ids]
        yield rows_difference((rows[a][common], rows[b][common]), MEAN, *kept, level=0.05 / 6)


@pytest.mark.parametrize("recordings", [12, 40], ids=["exact flips", "drawn flips"])
@pytest.mark.parametrize("two_ways", [False, True])
def test_equals_the_paired_test_of_each_pair(recordings, two_ways):
    rows = columns(4, 120)
    ids = [[f"r{at % recordings}" for at in range(120)]] + [[f"w{at // 5 % 9}" for at in range(120)]] * two_ways
    for found, wanted in zip(every_pair(rows, MEAN, *ids), alone(rows, ids), strict=True):
        assert found.difference == pytest.approx(wanted.estimate.value, abs=1e-12)
        assert found.se == pytest.approx(wanted.estimate.se, rel=1e-9)
        assert found.p == pytest.approx(wanted.p, abs=1e-12)
        assert wanted.smallest is not None
        assert found.smallest == pytest.approx(wanted.smallest, rel=1e-9)
        assert (found.n, found.clusters) == (120, recordings)


def test_a_pair_is_tested_on_the_items_that_both_have():
    rows = columns(4, 120)
    rows[1][:30] = np.nan  # all of the first recordings
    rows[2][::17] = np.nan
    ids = [[at // 6 for at in range(120)]]
    for found, wanted in zip(every_pair(rows, MEAN, *ids), alone(rows, ids), strict=True):
        assert found.difference == pytest.approx(wanted.estimate.value, abs=1e-12)
        assert found.p == pytest.approx(wanted.p, abs=1e-12)
        assert (found.n, found.clusters) == (wanted.estimate.n, wanted.estimate.clusters)


def test_equal_systems_do_not_differ_and_one_recording_says_nothing():
    rows = columns(1, 60) * 2
    (found,) = every_pair(rows, MEAN, list(range(60)))
    assert (found.difference, found.p, found.smallest) == (0.0, 1.0, None)
    (found,) = every_pair(columns(2, 60), MEAN, ["r"] * 60)
    assert (found.p, found.se, found.smallest, found.clusters) == (None, None, None, 1)


def test_clusters_that_do_not_differ_change_nothing():
    """Twenty recordings differ, twenty do not: the p of the drawn patterns of all forty is that of the twenty."""
    a, b = columns(2, 40)
    b[20:] = a[20:]
    a[:20, 0] = b[:20, 0] + np.linspace(-0.2, 0.5, 20)
    (found,) = every_pair([a, b], MEAN, list(range(40)))
    wanted = rows_difference((a, b), MEAN, list(range(40))).p
    assert found.p == pytest.approx(wanted, abs=0.01)


def test_a_difference_beyond_all_drawn_patterns_has_the_p_of_the_clustered_t():
    """With one item a recording the clustered t is the paired t test: its formula, from the textbook."""
    from scipy.special import stdtr

    a, b = columns(2, 60)
    a[:, 0] = b[:, 0] + 0.3 + 0.02 * np.arange(60) % 0.11
    (found,) = every_pair([a, b], MEAN, list(range(60)))
    d = a[:, 0] - b[:, 0]
    t = d.mean() / (d.std(ddof=1) / np.sqrt(60))
    assert found.p == pytest.approx(2 * stdtr(59, -t), rel=1e-6)
    assert found.p < 1e-20


def test_no_common_item_is_no_pair():
    a, b = columns(2, 10)
    a[:5], b[5:] = np.nan, np.nan
    assert every_pair([a, b], MEAN, list(range(10))) == []


def test_many_systems_take_seconds():
    rows, ids = columns(40, 240), [at // 4 for at in range(240)]
    begun = time.process_time()
    assert len(every_pair(rows, MEAN, ids)) == 780
    assert time.process_time() - begun < 5
