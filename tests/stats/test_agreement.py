"""Agreement, against sklearn, the krippendorff package and published numbers."""

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from cpbench.stats.agreement import cohen_kappa, gwet_ac, krippendorff_alpha

NAN = np.nan
# Krippendorff (2011), example C: four observers, twelve units, missing data.
EXAMPLE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(level, published):
    assert krippendorff_alpha(EXAMPLE, level=level) == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_the_krippendorff_package(level, seed):
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 6, 40)
    ratings = np.clip(truth + draw.integers(-1, 2, (3, 40)), 0, 5).astype(float)
    ratings[draw.random(ratings.shape) < 0.2] = NAN
    expected = krippendorff.alpha(reliability_data=ratings, level_of_measurement=level)
    assert krippendorff_alpha(ratings, level=level) == pytest.approx(expected, abs=1e-9)


def test_gwet_of_the_published_example():
    """AC1 of the same ratings: 0.77544 (Gwet 2014, and his own software)."""
    assert gwet_ac(EXAMPLE) == pytest.approx(0.77544, abs=1e-5)


def test_gwet_by_hand():
    """Two raters, four items, two categories: agree on three; shares 5/8 and 3/8, chance 2 * 15/64."""
    ratings = np.array([[0.0, 0, 1, 0], [0.0, 0, 1, 1]])
    chance = 2 * (5 / 8) * (3 / 8)
    assert gwet_ac(ratings) == pytest.approx((0.75 - chance) / (1 - chance))
    assert gwet_ac(ratings, weights="quadratic") == pytest.approx((0.75 - chance) / (1 - chance))


def test_quadratic_gwet_forgives_neighbours():
    near = np.array([[0.0, 1, 2, 3, 4, 5], [1.0, 2, 3, 4, 5, 4]])
    far = np.array([[0.0, 1, 2, 3, 4, 5], [5.0, 4, 5, 0, 1, 0]])
    scale = range(6)
    assert gwet_ac(near, weights="quadratic", scale=scale) > 0.7
    assert gwet_ac(far, weights="quadratic", scale=scale) < 0
    assert gwet_ac(near, scale=scale) < 0


@pytest.mark.parametrize(("ours", "theirs"), [("identity", None), ("linear", "linear"), ("quadratic", "quadratic")])
@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_sklearns(ours, theirs, seed):
    draw = np.random.default_rng(seed)
    a = draw.integers(0, 6, 60)
    b = np.clip(a + draw.integers(-1, 2, 60), 0, 5)
    expected = cohen_kappa_score(a, b, weights=theirs, labels=list(range(6)))
    assert cohen_kappa(a.tolist(), b.tolist(), weights=ours, scale=range(6)) == pytest.approx(expected)


def test_constant_raters_have_no_chance_corrected_number():
    assert cohen_kappa([1, 1, 1], [1, 1, 1]) is None
    assert krippendorff_alpha(np.ones((2, 3))) is None
    assert gwet_ac(np.ones((2, 3))) == 1.0


def test_raters_who_share_no_item():
    apart = np.array([[1.0, 2, NAN, NAN], [NAN, NAN, 1, 2]])
    assert krippendorff_alpha(apart) is None
    assert gwet_ac(apart) is None


def test_a_rating_off_the_scale_is_refused():
    with pytest.raises(ValueError, match="9"):
        cohen_kappa([1, 9], [1, 2], scale=[1, 2])
    with pytest.raises(ValueError, match="9"):
        gwet_ac(np.array([[1.0, 9], [1, 2]]), scale=[1, 2])
