"""Means, gains and differences over seeds, against numbers that scipy and a pencil give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cpbench.miniature import findings
from cpbench.miniature.page import outcomes
from cpbench.miniature.plan import Job, System

S10 = (40.0, 42.0, 47.0)
S30 = (50.0, 49.0, 60.0)


def given(job: Job, condition: str, part: str) -> float | None:
    """S10 and S30 as above, S20 between them, tags worth 20 points; nothing else is asked."""
    if part in ("words", "voice"):
        return {"words": (0.5, 0.25, 0.3), "voice": (0.25, 0.25, 0.6)}[part][job.seed]
    if part not in ("all", "DE"):
        return None
    values = {
        "S10": S10,
        "S30": S30,
        "S20": (44.0, 44.0, 50.0),
        "explicit": (41.0, 42.0, 43.0),
        "S32": (60.0, 61.0, 65.0),
    }
    less = {"tags:wrong": 20.0, "audio": 10.0}.get(condition, 0.0) if len(job.system.conditions) > 1 else 0.0
    return values.get(job.system.name, (1.0, 2.0, 3.0))[job.seed] + (5.0 if part == "DE" else 0.0) - less


@pytest.fixture(scope="module")
def asked(hand_made: Callable[..., list[findings.Asked]]) -> list[findings.Asked]:
    return hand_made(given)


def interval(values: Any) -> tuple[float, float, float]:
    """scipy's mean and t interval."""
    numbers = np.asarray(values, dtype=float)
    low, high = stats.t.interval(0.95, len(numbers) - 1, numbers.mean(), stats.sem(numbers))
    return float(numbers.mean()), float(low), float(high)


def shown(one: Any) -> tuple[float, float, float]:
    return one.value, one.low, one.high


def test_a_row_is_the_mean_over_the_seeds_with_its_t_interval(asked: list[findings.Asked]) -> None:
    rows = {row.system.name: row for row in findings.table(asked, "adapter")}
    assert list(rows) == ["S10", "S20", "S30", "explicit", "S32", "control"]
    assert shown(rows["S10"].values["all"]) == pytest.approx(interval(S10))
    assert shown(rows["S10"].values["DE"]) == pytest.approx(interval(np.add(S10, 5)))
    assert rows["S10"].values.keys() == {"all", "DE"}
    assert (rows["S10"].gains, rows["S10"].relative) == ({}, None)
    assert rows["S32"].condition == "tags:gold"


def test_a_gain_is_paired_by_seed_and_relative_as_in_the_paper(asked: list[findings.Asked]) -> None:
    row = next(row for row in findings.table(asked, "adapter") if row.system.name == "S30")
    assert shown(row.gains["all"]) == pytest.approx(interval(np.subtract(S30, S10)))
    assert row.relative is not None
    assert row.relative.value == pytest.approx(100 * (53 - 43) / 43)
    ratio = np.mean(S30) / np.mean(S10)  # the delta method: var(b/a) = var(b - ratio a) / (n a^2)
    error = 100 * np.sqrt(np.var(np.subtract(S30, np.multiply(ratio, S10)), ddof=1) / 3) / 43
    assert row.relative.high == pytest.approx(100 * (ratio - 1) + stats.t.ppf(0.975, 2) * error)


def test_a_relative_gain_needs_a_baseline_above_nothing() -> None:
    assert findings.relative_gain([1.0, 2.0], [0.0, 0.0]) is None
    one = findings.relative_gain([30.0], [20.0])
    assert one is not None
    assert (one.value, one.low) == (pytest.approx(50.0), None)


def test_an_addition_is_the_system_that_lacks_only_that(asked: list[findings.Asked]) -> None:
    found = {(one.a.name, one.b.name): one for one in findings.additions(asked, "adapter")}
    assert list(found) == [("S20", "S10"), ("S30", "S20"), ("explicit", "S10"), ("S32", "S30")]
    assert shown(found["S30", "S20"].changes["DE"]) == pytest.approx(interval(np.subtract(S30, (44, 44, 50))))
    assert shown(found["S20", "S10"].changes["all"]) == pytest.approx(interval(np.subtract((44, 44, 50), S10)))
    assert [one.given_away for one in found.values()] == [False, False, True, True]
    assert findings.additions(asked, "lora") == []


