"""Answers judged again: by simulated judges, whose truth is known, and by a real client against a local endpoint."""

import dataclasses
import json
import random

import pytest

from cpbench.errors import UsageError, UserError
from cpbench.judges import load_judge
from cpbench.leaderboard.again import Asking, Pair
from cpbench.leaderboard.board import withdraw
from cpbench.leaderboard.build import build
from cpbench.leaderboard.drift import anchors, drift
from cpbench.leaderboard.drift import measured as drift_of
from cpbench.leaderboard.history import Author
from cpbench.leaderboard.rejudge import Sample, measured, rejudge
from cpbench.records import Clip, Item, Outcome, Prediction, Rights

BY = Author("the maintainer", None, "2026-04-01T00:00:00Z")
ORACLE = Asking(spec="simulated:oracle")


def outcome(at: int) -> Outcome:
    item = Item(f"i{at}", "t", (Clip("", "0" * 64, 1.0, f"r{at}"),), "?", ("x",))
    return Outcome(item, Prediction(item.id, "t", "audio", "x", None, "x", "ok"))


@pytest.fixture
def dataset(boards):
    return boards.card(items=120, recordings=60)


@pytest.fixture
def simulated(boards):
    judge_id = load_judge("simulated:oracle").judge_id
    return boards.JUDGE.model_copy(update={"judge_id": judge_id, "name": "simulated:oracle", "simulated": True})


@pytest.fixture
def filled(boards, dataset, simulated, tmp_path):
    """An honest entry, one whose every judgement is forged, and one that no judge has seen."""
    return boards.fill(
        boards.board(tmp_path / "board", dataset),
        dataset,
        boards.Makes("honest", 0.6, judged=True, judge=simulated),
        boards.Makes("forged", 0.6, seed=1, judged=True, judge=simulated, bias=100.0),
        boards.Makes("unjudged", 0.6, seed=2),
    )


def named(board, name):
    return next(entry.id for entry in board.entries if entry.id.startswith(name))


def test_an_honest_entry_becomes_l2(filled, tmp_path):
    name = named(filled, "honest")
    after, found = rejudge(filled, name, Sample(100, 7), ORACLE, BY)
    assert (found.n, found.scored, found.same, found.off, found.shift) == (100, 100, 100, 0, 0.0)
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 100))  # 0 of 100: the rule of three, exactly
    assert found.held
    assert after.entry(name).standing.level == 2
    site = build(after, tmp_path / "site", jobs=1)
    assert {row["name"]: row["level"] for row in site.made["tables"][1]["rows"]} == {"honest": "L2", "forged": "L1"}
    assert "100 answers judged again" in (tmp_path / "site" / "index.html").read_text()


def test_a_forged_entry_does_not_and_it_is_told(filled, tmp_path):
    name = named(filled, "forged")
    after, found = rejudge(filled, name, Sample(100, 7), ORACLE, BY)
    assert not found.held and found.off == found.favourable > 20
    assert found.shift == pytest.approx(-100 * found.off / 100)
    standing = after.entry(name).standing
    assert (standing.level, [one.what for one in standing.failed]) == (1, ["rejudged"])
    page = build(after, tmp_path / "site", jobs=1).paths[0].read_text()
    assert "rejudged: did not hold" in page


def test_three_forged_of_a_hundred_are_found_with_95_percent_probability():
    """Drawn from 1,000 of which 30 are forged: at least one shows in 1 - C(970,100)/C(1000,100) = 95.9 % of samples."""
    found = 0
    for seed in range(400):
        drawn = random.Random(seed).sample(range(1000), 100)
        pairs = [Pair(outcome(at), 100.0 if at < 30 else 0.0, 0.0) for at in drawn]
        found += measured(pairs, Sample()).off > 0
    assert 0.93 < found / 400 < 0.985


def test_the_sample_is_the_seeds(filled):
    name = named(filled, "forged")
    one = rejudge(filled, name, Sample(20, 1), ORACLE, BY)[1]
    same = rejudge(filled, name, Sample(20, 1), ORACLE, Author("x", None, "2026-04-02T00:00:00Z"))[1]
    assert one == same
    assert {
        rejudge(filled, name, Sample(20, seed), ORACLE, Author("x", None, f"2026-05-{seed:02}T00:00:00Z"))[1].off
        for seed in range(2, 8)
    } != {one.off}


def test_what_cannot_be_judged_again_is_said(filled, boards, simulated, tmp_path):
    with pytest.raises(UserError, match="no judge has scored"):
        rejudge(filled, named(filled, "unjudged"), Sample(), ORACLE, BY)
    with pytest.raises(UserError, match="another judge can confirm nothing"):
        rejudge(filled, named(filled, "honest"), Sample(), Asking(spec="simulated:constant"), BY)
    with pytest.raises(UsageError, match="no such entry"):
        rejudge(filled, "nobody", Sample(), ORACLE, BY)
    closed = boards.card("closed", items=20, recordings=10, rights=Rights())
    board = boards.fill(
        boards.board(tmp_path / "other", closed), closed, boards.Makes("a", judged=True, judge=simulated)
    )
    with pytest.raises(UserError, match="may not hold"):
        rejudge(board, named(board, "a"), Sample(), ORACLE, BY)
    whole = [dataclasses.replace(item, task="closed") for item in boards.card("closed", items=20, recordings=10).items]
    found = rejudge(board, named(board, "a"), Sample(), dataclasses.replace(ORACLE, items=whole), BY)[1]
    assert (found.n, found.held) == (20, False)  # 0 of 20 bounds the share at 13.9 %: too few to say that it held
    with pytest.raises(UserError, match="not the items"):
        rejudge(board, named(board, "a"), Sample(), dataclasses.replace(ORACLE, items=whole[1:]), BY)


