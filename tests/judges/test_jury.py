"""Several members: what their scores become, what a failed one does, and how far they agree."""

from __future__ import annotations

import json
import statistics

import pytest

from cpbench.chat import Reply
from cpbench.errors import UserError
from cpbench.judges import agreement, load_judge
from cpbench.judges._sharing import Opinion, made


@pytest.fixture
def jury_of(tmp_path, chat_that):
    """jury_of({"a": says, "b": says}, "aggregate: mean") -> (the jury, its chats by name)."""

    def make(says, more="", at_once=1):
        members = "".join(f"  - {{model: openai/{name}}}\n" for name in says)
        (tmp_path / "judge.yaml").write_text(f"prompt: cpqa-plain\nmembers:\n{members}{more}\n")
        chats = {}

        def wrap(inner):
            said = says[inner.name]
            chats[inner.name] = chat_that(said if callable(said) else lambda request: said, at_once=at_once)
            return chats[inner.name]

        return load_judge(str(tmp_path / "judge.yaml"), wrap=wrap), chats

    return make


@pytest.mark.parametrize(
    "drawn",
    [("mean", [5, 4, 0], 60.0), ("median", [5, 4, 0], 80.0), ("median", [5, 4, 1, 0], 50.0), ("mean", [1, 2], 30.0)],
)
def test_the_mean_or_the_median_and_each_members_score(jury_of, case, say, drawn):
    aggregate, given, score = drawn
    jury, _ = jury_of({f"m{n}": say(each) for n, each in enumerate(given)}, f"aggregate: {aggregate}")
    (judgement,) = jury.judge([case()])
    assert (judgement.status, judgement.score) == ("ok", pytest.approx(score))
    assert judgement.members == {f"openai/m{n}": 20.0 * each for n, each in enumerate(given)}
    assert json.loads(judgement.raw) == {f"openai/m{n}": say(each) for n, each in enumerate(given)}
    assert len(judgement.calls) == len(given)
    assert judgement.judge_id == jury.judge_id


def test_a_failed_member_fails_the_judgement(jury_of, case, say):
    """It keeps what the others said, and what all of it cost."""
    jury, _ = jury_of({"a": say(5), "b": "no JSON", "c": say(4)})
    (judgement,) = jury.judge([case()])
    assert (judgement.status, judgement.score) == ("parse_error", None)
    assert judgement.members == {"openai/a": 100.0, "openai/b": None, "openai/c": 80.0}
    assert len(judgement.calls) == 4  # b was asked twice
    assert "openai/b: no JSON object" in judgement.reason


def test_min_members_lets_a_jury_go_on_without_some(jury_of, case, say):
    says = {"a": say(5), "b": lambda request: Reply(request.key, "refusal", "no"), "c": say(4)}
    jury, _ = jury_of(says, "min_members: 2")
    (judgement,) = jury.judge([case()])
    assert (judgement.status, judgement.score) == ("ok", 90.0)
    assert judgement.members["openai/b"] is None
    says["a"] = "4"
    jury, _ = jury_of(says, "min_members: 2")
    (judgement,) = jury.judge([case()])
    assert (judgement.status, judgement.score) == ("parse_error", None)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_members_that_answer_in_another_order_are_matched(jury_of, case, say, at_once):
    def number(request):
        return int(json.loads(request.messages[-1].text)["answer"].split()[-1])

    says = {
        "a": lambda request: say(number(request) % 6),
        "b": lambda request: "?" if number(request) == 4 and not request.key.endswith("-2") else say(5),
        "c": lambda request: say(0),
    }
    jury, chats = jury_of(says, at_once=at_once)
    judged = {j.item_id: j for j in jury.judge(case(f"sad {n}", n) for n in range(12))}
    assert {name: j.members["openai/a"] for name, j in judged.items()} == {str(n): 20.0 * (n % 6) for n in range(12)}
    assert {name: j.score for name, j in judged.items()} == {
        str(n): pytest.approx(statistics.fmean([20 * (n % 6), 100, 0])) for n in range(12)
    }
    assert [len(chat.asked) for chat in chats.values()] == [12, 13, 12]


