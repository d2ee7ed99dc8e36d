"""The evidence against independent truth: sklearn, scipy, hand-made tables, and simulated packs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from beside import module_at
from scipy import stats
from sklearn import metrics

from cpbench.judges.validity.accuracy import accuracy, auc, kappa, phi, rising
from cpbench.judges.validity.habits import corrected, length, repeats, same_family
from cpbench.judges.validity.packs import System
from cpbench.judges.validity.ranks import Standings, ranks
from cpbench.judges.validity.strictness import gate_level, spread
from cpbench.judges.validity.table import Table
from cpbench.judges.validity.thresholds import Thresholds
from cpbench.judges.validity.verdict import above

ground = module_at(Path(__file__).with_name("ground.py"))
ITEMS = tuple(ground.item(number, 40) for number in range(200))


def table(sens=0.9, specs=(0.8,) * 9, seed=0, items=ITEMS):
    """Systems of accuracy .35 to .75 under a judge of planted quality, one score of 0 or 100 an answer."""
    draw, systems, n = np.random.default_rng(seed), len(specs), len(items)
    system, item = np.repeat(np.arange(systems), n), np.tile(np.arange(n), systems)
    truth = (draw.random(len(system)) < np.linspace(0.35, 0.75, systems)[system]).astype(int)
    yes = np.where(truth == 1, sens, 1 - np.asarray(specs)[system])
    score = np.where(draw.random(len(system)) < yes, 100.0, 0.0)
    made = tuple(System(f"s{at}", f"s{at}", f"f{at % 3}", "end_to_end", "audio") for at in range(systems))
    return Table(made, items, None, system, item, truth, score, np.arange(len(system)) % 50.0, 60.0)


def test_the_values_are_those_of_sklearn_and_scipy():
    held = table()
    graded = dataclasses.replace(held, score=held.score * 0.6 + np.random.default_rng(1).integers(0, 3, len(held)) * 20)
    said, truth = graded.accepted.astype(int), graded.truth
    assert accuracy(graded, graded.counted, "all")["balanced_accuracy"]["value"] == pytest.approx(
        metrics.balanced_accuracy_score(truth, said)
    )
    assert auc(graded)["value"] == pytest.approx(metrics.roc_auc_score(truth, graded.score))
    assert kappa(graded)["value"] == pytest.approx(metrics.cohen_kappa_score(truth, said))
    assert phi(graded)["value"] == pytest.approx(metrics.matthews_corrcoef(truth, said))
    assert rising(graded)["verdict"] == "rises" and len(rising(graded)["scores"]) == len(np.unique(graded.score))


def test_the_interval_of_sensitivity_is_the_clustered_one_by_hand():
    held = table()
    right = held.truth == 1
    x, recordings = held.accepted[right].astype(float), held.recording[right]
    sums = np.bincount(recordings, weights=x - x.mean())
    se = np.sqrt(40 / 39 * (sums**2).sum()) / len(x)
    sizes = np.bincount(recordings).astype(float)
    takes = np.eye(40) - np.outer(sizes, np.ones(40)) / sizes.sum()
    varies = takes @ np.diag(sizes**2) @ takes.T  # of the recordings' sums, if recordings are what varies
    freedom = np.trace(varies) ** 2 / np.trace(varies @ varies)
    found = accuracy(held, held.counted, "all")["sensitivity"]
    assert 34 < freedom < 39
    assert found["high"] - found["value"] == pytest.approx(stats.t.ppf(0.975, freedom) * se, rel=1e-6)


def test_answers_without_a_label_are_in_no_rate():
    held = table()
    some = dataclasses.replace(held, truth=np.where(np.arange(len(held)) % 10 == 0, -1, held.truth))
    kept = np.arange(len(held)) % 10 != 0
    found = accuracy(some, some.counted, "all")
    assert found["specificity"]["value"] == pytest.approx(
        metrics.recall_score(held.truth[kept], held.accepted[kept], pos_label=0)
    )
    counts = found["counts"]
    assert counts["unextractable_accepted"] + counts["unextractable_rejected"] == int((~kept).sum())


def test_a_judge_of_balanced_accuracy_83_rarely_passes():
    limit = Thresholds().balanced_accuracy
    outcomes = [_balanced(table(0.88, (0.78,) * 9, seed), limit) for seed in range(60)]
    assert outcomes.count("PASS") <= 6
    better = [_balanced(table(0.93, (0.89,) * 9, seed), limit) for seed in range(20)]
    assert better.count("PASS") >= 18


def _balanced(held, limit):
    return above(accuracy(held, held.counted, "all")["balanced_accuracy"], limit)


@pytest.mark.parametrize(("systems", "mean"), [(8, 0.86), (12, 0.86), (8, 0.95)])
def test_a_spread_of_specificity_of_6_points_rarely_passes_and_none_mostly_does(systems, mean):
    """Near 1 the systems' specificities are skewed: most at 1, few far below; most packs hold none of those few."""
    items = tuple(ground.item(number, 40) for number in range(400))
    draw, limit = np.random.default_rng(7), Thresholds().specificity_sd
    size = mean * (1 - mean) / 0.06**2 - 1

    def passes(specs, seed):
        return spread(table(0.95, tuple(specs), seed, items), limit)["bound"] <= limit

    uneven = [draw.beta(mean * size, (1 - mean) * size, systems) for _ in range(60)]
    assert sum(passes(specs, seed) for seed, specs in enumerate(uneven)) <= 10  # 8 % expected; above 10: p = .01
    assert sum(passes((mean,) * systems, seed) for seed in range(30)) >= 26


