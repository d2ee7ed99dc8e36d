"""One model, one rubric: what a reply becomes, what is asked again, what costs nothing."""

from __future__ import annotations

import json

import pytest

from cpbench.chat import Reply
from cpbench.errors import UserError
from cpbench.fingerprint import judgement_key, text_sha256
from cpbench.judges import load_judge
from cpbench.records import SCORED, Call

CALL = Call("test", "test-1", {}, {"output_tokens": 7}, "2026-01-01T00:00:00.000+00:00")


@pytest.fixture
def judge_on(chat_that):
    """judge_on(says) -> (the judge with the default prompt, its chat)."""

    def make(says, *, spec="openai/test", at_once=1, **named):
        chat = chat_that(says if callable(says) else lambda request: says, at_once=at_once)
        return load_judge(spec, wrap=lambda inner: chat, **named), chat

    return make


@pytest.mark.parametrize(("given", "score"), [(0, 0.0), (1, 20.0), (3, 60.0), (5, 100.0)])
def test_a_score_is_0_to_100_and_the_judges_own_words_are_kept(judge_on, case, say, given, score):
    judge, _ = judge_on(say(given, "as I see it"))
    (judgement,) = judge.judge([case()])
    assert (judgement.status, judgement.score, judgement.reason) == ("ok", score, "as I see it")
    assert judgement.raw == say(given, "as I see it")
    assert judgement.members == {}


def test_a_judgement_is_bound_to_its_case_and_its_judge(judge_on, case, say):
    judge, _ = judge_on(say(3))
    asked = case("Sad?", 7, condition="silence", repeat=2)
    (judgement,) = judge.judge([asked])
    assert judgement.key == judgement_key(judge.judge_id, asked)
    assert (judgement.item_id, judgement.task, judgement.condition, judgement.repeat) == ("7", "t", "silence", 2)
    assert judgement.answer_sha256 == text_sha256("Sad?")
    assert judgement.judge_id == judge.judge_id
    assert [call.usage["output_tokens"] for call in judgement.calls] == [2]


def test_the_request_carries_the_schema_with_the_reason_before_the_score(judge_on, case, say):
    judge, chat = judge_on(say(3))
    list(judge.judge([case()]))
    (request,) = chat.asked
    assert list(request.schema["properties"]) == ["reason", "score"]
    assert request.schema["properties"]["score"] == {"type": "integer", "enum": [0, 1, 2, 3, 4, 5]}
    assert request.schema["additionalProperties"] is False
    assert (request.temperature, request.choices) == (0.0, ())
    assert request.key == judgement_key(judge.judge_id, case())
    assert judge.requests_for(case()) == [request]


def test_the_judge_sees_its_fields_and_nothing_else(judge_on, case, say):
    judge, chat = judge_on(say(3))
    list(judge.judge([case("{reference}")]))
    assert chat.given() == {
        "question": "How does she sound?",
        "reference": "The speaker is sad.",
        "answer": "{reference}",
    }


def test_several_references_are_a_list_and_a_bare_label_is_one(judge_on, case, say):
    judge, chat = judge_on(say(3))
    list(judge.judge([case(references=["sad", "sorrowful"]), case("x", 2, references=[], label="sadness")]))
    assert chat.given(0)["reference"] == ["sad", "sorrowful"]
    assert chat.given(1)["reference"] == "sadness"
    with pytest.raises(UserError, match="no reference"):
        list(judge.judge([case(references=[])]))


@pytest.mark.parametrize("answer", ["", " \n\t"])
def test_an_empty_answer_is_at_the_bottom_without_a_call(judge_on, case, say, answer):
    judge, chat = judge_on(say(5))
    (judgement,) = judge.judge([case(answer)])
    assert (judgement.status, judgement.score, judgement.calls) == ("rule_empty", 0.0, ())
    assert chat.asked == []
    assert judge.requests_for(case(answer)) == []


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("truncated", "truncated"),
        ("refusal", "refusal"),
        ("content_filter", "content_filter"),
        ("api_error", "api_error"),
        ("expired", "expired"),
    ],
)
def test_a_failed_reply_is_its_status_and_never_a_score(judge_on, case, say, reply, status):
    """Even if its text holds a perfect verdict. It is not asked again, and what it cost is kept."""
    text = say(5)
    judge, chat = judge_on(lambda request: Reply(request.key, reply, text, error="because of that", call=CALL))
    (judgement,) = judge.judge([case()])
    assert (judgement.status, judgement.score, judgement.reason) == (status, None, "because of that")
    assert (judgement.raw, judgement.calls) == (text, (CALL,))
    assert len(chat.asked) == 1


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("4", "parse_error"),
        ("", "parse_error"),
        ('{"reason": "x", "score": "4"}', "parse_error"),
        ('{"reason": "x", "score": NaN}', "parse_error"),
        ('{"reason": "x", "score": 6}', "out_of_range"),
        ('{"reason": "x", "score": 80}', "out_of_range"),
    ],
)
def test_what_cannot_be_read_is_asked_once_more_and_then_has_its_status(judge_on, case, text, status):
    judge, chat = judge_on(text)
    (judgement,) = judge.judge([case()])
    assert (judgement.status, judgement.score, judgement.raw) == (status, None, text)
    assert judgement.reason
    assert [call.request_id for call in judgement.calls] == ["r1", "r2"]
    first, second = chat.asked
    assert first.messages == second.messages
    assert (first.key != second.key, len(second.key)) == (True, 64)