def test_empty_and_equal_answers_cost_no_member_anything(jury_of, case, say):
    jury, chats = jury_of({"a": say(5), "b": say(4)})
    cases = [case(""), case("sad", 1), case("sad", 1, condition="silence")]
    judged = list(jury.judge(cases))
    assert [len(chat.asked) for chat in chats.values()] == [1, 1]
    assert sorted((j.condition, j.status, j.score) for j in judged) == [
        ("audio", "ok", 90.0),
        ("audio", "rule_empty", 0.0),
        ("silence", "ok", 90.0),
    ]
    assert [len(jury.requests_for(each)) for each in cases] == [0, 2, 2]


@pytest.mark.parametrize("at_once", [1, 4])
def test_where_one_member_gives_up_the_others_end_what_they_began(jury_of, case, say, at_once):
    jury, chats = jury_of({"a": say(5), "b": say(4)}, at_once=at_once)
    chats["b"].budget = 8
    judged = []
    with pytest.raises(UserError, match="budget"):
        for judgement in jury.judge(case(f"sad {n}", n) for n in range(100)):
            judged.append(judgement)
    assert len(judged) == 8
    assert {j.score for j in judged} == {90.0}
    assert len(chats["a"].asked) <= 8 + at_once


def test_members_are_asked_under_keys_of_their_own(jury_of, case, say):
    jury, chats = jury_of({"a": say(5), "b": say(4)})
    (judgement,) = jury.judge([case()])
    keys = [chat.asked[0].key for chat in chats.values()]
    assert len({*keys, judgement.key}) == 3
    assert keys == [request.key for request in jury.requests_for(case())]


def test_aspects_of_a_jury(jury_of, case, say):
    says = {"a": say(None, content=5, voice=1), "b": say(None, content=4, voice=0)}
    jury, _ = jury_of(says, "aspects: {content: 1, voice: 1}")
    (judgement,) = jury.judge([case()])
    assert judgement.score == pytest.approx(50.0)
    assert judgement.members == {
        "openai/a": 60.0,
        "openai/b": 40.0,
        "aspect:content": pytest.approx(90.0),
        "aspect:voice": pytest.approx(10.0),
    }
    assert [(pair.a, pair.b) for pair in agreement([judgement])] == [("openai/a", "openai/b")]


def test_agreement_is_quadratic_kappa_as_sklearn_has_it(case):
    from sklearn.metrics import cohen_kappa_score

    rows = [(5, 4), (0, 0), (3, 3), (1, 4), (2, 2), (5, 5), (0, 1), (4, None), (3, 2)]
    judged = [
        made("id", case("x", n), Opinion("ok", 1.0, members={"a": 20.0 * a, "b": None if b is None else 20.0 * b}))
        for n, (a, b) in enumerate(rows)
    ]
    (pair,) = agreement([*judged, judged[0]])  # a row that shares a call
    both = [(a, b) for a, b in rows if b is not None]
    assert pair.n == 8
    assert pair.exact == pytest.approx(4 / 8)
    assert pair.mean_difference == pytest.approx(20 * (1 - 3 - 1 + 1) / 8)
    assert pair.mean_absolute_difference == pytest.approx(20 * (1 + 3 + 1 + 1) / 8)
    left, right = zip(*both, strict=True)
    assert pair.kappa == pytest.approx(cohen_kappa_score(left, right, weights="quadratic"))


def test_agreement_says_nothing_where_there_is_nothing_to_say(case):
    judged = [made("id", case("x", n), Opinion("ok", 1.0, members={"a": 20.0, "b": 20.0})) for n in range(3)]
    assert agreement(judged)[0].kappa is None
    missing = [made("id", case("x"), Opinion("api_error", members={"a": 20.0, "b": None}))]
    assert (agreement(missing)[0].n, agreement(missing)[0].exact) == (0, None)
    assert agreement([made("id", case("x"), Opinion("ok", 1.0))]) == []