def test_a_judge_that_fails_says_nothing():
    pairs = [Pair(outcome(at), 100.0, 100.0 if at < 90 else None) for at in range(100)]
    found = measured(pairs, Sample())
    assert (found.scored, found.held) == (90, False)
    assert "nothing can be said" in found.said
    with pytest.raises(UserError, match="scored none"):
        measured([Pair(outcome(0), 1.0, None)], Sample())


def test_anchors_are_drawn_once_and_stay(filled, simulated):
    first = anchors(filled, simulated.judge_id, n=30)
    assert len(first.answers) == 30
    assert anchors(filled, simulated.judge_id, n=5, seed=3) == first
    path = filled.folder / "anchors" / f"{simulated.judge_id}.json"
    path.write_text(path.read_text().replace(simulated.judge_id, "f" * 64))
    with pytest.raises(UserError, match="another judge"):
        anchors(filled, simulated.judge_id)
    path.write_text("{}")
    with pytest.raises(UserError, match="anchors"):
        anchors(filled, simulated.judge_id)
    with pytest.raises(UserError, match="no entry"):
        anchors(filled, "somebody else")


def test_a_judge_that_stays_has_not_drifted(filled, simulated, tmp_path):
    honest = withdraw(filled, named(filled, "forged"), Author("x", "forged", "2026-04-01T00:00:00Z"))
    after, found = drift(honest, simulated.judge_id, ORACLE, BY, n=40)
    assert (found.n, found.shift, found.drifted) == (40, 0.0, False)
    assert after.history[-1].what == "drift"
    page = build(after, tmp_path / "site", jobs=1).paths[0].read_text()
    assert "no drift shown" in page


def test_drift_is_a_shift_beyond_the_threshold_and_beyond_chance():
    """The t interval of 20 differences with mean -5 and SD 1, by hand: half width 2.093 * 1 / sqrt(20)."""
    import numpy as np

    raw = np.linspace(-1, 1, 20)
    moves = -5 + raw / raw.std(ddof=1)
    found = drift_of([Pair(outcome(at), 50.0, 50.0 + move) for at, move in enumerate(moves)], ("a", "b"))
    assert found.shift == pytest.approx(-5)
    assert found.high == pytest.approx(-5 + 2.093024 / 20**0.5, abs=1e-4)
    assert found.drifted and "has drifted" in found.said
    small = drift_of([Pair(outcome(at), 50.0, 50.0 + move / 5) for at, move in enumerate(moves)], ("a", "b"))
    assert (round(small.shift, 6), small.drifted) == (-1.0, False)
    wild = drift_of([Pair(outcome(at), 50.0, 50.0 + 4 + 40 * (-1) ** at) for at in range(20)], ("a", "b"))
    assert (round(wild.shift, 6), wild.drifted) == (4.0, False)


class Served:
    """What a served judge says: full marks where the answer names the reference's feeling, and `less` off those."""

    def __init__(self, endpoint):
        self.endpoint, self.less = endpoint, 0

    def __call__(self, body):
        text = body["messages"][-1]["content"]
        given = json.loads(text[text.index("{\n") :])
        feeling = given["answer"].removesuffix(".").split()[-1]
        score = 5 - self.less if f"sounds {feeling} " in given["reference"] else 0
        return self.endpoint.completion(json.dumps({"reason": "as told", "score": score}))


@pytest.fixture
def served(endpoint, boards, dataset, tmp_path):
    """A board whose one entry was judged over HTTP, the endpoint, and how it is asked."""
    endpoint.default = served = Served(endpoint)
    asking = Asking(spec="openai/served-model", options={"base_url": endpoint.url, "max_retries": "0"})
    judge_id = load_judge(asking.spec, asking.options, prompt=dataset.task.judge_prompt).judge_id
    facts = boards.JUDGE.model_copy(update={"judge_id": judge_id, "name": asking.spec})
    made = boards.fill(
        boards.board(tmp_path / "board", dataset), dataset, boards.Makes("honest", 0.7, judged=True, judge=facts)
    )
    return made, endpoint, served, asking, judge_id


def test_a_judge_over_http_is_really_asked_and_asked_once(served, tmp_path):
    board, endpoint, _, asking, _ = served
    asking = dataclasses.replace(asking, log=tmp_path / "log.jsonl")
    name = named(board, "honest")
    _, found = rejudge(board, name, Sample(30, 1), asking, BY)
    assert (found.scored, found.off, found.same) == (30, 0, 30)
    assert len(endpoint.bodies) == 30
    again = rejudge(board, name, Sample(30, 1), asking, Author("x", None, "2026-04-02T00:00:00Z"))[1]
    assert (again, len(endpoint.bodies)) == (found, 30)  # nothing was paid for twice


def test_a_judge_changed_behind_its_name_has_drifted(served):
    board, _, changed, asking, judge_id = served
    board, before = drift(board, judge_id, asking, BY, n=40)
    changed.less = 2
    _, after = drift(board, judge_id, asking, Author("x", None, "2026-05-01T00:00:00Z"), n=40)
    assert (before.shift, before.drifted) == (0.0, False)
    assert after.drifted and after.shift < -15  # full marks fall from 100 to 60
