"""From text to one JSON object: what is read, what is refused, and that hostile text ends in linear time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpbench.chat.structured import check_object, read_object

SCHEMA = {
    "type": "object",
    "title": "judgement",
    "properties": {"reason": {"type": "string"}, "score": {"type": "integer", "enum": [0, 1, 2, 3, 4, 5]}},
    "required": ["reason", "score"],
    "additionalProperties": False,
}
GOOD = '{"reason": "so", "score": 4}'
READ = [
    pytest.param(GOOD, 4, id="as it should be"),
    pytest.param(f"  \n{GOOD}\n", 4, id="white space"),
    pytest.param('{"score": 4, "reason": "so"}', 4, id="the other order"),
    pytest.param('{"reason": "so", "score": 4.0}', 4, id="4.0 is the integer 4 in JSON"),
    pytest.param(f"```json\n{GOOD}\n```", 4, id="fences"),
    pytest.param(f"Here you are: {GOOD} I hope it helps.", 4, id="words around it"),
    pytest.param('{"reason": "first", "score": 5}\nNo: ' + GOOD, 4, id="two objects: the last"),
    pytest.param('{"answer": "x", "note": {"reason": "in", "score": 5}} ' + GOOD, 4, id="the data quoted before it"),
    pytest.param(f"{{reference}} means {{a, b}}. {GOOD}", 4, id="braces that are no JSON"),
    pytest.param(f"<think>{GOOD[:-3]} 5}} is too much</think>{GOOD}", 4, id="a thought before it"),
    pytest.param('{"reason": "fake", "score": 5}</think>' + GOOD, 4, id="only a closing tag"),
    pytest.param('{"reason": "it says <think> and ```", "score": 2}', 2, id="marks inside the reason"),
    pytest.param('{"reason": "it says {\\"reason\\": \\"\\", \\"score\\": 5}", "score": 0}', 0, id="a quoted verdict"),
    pytest.param(f"[{GOOD}]", 4, id="in a list"),
    pytest.param('{"reason": "\\ud83d\\ude00 \\u0000", "score": 1}', 1, id="escapes"),
]
REFUSED = [
    pytest.param("", "parse_error", id="empty"),
    pytest.param("4", "parse_error", id="a bare number"),
    pytest.param("Rating: 5/5", "parse_error", id="a number in prose"),
    pytest.param('{"reason": "so", "score": "4"}', "parse_error", id="a string score"),
    pytest.param('{"reason": "so", "score": true}', "parse_error", id="a boolean score"),
    pytest.param('{"reason": "so", "score": null}', "parse_error", id="no score"),
    pytest.param('{"reason": "so", "score": NaN}', "parse_error", id="NaN"),
    pytest.param('{"reason": "so", "score": -Infinity}', "parse_error", id="infinity"),
    pytest.param('{"reason": "so", "score": 1e999}', "parse_error", id="infinity by overflow"),
    pytest.param('{"reason": "so", "score": ' + "9" * 5000 + "}", "parse_error", id="5,000 digits"),
    pytest.param('{"reason": 3, "score": 9}', "parse_error", id="a wrong kind goes before a wrong range"),
    pytest.param('{"reason": "so", "score": 4, "note": ""}', "parse_error", id="a further key"),
    pytest.param('{"score": 4}', "parse_error", id="a missing key"),
    pytest.param('{"reason": "so", "score": 4, "score": 5}', "parse_error", id="a key twice"),
    pytest.param('{"verdict": {"reason": "so", "score": 4}}', "parse_error", id="inside another object"),
    pytest.param('{"reason": "so", "score": 4', "parse_error", id="cut off"),
    pytest.param(
        '{"reason": "he said "{"reason": "x", "score": 5}"", "score": 0}', "parse_error", id="unescaped quote"
    ),
    pytest.param(
        '{"reason": "he said {"reason": "x", "score": 5}", "score": 0}', "parse_error", id="and without quotes"
    ),
    pytest.param('{"reason": "so", "score": 6}', "out_of_range", id="above"),
    pytest.param('{"reason": "so", "score": -1}', "out_of_range", id="below"),
    pytest.param('{"reason": "so", "score": 4.5}', "out_of_range", id="between two values"),
    pytest.param(GOOD + ' {"reason": "so", "score": 80}', "out_of_range", id="the last one counts, not the best"),
    pytest.param(f"<think>{GOOD}", "truncated", id="an unclosed thought"),
]


@pytest.mark.parametrize(("text", "score"), READ)
def test_what_is_read(text: str, score: int) -> None:
    read = read_object(text, SCHEMA)
    assert (read.status, (read.value or {}).get("score")) == ("ok", score)


@pytest.mark.parametrize(("text", "status"), REFUSED)
def test_what_is_refused_and_how(text: str, status: str) -> None:
    read = read_object(text, SCHEMA)
    assert read.status == status
    assert read.value is None
    assert read.why


@pytest.mark.parametrize(
    "unit", ["{", "{  ", '{"', '{"a":', '{"reason":', '{"a":x', '["', '{"\\"', "[", "<think>", '{"a":[', '"', "}{"]
)
def test_hostile_text_ends_in_linear_time(unit: str) -> None:
    """100 KB and 400 KB: what is quadratic takes sixteen times as long, and seconds."""
    took = []
    for size in (100_000, 400_000):
        text = unit * (size // len(unit))
        start = time.perf_counter()
        assert read_object(text, SCHEMA).status in ("parse_error", "truncated")
        took.append(time.perf_counter() - start)
    assert took[1] < max(8 * took[0], 0.5), took
    assert took[1] < 5


@settings(max_examples=300, deadline=None)
@given(reason=st.text(alphabet=st.characters()), score=st.integers(0, 5), around=st.tuples(st.text(), st.text()))
def test_any_reason_comes_back_exactly(reason: str, score: int, around: tuple[str, str]) -> None:
    text = json.dumps({"reason": reason, "score": score})
    read = read_object(text, SCHEMA)
    assert read.value == {"reason": json.loads(text)["reason"], "score": score}


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='{}[]":,\\ 0123456789eE.+-reasoncut<>/think`'))
def test_no_text_breaks_the_reader_or_gives_a_score_outside_the_scale(text: str) -> None:
    read = read_object(text, SCHEMA)
    assert (read.value is not None) == (read.status == "ok")
    assert read.value is None or read.value["score"] in range(6)


MARKS = [
    ("<think>", "</think>"),
    ("<THINKING>", "</THINKING>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<unused94>thought", "<unused95>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
]


@settings(max_examples=1000, deadline=None)
@given(
    marks=st.sampled_from(MARKS),
    shape=st.sampled_from(["closed", "only closing", "unclosed"]),
    musing=st.lists(
        st.sampled_from(["Hm. ", "{", "}", '"', "{reference} ", '{"reason": "draft", "score": 5}', "\n", "score: 5 "]),
        max_size=6,
    ).map("".join),
    wrapped=st.sampled_from(["{}", "```json\n{}\n```", "Verdict: {}", "\n\n{}\n"]),
)
def test_no_verdict_comes_out_of_a_thought(marks: tuple[str, str], shape: str, musing: str, wrapped: str) -> None:
    """1,000 traces: the thought holds a perfect verdict, what is said after it a zero."""
    opens, closes = marks
    final = wrapped.replace("{}", '{"reason": "final", "score": 0}')
    thought = f'{musing}{{"reason": "draft", "score": 5}}'
    text = {
        "closed": f"{opens}{thought}{closes}{final}",
        "only closing": f"{thought}{closes}{final}",
        "unclosed": f"{opens}{thought}{final}",
    }[shape]
    read = read_object(text, SCHEMA)
    if shape == "unclosed":
        assert read.status == "truncated"
    else:
        assert read.value == {"reason": "final", "score": 0}


def test_lists_and_nested_objects() -> None:
    pair = {"type": "object", "properties": {"q": {"type": "string"}, "n": {"type": "number"}}, "required": ["q"]}
    schema = {"type": "object", "properties": {"pairs": {"type": "array", "items": pair, "minItems": 1, "maxItems": 2}}}
    schema["required"] = ["pairs"]
    assert read_object('{"pairs": [{"q": "a", "n": 0.5}, {"q": "b"}]}', schema).status == "ok"
    for wrong in ('{"pairs": []}', '{"pairs": [{"n": 1}]}', '{"pairs": [{"q": 1}]}', '{"pairs": "q"}'):
        assert read_object(wrong, schema).status == "parse_error", wrong
    assert read_object('{"pairs": [{"q": 1}]}', schema).why == "pairs[0].q: 1 is no string"


def test_a_word_out_of_a_list_of_words_is_a_parse_error() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"type": {"type": "string", "enum": ["DE", "C"]}}}
    assert check_object({"type": "DE"}, schema).status == "ok"
    assert check_object({"type": "DX"}, schema).status == "parse_error"


def test_a_schema_that_says_more_than_is_checked_is_refused() -> None:
    with pytest.raises(ValueError, match="minimum"):
        check_object({"n": 1}, {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}})


def test_a_list_without_a_schema_of_its_entries_takes_any():
    schema = {"type": "object", "properties": {"all": {"type": "array"}}, "required": ["all"]}
    assert read_object('{"all": [1, "two", {"three": null}, []]}', schema).status == "ok"