def test_the_second_reply_counts_and_both_calls_are_kept(judge_on, case, say):
    replies = iter(["I think 4", say(2)])
    judge, _ = judge_on(lambda request: next(replies))
    (judgement,) = judge.judge([case()])
    assert (judgement.status, judgement.score, len(judgement.calls)) == ("ok", 40.0, 2)


def test_a_second_reply_that_fails_has_the_second_status(judge_on, case, say):
    replies = iter(["I think 4", None])
    judge, _ = judge_on(lambda request: next(replies) or Reply(request.key, "refusal", "no"))
    (judgement,) = judge.judge([case()])
    assert (judgement.status, len(judgement.calls)) == ("refusal", 1)


def test_a_judges_thoughts_are_not_its_verdict(judge_on, case, say):
    judge, chat = judge_on(f"<think>Maybe {say(5)}? No.</think>{say(1)}")
    assert [j.score for j in judge.judge([case()])] == [20.0]
    judge, chat = judge_on(f"<think>Maybe {say(5)}")
    assert [(j.status, j.score) for j in judge.judge([case()])] == [("truncated", None)]
    assert len(chat.asked) == 1


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_a_stream_with_failures_gives_one_judgement_a_case(judge_on, case, say, at_once):
    """Whether replies come one by one, in another order, or (a batch) only after all was asked."""
    broken = {"2", "5", "8"}

    def says(request):
        number = json.loads(request.messages[-1].text.partition("\n\n")[2])["answer"].split()[-1]
        return "no JSON" if number in broken and not request.key.endswith("-2") else say(int(number) % 6)

    judge, chat = judge_on(says, at_once=at_once)
    judged = list(judge.judge(case(f"sad {n}", n) for n in range(10)))
    assert {j.item_id: j.score for j in judged} == {str(n): 20.0 * (n % 6) for n in range(10)}
    assert sorted(j.item_id for j in judged if len(j.calls) == 2) == ["2", "5", "8"]
    assert len(chat.asked) == 13


def test_cases_are_pulled_only_as_they_are_asked(judge_on, case, say):
    pulled = []

    def cases():
        for n in range(100):
            pulled.append(n)
            yield case("sad", n)

    judge, _ = judge_on(say(3), at_once=4)
    stream = judge.judge(cases())
    next(stream)
    assert len(pulled) == 4
    stream.close()


@pytest.mark.parametrize("at_once", [1, 100])
def test_rows_with_the_same_item_and_answer_share_a_paid_call(judge_on, case, say, at_once):
    """Whether the first is still under way or done. The rows of one key hold the same one call."""
    cases = [case("sad", 1), case("sad", 1, condition="silence"), case("mad", 1), case("sad", 1, condition="flat")]
    judge, chat = judge_on(lambda request: say(len(chat.asked)), at_once=at_once)
    judged = list(judge.judge(cases))
    assert len(chat.asked) == 2
    assert sorted(j.condition for j in judged) == ["audio", "audio", "flat", "silence"]
    shared = [j for j in judged if j.key == judgement_key(judge.judge_id, cases[0])]
    assert len(shared) == 3
    assert len({(j.score, j.raw, j.calls[0].request_id) for j in shared}) == 1
    assert {j.key: len(j.calls) for j in judged} == dict.fromkeys({j.key for j in judged}, 1)


def test_repeats_are_paid_for_apart(judge_on, case, say):
    judge, chat = judge_on(say(3))
    judged = list(judge.judge(case("sad", 1, repeat=n) for n in range(3)))
    assert len({j.key for j in judged}) == len(chat.asked) == 3


def test_a_chat_that_only_counts_gives_no_judgement(judge_on, case, chat_that):
    class Counting:
        name, third_party, counted = "dry", False, 0

        def ask(self, requests):
            Counting.counted = sum(1 for _ in requests)
            return iter(())

    judge = load_judge("openai/test", wrap=lambda chat: Counting())
    assert list(judge.judge(case("sad", n % 5) for n in range(10))) == []
    assert Counting.counted == 5


def until_it_stops(stream):
    found = []
    with pytest.raises(UserError, match="budget"):
        for judgement in stream:
            found.append(judgement)
    return found


