"""Two backends on the same items: agreement, scores, partings and verdicts, against numbers worked out by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from cpbench.cli.doctor import command
from cpbench.doctor import agreement
from cpbench.doctor.layout import plain
from cpbench.doctor.parity import Parity, Plan, Side, drawn, parity
from cpbench.errors import UsageError, UserError
from cpbench.records import Rights
from cpbench.tasks import load_tasks

Words = Callable[[int, dict[str, Any]], str | None]


@pytest.fixture
def asked(items_file: Any, tmp_path: Path) -> Callable[..., Plan]:
    """asked(a, b, recordings=, ...) -> a plan of two models that answer the n-th item as the functions say."""

    def make(a: Words, b: Words, *, recordings: int = 8, **more: Any) -> Plan:
        items = items_file(clips=4 * recordings, questions=2)
        lines = [json.loads(line) for line in items.read_text().splitlines()]
        for at, line in enumerate(lines):
            line["recording"] = f"r{at // 8}"
        items.write_text("".join(json.dumps(line) + "\n" for line in lines))
        for name, words in (("a", a), ("b", b)):
            said = ((line["id"], words(at, line)) for at, line in enumerate(lines))
            kept = [json.dumps({"item_id": item, "answer": text}) for item, text in said if text is not None]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(kept) + "\n")
        sides = (Side(f"answers:{tmp_path}/{name}.jsonl") for name in "ab")
        return Plan(*sides, tasks=(str(items),), **more)

    return make


def decided(found: Parity, plan: Plan, line: agreement.Line, **changes: Any) -> Parity:
    """The same answers held against another line, or under another task record."""
    loaded = load_tasks(plan.tasks)
    items = {(item.task, item.id): item for _, own in loaded for item in own}
    tasks = [dataclasses.replace(task, **changes) for task, _ in loaded]
    return agreement.compared(found.sides, items, tasks, line, "audio")


def right(at: int, line: dict[str, Any]) -> str:
    return str(line.get("label") or line["references"][0])


def test_the_same_words_are_identical_and_the_bound_says_on_how_much(asked: Any) -> None:
    found = parity(asked(right, right))
    assert (found.verdict, found.exit_code, found.items, found.both) == ("identical", 0, 64, 64)
    assert found.same is not None and found.same.value == 1.0 and found.partings == ()
    assert found.same.low == pytest.approx(0.025 ** (1 / 8))  # eight recordings, none of which differs
    assert found.same_label is not None and found.same_label.n == 32
    assert "at most 36.9 % of recordings" in found.reasons[0]


def test_shares_have_the_clustered_interval(asked: Any) -> None:
    def other(at: int, line: dict[str, Any]) -> str:  # one item of the first recording, two of the second, ...
        return right(at, line) if at % 8 >= at // 8 else f"{right(at, line)} I think"

    found = parity(asked(right, other))
    same = np.array([at % 8 >= at // 8 for at in range(64)], dtype=float)
    sums = np.array([(same[8 * n : 8 * n + 8] - same.mean()).sum() for n in range(8)])
    se = np.sqrt(8 / 7 * (sums**2).sum()) / 64
    half = stats.t.ppf(0.975, 7) * se
    assert found.same is not None and found.same.value == same.mean() == 36 / 64
    assert (found.same.low, found.same.high) == pytest.approx((same.mean() - half, same.mean() + half))
    assert found.same_label is not None and found.same_label.value == 1.0 and len(found.partings) == 28
    assert {(one.words, one.characters) for one in found.partings} == {(1, 3), (1, 4)}  # after "low", after "high"


def test_the_margin_decides_what_is_equivalent(asked: Any) -> None:
    def wordy(at: int, line: dict[str, Any]) -> str:
        return f"It is {right(at, line)}."

    plan = asked(right, wordy, metric="accuracy")
    level = parity(plan)
    assert level.verdict == "insufficient" and level.exit_code == 4 and level.same is not None
    assert level.same.value == 0.0 and level.same.high == pytest.approx(1 - 0.025 ** (1 / 8))
    assert "equal in each of 8 recordings" in level.reasons[0]
    assert decided(level, plan, agreement.Line(37.0, "accuracy")).verdict == "equivalent"
    assert decided(level, plan, agreement.Line(36.8, "accuracy")).verdict == "insufficient"


def test_a_difference_is_that_of_compare_and_is_told(asked: Any) -> None:
    def poor(at: int, line: dict[str, Any]) -> str:
        return right(at, line) if at % 8 >= 5 - (at // 8) % 2 else "nothing of that kind"

    plan = asked(right, poor, metric="accuracy")
    found = parity(plan)
    assert (found.verdict, found.exit_code) == ("different", 3)
    one = next(each for each in found.differences if (each.metric, each.slice) == ("accuracy", "all"))
    labelled = [at for at in range(64) if at % 2 == 0]
    wrong = np.array([at % 8 < 5 - (at // 8) % 2 for at in labelled], dtype=float)
    sums = np.array([(wrong[4 * n : 4 * n + 4] - wrong.mean()).sum() for n in range(8)])
    half = stats.t.ppf(0.975, 7) * np.sqrt(8 / 7 * (sums**2).sum()) / 32
    assert one.estimate.value == pytest.approx(wrong.mean()) and one.p == pytest.approx(2**-7)
    assert (one.estimate.low, one.estimate.high) == pytest.approx((wrong.mean() - half, min(wrong.mean() + half, 1.0)))
    assert decided(found, plan, agreement.Line(99.0, "accuracy")).verdict == "equivalent"  # then it does not matter


def test_what_cannot_be_told_says_how_many_recordings_would_decide(asked: Any) -> None:
    def now_and_then(at: int, line: dict[str, Any]) -> str:
        return "nothing of that kind" if at in (0, 24, 48) else right(at, line)

    def others(at: int, line: dict[str, Any]) -> str:
        return "nothing of that kind" if at in (8, 32, 56) else right(at, line)

    found = parity(asked(now_and_then, others, metric="accuracy", margin=5.0))
    one = next(each for each in found.differences if (each.metric, each.slice) == ("accuracy", "all"))
    assert one.estimate.value == pytest.approx(0.0) and one.estimate.high is not None
    high = 100 * one.estimate.high
    assert found.verdict == "insufficient" and f"above {high:.1f} points are excluded" in found.reasons[0]
    assert f"about {int(np.ceil(8 * (high / 5) ** 2))} recordings would decide" in found.reasons[0]


def test_a_failure_on_one_side_is_counted_and_never_scored(asked: Any) -> None:
    found = parity(asked(right, lambda at, line: None if at % 8 == 0 else right(at, line)))
    assert found.failed == (0, 8) and (found.items, found.both) == (64, 56)
    assert found.same is not None and (found.same.value, found.same.n) == (1.0, 56)
    assert found.verdict == "insufficient" and found.reasons[0] == "56 of 64 items have an answer on both sides"
    assert all(one.estimate.value == 0 and one.n_lost for one in found.differences if one.slice == "all")


def test_texts_are_kept_back_where_rights_ask_for_it(asked: Any) -> None:
    plan = asked(right, lambda at, line: "No.", recordings=2)
    found = parity(plan)
    assert found.partings[0].a is not None and found.partings[0].b == "No."
    again = decided(found, plan, agreement.Line(2.0), rights=Rights("unknown"))
    assert len(again.partings) == len(found.partings) and all(one.a is one.b is None for one in again.partings)
    assert "No." in json.dumps(plain(found)) and "No." not in json.dumps(plain(again))


def test_a_limit_counts_recordings_and_a_larger_one_keeps_the_smaller(asked: Any) -> None:
    plan = asked(right, right)
    ((_, items),) = load_tasks(plan.tasks)
    few, more = drawn(items, 3, 0), drawn(items, 5, 0)
    assert len({item.recording for item in few}) == 3 and len(few) == 24
    assert {item.id for item in few} < {item.id for item in more}
    assert {item.recording for item in drawn(items, 3, 1)} != {item.recording for item in few}
    found = parity(dataclasses.replace(plan, limit=3))
    assert found.items == 24 and found.same is not None and found.same.clusters == 3


def test_kept_answers_are_not_asked_again_and_another_plan_is_refused(asked: Any, serve: Any, tmp_path: Path) -> None:
    server = serve()
    server.default = lambda body: server.completion("low")
    plan = asked(lambda at, line: "low", right, recordings=2, out=tmp_path / "kept")
    plan = dataclasses.replace(plan, b=Side("openai/served-model", {"base_url": server.url}))
    first = parity(plan)
    assert first.verdict == "identical" and len(server.bodies) == 16 + 4  # the hearing check's
    assert all(body["temperature"] == 0.0 for body in server.bodies)
    moved = serve()
    again = parity(dataclasses.replace(plan, b=Side("openai/served-model", {"base_url": moved.url}), margin=9.0))
    assert again.verdict == "identical" and moved.bodies == [] and again.sides[1].asked == 0
    with pytest.raises(UserError, match="limit was None"):
        parity(dataclasses.replace(plan, limit=1))
    with pytest.raises(UserError, match="not the folder of a comparison"):
        parity(dataclasses.replace(plan, out=tmp_path))


def test_sampling_is_refused_before_anything_is_asked(asked: Any) -> None:
    plan = dataclasses.replace(asked(right, right), b=Side("openai/m", {"temperature": "0.7"}))
    with pytest.raises(UsageError, match="greedy"):
        parity(plan)
    with pytest.raises(UsageError, match="acuracy"):
        parity(asked(right, right, metric="acuracy"))


def test_a_deaf_side_ends_it(items_file: Any) -> None:
    doubles = Path(__file__).parents[1] / "comparison" / "doubles.py"
    plan = Plan(Side(f"{doubles}:Ear"), Side(f"{doubles}:Cut"), tasks=(str(items_file()),))
    with pytest.raises(UserError, match=r"does not reach B, .*Cut"):
        parity(plan)


def test_prompts_of_another_length_show(asked: Any, serve: Any) -> None:
    def side(tokens: int) -> Side:
        server = serve()
        usage = {"prompt_tokens": tokens, "completion_tokens": 3, "total_tokens": tokens + 3}
        server.default = lambda body: server.completion("low", usage=usage)
        return Side("openai/served-model", {"base_url": server.url})

    plan = dataclasses.replace(asked(right, right, recordings=1), a=side(40), b=side(790))
    found: Parity = parity(plan)
    assert found.tokens is not None and (found.tokens.equal, found.tokens.items) == (0.0, 8)
    assert (found.tokens.median_a, found.tokens.median_b) == (40.0, 790.0)


def test_the_command_shows_both_answers_and_its_exit_code(asked: Any, tmp_path: Path) -> None:
    def poor(at: int, line: dict[str, Any]) -> str:
        return right(at, line) if at % 8 >= 5 else "low, or nothing of that kind"

    plan = asked(right, poor)
    words = ["--parity", plan.a.model, plan.b.model, "--tasks", plan.tasks[0], "--metric", "accuracy"]
    done = CliRunner().invoke(command, [*words, "--show", "2"])
    assert done.exit_code == 3, done.output
    assert "verdict: different (margin: 2 points)" in done.stdout and done.stdout.count("or nothing of that kind") == 2
    as_json = CliRunner().invoke(command, [*words, "--json", "--margin", "99"])
    assert as_json.exit_code == 0
    found = json.loads(as_json.stdout)
    assert found["schema"] == "cpbench-parity-1" and found["verdict"] == "equivalent" and found["margin"] == 99.0
    assert len(found["partings"]) == 40 and found["sides"]["A"]["statuses"] == {"ok": 64}