def test_the_level_of_the_spreads_bound_is_the_same_each_time_and_never_under_a_95_percent_interval():
    levels = [gate_level(8, mean, 150.0, 0.08) for mean in (0.0, 0.5, 0.85, 0.95, 0.99, 1.0)]
    assert levels == [gate_level.__wrapped__(8, mean, 150.0, 0.08) for mean in (0.0, 0.5, 0.85, 0.95, 0.99, 1.0)]
    assert all(0.975 <= level <= 1 for level in levels) and levels[3] > levels[2]
    assert gate_level(3, 0.9, 0.2, 0.5) >= 0.975  # nothing to go by, a limit that no specificities reach


def test_so_few_answers_that_an_uneven_judge_would_show_no_spread_cannot_pass():
    items = tuple(ground.item(number, 12) for number in range(12))
    found = spread(table(1.0, (1.0,) * 2, 0, items), Thresholds().specificity_sd)
    assert (found["raw"], found["bound"], found["bound_level"]) == (0.0, 1.0, 1.0)


def test_ranks_are_those_of_scipy_and_a_perfect_judge_ranks_perfectly():
    draw = np.random.default_rng(3)
    right = (draw.random((6, 80)) < np.linspace(0.3, 0.8, 6)[:, None]).astype(float)
    noise = np.where(draw.random(right.shape) < 0.3, 1 - right, right)
    classes = np.tile(np.eye(2)[np.arange(80) % 2], (6, 1, 1))
    rows = np.concatenate(
        [100 * noise[..., None], np.ones((6, 80, 1)), right[..., None], classes, classes, classes * right[..., None]],
        axis=2,
    )
    found = _ranked(rows)
    x, y = noise.mean(axis=1), right.mean(axis=1)
    assert found["accuracy", "pearson"]["value"] == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found["accuracy", "spearman"]["value"] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found["accuracy", "kendall_tau_b"]["value"] == pytest.approx(stats.kendalltau(x, y).statistic)
    low, high = found["accuracy", "pearson"]["over_items"]
    wide = found["accuracy", "pearson"]["over_items_and_systems"]
    assert low < found["accuracy", "pearson"]["value"] < high and wide[1] - wide[0] > 0
    rows[..., 0] = 100 * right
    perfect = _ranked(rows)
    for name in ("pearson", "pairwise_accuracy", "soft_pairwise_accuracy"):
        assert perfect["accuracy", name]["value"] == pytest.approx(1.0)


def _ranked(rows):
    held = Standings(rows, np.arange(80) % 40, (2,))
    return {(one["target"], one["statistic"]): one for one in ranks(held, draws=200)}


def test_flips_are_pairs_of_repeats_that_disagree():
    scores = np.array([[100.0, 100, 0], [0, 0, 0], [100, np.nan, np.nan], [100, 100, 100]])
    found = repeats(scores, ["a", "b", "c", "d"], correct_score=60.0)
    assert found["items"] == 3 and found["flips"]["value"] == pytest.approx(2 / 9)
    assert repeats(scores[:, :1], ["a", "b", "c", "d"], correct_score=60.0) is None
    steady = repeats(np.full((200, 5), 100.0), [str(at % 30) for at in range(200)], correct_score=60.0)
    assert steady["flips"]["value"] == 0 and 0 < steady["flips"]["high"] < 0.02 and steady["alpha"] is None


def test_a_liking_for_its_family_and_for_long_answers_is_found():
    held = table()
    liked = np.where((held.system % 3 == 0) & (held.truth == 0), 100.0, held.score)
    found = same_family(dataclasses.replace(held, score=liked), ["f0"])
    assert found["low"] > 0.1 and same_family(held, ["none"]) is None
    longer = np.where((held.length > 30) & (held.truth == 0), 100.0, held.score)
    assert length(dataclasses.replace(held, score=longer))["wrong"]["low"] > 0.3
    assert length(held)["right"]["low"] < 0 < length(held)["right"]["high"]


def test_the_correction_brings_the_share_nearer_to_the_labels():
    held = table(0.98, (0.6,) * 9)
    found = [corrected(held, at) for at in range(9)]
    raw = np.mean([abs(one["accepted"] - one["right"]) for one in found])
    assert np.mean([abs(one["corrected"] - one["right"]) for one in found]) < raw / 2