@pytest.mark.parametrize("at_once", [1, 3, 20])
def test_what_was_paid_for_before_a_chat_gives_up_is_kept(judge_on, case, say, at_once):
    """Ten calls are within the budget: every one is in a judgement, those that wait for their second try too."""
    judge, chat = judge_on(lambda request: "?" if len(chat.asked) % 2 else say(3), at_once=at_once)
    chat.budget = 10
    judged = until_it_stops(judge.judge(case(f"sad {n}", n) for n in range(30)))
    assert len(chat.asked) == sum(len(j.calls) for j in judged) == 10
    assert {j.status for j in judged} <= {"ok", "api_error", "parse_error"}
    assert all(j.score is None for j in judged if j.status != "ok")


def test_a_reason_that_no_file_could_hold_is_mended(judge_on, case):
    judge, _ = judge_on('{"reason": "half a character \\ud800", "score": 3}')
    (judgement,) = judge.judge([case()])
    assert judgement.reason == "half a character \ufffd"


def test_aspects_are_scored_apart_and_averaged_by_weight(judge_on, case, tmp_path, say):
    (tmp_path / "judge.yaml").write_text(
        "prompt: cpqa-plain\nmembers: [{model: openai/test}]\naspects: {content: 1, voice: 3}\n"
    )
    judge, chat = judge_on(say(None, content=5, voice=1), spec=str(tmp_path / "judge.yaml"))
    (judgement,) = judge.judge([case()])
    assert judgement.score == pytest.approx((100 * 1 + 20 * 3) / 4)
    assert judgement.members == {"aspect:content": 100.0, "aspect:voice": 20.0}
    assert list(chat.asked[0].schema["properties"]) == ["reason", "content", "voice"]
    assert '"content": N, "voice": N' in chat.asked[0].messages[0].text


def test_expected_scores_come_from_the_score_tokens(judge_on, case, tmp_path):
    (tmp_path / "judge.yaml").write_text("members: [{model: hf/some/model}]\nscore_mode: expected\n")
    judge, chat = judge_on(
        lambda request: Reply(request.key, "ok", "4", expected=3.7, call=CALL), spec=str(tmp_path / "judge.yaml")
    )
    (judgement,) = judge.judge([case()])
    assert (judgement.status, judgement.score, judgement.raw) == ("ok", pytest.approx(74.0), "4")
    (request,) = chat.asked
    assert (request.choices, request.schema) == (("0", "1", "2", "3", "4", "5"), None)
    assert [m.text for m in request.messages if m.role == "assistant"] == ["5", "2", "1", "0"]
    assert request.messages[0].text.endswith("Reply with one number and nothing else: 0, 1, 2, 3, 4 or 5.")


HEARS = """\
name: ears
version: 1
scale: [0, 1]
fields: [question, reference, answer, transcript, tags, audio]
system: Listen.
user: "{data}"
"""


def test_a_judge_that_hears_gets_the_clips_and_a_bad_one_is_its_own_failure(judge_on, tmp_path, say):
    import numpy as np
    import soundfile

    from cpbench.audio import clip
    from cpbench.records import Case, Item, Tag

    (tmp_path / "ears.yaml").write_text(HEARS)
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(8000) / 5).astype("float32"), 8000)
    (tmp_path / "b.wav").write_bytes(b"RIFF nothing")
    tags = (Tag(0.0, 1.0, "gold", {"sadness": 0.9}, valence=-0.5),)
    good = clip(str(tmp_path / "a.wav"), recording="r", transcript="well", tags=tags)
    bad = clip(str(tmp_path / "b.wav"), recording="r")
    judge, chat = judge_on(say(1), prompt=str(tmp_path / "ears.yaml"))
    items = [Item(str(n), "t", (each,), "How?", ("sad",)) for n, each in enumerate((bad, good))]
    judged = {j.item_id: j for j in judge.judge(Case(item, "sad") for item in items)}
    assert judge.hears
    assert (judged["0"].status, judged["0"].score) == ("api_error", None)
    assert "could not hear" in judged["0"].reason
    assert judged["1"].score == 100.0
    (request,) = chat.asked
    (sound,) = request.messages[-1].sounds
    assert sound[:4] == b"RIFF"
    tag = {"start": 0.0, "end": 1.0, "source": "gold", "emotion": {"sadness": 0.9}, "valence": -0.5}
    assert (chat.given()["transcript"], chat.given()["tags"]) == ("well", [tag])
    assert "audio" not in chat.given()


def test_no_failure_of_any_kind_carries_a_score(judge_on, case, say):
    """All replies that a provider can give, as verdicts that would be perfect."""
    statuses = ["ok", "truncated", "refusal", "content_filter", "api_error", "expired"]
    texts = [say(5), say("5"), say(9), "5", f"<think>{say(5)}"]
    for status in statuses:
        for text in texts:
            judge, _ = judge_on(lambda request, status=status, text=text: Reply(request.key, status, text))
            (judgement,) = judge.judge([case()])
            assert (judgement.score is not None) == (judgement.status in SCORED)
            assert judgement.score is None or (status, text) == ("ok", say(5))
