"""Not worse than a baseline that itself passed: another way to the criterion of balanced accuracy, and no wider."""

from __future__ import annotations

from pathlib import Path

import pytest
from beside import module_at

from cpbench.judges.validity.evidence import Candidate
from cpbench.judges.validity.thresholds import Thresholds
from cpbench.judges.validity.validate import Room, validate
from cpbench.judges.validity.verdict import criteria

ground = module_at(Path(__file__).with_name("ground.py"))


def noisy(share, seed=0):
    options = {"sensitivity": str(share), "specificity": str(share), "seed": str(seed)}
    return Candidate("simulated:noisy", None, options)


def judged(pack, out, judge, baseline):
    return validate(pack, judge, Room(out, "2026-01-31T12:00:00+00:00", draws=50), baseline=baseline)


def balanced(report):
    return next(one for one in report["criteria"] if one["name"] == "balanced_accuracy")


@pytest.fixture(scope="module")
def pack():
    return ground.make(items=400, recordings=60, repeated=100, balanced_accuracy=0.99)


def test_a_judge_under_the_bar_passes_where_it_is_surely_no_worse_than_one_that_passed(pack, tmp_path):
    """.988 where .99 is asked for: not decided alone, and beside an oracle surely not worse by .02."""
    alone = judged(pack, tmp_path, noisy(0.988), None)
    assert alone["overall"]["balanced_accuracy"]["low"] < 0.99 and balanced(alone)["outcome"] == "INSUFFICIENT"
    beside = judged(pack, tmp_path, noisy(0.988), Candidate("simulated:oracle"))
    assert beside["baseline"]["verdict"] == "PASS" and balanced(beside)["outcome"] == "PASS"
    assert balanced(beside)["reason"].endswith("not worse by 0.02 than simulated:oracle, which passed")
    turned = judged(pack, tmp_path, noisy(0.988), noisy(0.97))  # a baseline that did not pass lends nothing
    assert turned["baseline"]["verdict"] != "PASS" and balanced(turned)["outcome"] == "INSUFFICIENT"
    difference = next(one for one in turned["baseline"]["paired"] if one["metric"] == "balanced_accuracy")["difference"]
    assert difference["low"] > -0.02


@pytest.mark.parametrize(
    ("verdict", "low", "outcome"),
    [
        ("PASS", -0.019, "PASS"),
        ("PASS", -0.021, "FAIL"),
        ("PASS", None, "FAIL"),
        ("FAIL", 0.01, "FAIL"),
        ("INSUFFICIENT", 0.01, "FAIL"),
    ],
)
def test_the_rule_word_for_word(report, verdict, low, outcome):
    paired = [one for one in report["baseline"]["paired"] if one["metric"] == "balanced_accuracy"]
    paired = [{**paired[0], "difference": {**paired[0]["difference"], "low": low}}]
    changed = {**report, "baseline": {**report["baseline"], "verdict": verdict, "paired": paired}}
    found = balanced({"criteria": criteria(changed, Thresholds())})
    assert found["outcome"] == outcome
    assert ("not worse by 0.02 than" in found["reason"]) == (outcome == "PASS")


@pytest.fixture(scope="module")
def report(pack, tmp_path_factory):
    """A judge of .8, which fails by itself, beside an oracle."""
    made = judged(pack, tmp_path_factory.mktemp("report"), noisy(0.8), Candidate("simulated:oracle"))
    assert made["overall"]["balanced_accuracy"]["high"] < 0.85
    return made


def test_a_judge_that_is_surely_worse_stays_under_the_bar(report):
    assert report["verdict"] == "FAIL" and balanced(report)["outcome"] == "FAIL"
