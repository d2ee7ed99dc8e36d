"""People beside each other, against sklearn, krippendorff and the jackknife by hand."""

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from cpbench.judges.validity.people import Panel, among, couples


def panel(**given):
    """Annotators and their ratings; None: not rated."""
    return Panel(
        tuple(given), np.array([[np.nan if one is None else one for one in each] for each in given.values()]), 0
    )


def test_agreement_is_that_of_sklearn_and_krippendorff():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 60)
    ada, ben = (np.clip(truth + rng.integers(-1, 2, 60), 0, 5) for _ in range(2))
    cleo = [float(score) if at < 30 else None for at, score in enumerate(truth)]
    held, recordings = panel(ada=ada.tolist(), ben=ben.tolist(), cleo=cleo), list(range(60))
    first, second, third = couples(held, recordings)
    assert first["quadratic_kappa"]["value"] == pytest.approx(cohen_kappa_score(ada, ben, weights="quadratic"))
    assert [one["answers"] for one in (first, second, third)] == [60, 30, 30]
    assert second["annotators"] == ("ada", "cleo")
    assert first["bias"] == pytest.approx((ada - ben).mean()) and first["equal"] == pytest.approx((ada == ben).mean())
    found = among(held, recordings)
    assert found["labels"] == 120
    assert found["alpha"]["value"] == pytest.approx(krippendorff.alpha(held.ratings, level_of_measurement="interval"))
    for number in (found["quadratic_kappa"], found["alpha"], found["ac2"]):
        assert number["low"] < number["value"] < number["high"]
        assert number["recordings"] == 60


def test_the_interval_is_the_jackknife_over_recordings():
    """Three recordings; the pseudo-values by hand: theta_-c by sklearn, se = sqrt((C-1)/C sum (theta_-c - mean)^2)."""
    a, b = [0, 1, 2, 3, 4, 5, 5, 0, 3], [0, 1, 3, 3, 3, 5, 4, 1, 3]
    found = couples(panel(a=a, b=b), [f"r{at % 3}" for at in range(9)])[0]["quadratic_kappa"]
    left = [
        cohen_kappa_score(
            *([s for at, s in enumerate(one) if at % 3 != c] for one in (a, b)), weights="quadratic", labels=range(6)
        )
        for c in range(3)
    ]
    se = (2 / 3 * sum((one - np.mean(left)) ** 2 for one in left)) ** 0.5
    assert (found["recordings"], found["n"]) == (3, 9)
    assert found["value"] - found["low"] == pytest.approx(4.302653 * se)


def test_one_annotator_and_those_who_share_nothing_have_nobody_to_agree_with():
    assert among(panel(ada=[3.0, None]), ["r1", "r2"]) is None and couples(panel(ada=[3.0, None]), ["r1", "r2"]) == []
    apart = panel(ada=[3.0, None], ben=[None, 3.0])
    assert among(apart, ["r1", "r2"]) is None
    (one,) = couples(apart, ["r1", "r2"])
    assert (one["answers"], one["quadratic_kappa"], one["equal"], one["bias"]) == (0, None, None, None)


def test_constant_ones_have_no_kappa_and_no_alpha():
    held = panel(a=[3.0] * 5, b=[3.0] * 5)
    found = among(held, list(range(5)))
    assert (found["quadratic_kappa"], found["alpha"], found["ac2"]["value"]) == (None, None, 1.0)
    assert couples(held, list(range(5)))[0]["equal"] == 1.0