def test_tags_are_held_against_the_systems_own_gold_ones(asked: list[findings.Asked]) -> None:
    told = {(row.system.name, row.condition): row for row in findings.tag_table(asked, "adapter")}
    assert list(told) == [(name, one) for name in ("explicit", "S32") for one in ("tags:gold", "audio", "tags:wrong")]
    assert told["S32", "tags:gold"].changes == {}
    assert told["S32", "audio"].changes["all"].value == pytest.approx(-10)
    assert shown(told["S32", "tags:wrong"].changes["DE"]) == pytest.approx((-20, -20, -20))
    assert told["S32", "tags:wrong"].values["all"].value == pytest.approx(62 - 20)


def test_words_against_voice(asked: list[findings.Asked]) -> None:
    found = {one.system.name: one for one in findings.conflicts(asked, "adapter")}
    assert len(found) == 6
    assert all(one.condition == "audio" for one in found.values())  # nobody has tags to go by
    assert found["S10"].words.value == pytest.approx(0.35)
    assert found["S10"].neither.value == pytest.approx(np.mean([0.25, 0.5, 0.1]))
    assert shown(found["S10"].difference) == pytest.approx(interval([-0.25, 0.0, 0.3]))


def test_a_seed_that_one_system_lacks_is_in_no_difference(asked: list[findings.Asked]) -> None:
    left = [one for one in asked if (one.job.system.name, one.job.seed) != ("S10", 1)]
    row = next(row for row in findings.table(left, "adapter") if row.system.name == "S30")
    assert row.values["all"].n == 3
    assert shown(row.gains["all"]) == pytest.approx(interval([10.0, 13.0]))


def test_one_seed_has_no_interval(hand_made: Callable[..., list[findings.Asked]]) -> None:
    row = findings.table(hand_made(given, seeds=1), "adapter")[2]
    assert (row.values["all"].value, row.values["all"].low, row.gains["all"].high) == (50.0, None, None)


def test_true_emotions_against_those_dealt_out_item_by_item(asked: list[findings.Asked]) -> None:
    """S30 is right about nine recordings of twelve, the control about three: six differ by 100, six by nothing."""
    found = findings.learned(asked, outcomes)
    assert [one.seed for one in found] == [0, 1, 2]
    for each in found[0].differences:
        assert (each.value_a, each.value_b) == (pytest.approx(75), pytest.approx(25))
        assert shown(each.estimate) == pytest.approx(interval([0, 100] * 6))
    assert {each.slice for each in found[0].differences} == {"DE", "CE"}


def test_sizes_are_the_checkpoints_own_account(asked: list[findings.Asked], named: dict[str, System]) -> None:
    notes = {one.job.name: account(one.job) for one in asked}
    found = {size.system: size for size in findings.sizes(asked, notes)}
    assert list(found) == list(named.values())
    size = found[named["S30"]]
    assert (size.clips, size.questions, size.steps, size.seconds.value) == (3, 7, 14, 11.0)
    notes["S30-adapter-1"] = {**notes["S30-adapter-1"], "items": 8}
    with pytest.raises(ValueError, match=r"the seeds of S30, adapter, were not trained alike"):
        findings.sizes(asked, notes)


def account(job: Job) -> dict[str, Any]:
    return {"trained_on": ["a", "b", "c"], "items": 7, "steps": {"one": 10, "two": 4}, "seconds": 10 + job.seed}


def test_seeds_are_what_an_interval_is_over(asked: list[findings.Asked]) -> None:
    doubled = [dataclasses.replace(one, scores=(*one.scores, *one.scores)) for one in asked]
    rows, again = findings.table(asked, "adapter"), findings.table(doubled, "adapter")
    assert rows == again
