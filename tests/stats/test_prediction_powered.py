"""PPI++: unbiased whatever the judge, narrower where the judge is good, and it covers."""

import numpy as np
import pytest

from cpbench.stats.prediction_powered import ppi_mean


def simulated(draw, bias=0.2, noise=0.1, n=400, labels=80):
    human = draw.random(n) < 0.55
    judge = np.where(draw.random(n) < noise, draw.random(n) < 0.5, human) + bias
    known = np.full(n, np.nan)
    drawn = draw.choice(n, labels, replace=False)
    known[drawn] = human[drawn]
    return judge, known, human.mean()


def test_it_covers_and_the_judges_bias_is_gone():
    draw = np.random.default_rng(0)
    held, off = 0, []
    for _ in range(1500):
        judge, known, _ = simulated(draw)
        found = ppi_mean(judge, known, range(400))
        held += found.low <= 0.55 <= found.high
        off.append(found.value - 0.55)
    assert held / 1500 == pytest.approx(0.95, abs=0.017)
    assert np.mean(off) == pytest.approx(0, abs=0.005)


def test_a_good_judge_makes_it_narrower_and_a_useless_one_costs_nothing():
    draw = np.random.default_rng(1)
    judge, known, _ = simulated(draw, noise=0.05)
    labels = known[~np.isnan(known)]
    alone = labels.std(ddof=1) / len(labels) ** 0.5
    assert ppi_mean(judge, known, range(400)).se < 0.7 * alone
    useless = ppi_mean(draw.random(400), known, range(400))
    assert useless.se == pytest.approx(alone, rel=0.12)


def test_a_constant_judge_leaves_the_mean_of_the_labels():
    known = np.array([1.0, 0, 1, np.nan, np.nan, 1])
    assert ppi_mean(np.ones(6), known, range(6)).value == pytest.approx(0.75)


def test_unequal_chances_are_weighed():
    """The wrong items are drawn four times as often: unweighted, the mean would come out far too low."""
    draw, found = np.random.default_rng(2), []
    for _ in range(300):
        human = draw.random(400) < 0.6
        chance = np.where(human, 0.1, 0.4)
        known = np.where(draw.random(400) < chance, human, np.nan).astype(float)
        found.append(ppi_mean(np.zeros(400), known, range(400), chance=chance).value)
    assert np.mean(found) == pytest.approx(0.6, abs=0.01)


def test_two_labels_are_refused():
    with pytest.raises(ValueError, match="2 human"):
        ppi_mean(np.ones(4), np.array([1.0, 0, np.nan, np.nan]), range(4))
