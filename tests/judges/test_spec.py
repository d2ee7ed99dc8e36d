"""From a spec to a judge: which judge, what makes it another one, and what is said about a wrong file."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpbench.errors import UsageError, UserError
from cpbench.judges import load_judge, load_rubric, new_prompt, packaged_prompts, prompt_text, reordered, same_family
from cpbench.records import Case, Item

JURY = """\
name: three
prompt: cpqa
aggregate: median
members:
  - model: openai/gpt-4o
    params: {temperature: 0}
    options: {base_url: http://localhost:1/v1, concurrency: 8}
  - model: openai/Qwen/Qwen3-8B
  - model: hf/some/llama
    params: {dtype: float32}
"""


def judge_in(folder, text, name="judge.yaml", **named):
    (folder / name).write_text(text)
    return load_judge(str(folder / name), **named)


@pytest.mark.parametrize("name", packaged_prompts())
def test_packaged_prompts_are_whole(name):
    rubric = load_rubric(name)
    assert rubric.prompt.name == name
    assert rubric.prompt.title
    assert rubric.scale[0] < rubric.correct_from <= rubric.scale[-1]
    assert 0 < rubric.correct_score <= 100


def test_the_packaged_prompts_are_these_and_the_start_works(tmp_path):
    assert packaged_prompts() == ["cpqa", "cpqa-plain", "emotion-binary"]
    assert load_rubric("cpqa-plain").prompt.examples == ()
    path = new_prompt(tmp_path / "mine.yaml")
    assert load_rubric(str(path)).prompt.examples
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is kept"):
        new_prompt(path)
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match=r"ends in \.yaml"):
        new_prompt(tmp_path / "mine.txt")


@pytest.mark.parametrize(
    ("scale", "correct_from"), [("[0, 1]", 1), ("[1, 2, 3, 4, 5]", 4), ("[0, 1, 2, 3, 4, 5]", 3), ("[0, 50, 100]", 100)]
)
def test_correct_is_what_lies_above_the_middle_unless_said(tmp_path, scale, correct_from):
    text = prompt_text("cpqa-plain").replace("correct_from: 3\n", "").replace("[0, 1, 2, 3, 4, 5]", scale)
    (tmp_path / "p.yaml").write_text(text)
    assert load_rubric(str(tmp_path / "p.yaml")).correct_from == correct_from


def test_the_same_judge_has_the_same_id_wherever_it_runs(tmp_path):
    plain = load_judge("openai/gpt-4o")
    assert plain.judge_id == load_judge("openai/gpt-4o", {}).judge_id
    assert plain.judge_id == load_judge("openai/gpt-4o", {"temperature": "0", "max-tokens": "1024"}).judge_id
    local = {"base_url": "http://localhost:1/v1", "concurrency": "3", "timeout": "9", "max_retries": "1"}
    assert plain.judge_id == load_judge("openai/gpt-4o", local).judge_id
    assert plain.judge_id == load_judge("openai/gpt-4o", prompt="cpqa").judge_id
    (tmp_path / "copy.yaml").write_text(prompt_text("cpqa"))
    assert plain.judge_id == load_judge("openai/gpt-4o", prompt=str(tmp_path / "copy.yaml")).judge_id
    alone = judge_in(tmp_path, "name: other words\nmembers: [{model: openai/gpt-4o}]\naggregate: median\n")
    assert alone.judge_id == plain.judge_id
    assert (plain.name, alone.name) == ("openai/gpt-4o", "other words")


def test_everything_that_can_change_a_score_changes_the_id(tmp_path):
    def one(options=None, prompt=None, spec="openai/gpt-4o"):
        return load_judge(spec, options, prompt=prompt).judge_id

    def of(text):
        return judge_in(tmp_path, text).judge_id

    (tmp_path / "p.yaml").write_text(prompt_text("cpqa-plain") + "# a comment\n")
    (tmp_path / "q.yaml").write_text(prompt_text("cpqa-plain").replace("correct_from: 3", "correct_from: 4"))
    member = "members: [{model: openai/gpt-4o}]\n"
    ids = [
        one(),
        one({"temperature": "0.5"}),
        one({"temperature": "none"}),
        one({"max_tokens": "99"}),
        one({"seed": "1"}),
        one(spec="openai/gpt-4o-mini"),
        one(spec="hf/gpt-4o"),
        one({"dtype": "float32"}, spec="hf/gpt-4o"),
        one({"revision": "main"}, spec="hf/gpt-4o"),
        one(prompt="cpqa-plain"),
        one(prompt="emotion-binary"),
        one(prompt=str(tmp_path / "p.yaml")),
        one(prompt=str(tmp_path / "q.yaml")),
        of(member + "correct_from: 4\n"),
        of(member + "scale: [0, 1, 2, 3, 4, 5, 6]\n"),
        of(member + "aspects: {content: 1, voice: 1}\nprompt: cpqa-plain\n"),
        of(member + "aspects: {content: 1, voice: 2}\nprompt: cpqa-plain\n"),
        of("members: [{model: hf/gpt-4o}]\nscore_mode: expected\n"),
        of(JURY),
        of(JURY.replace("median", "mean")),
        of(JURY.replace("median", "median\nmin_members: 2")),
        of(JURY.replace("temperature: 0", "temperature: 1")),
        of(JURY.replace("  - model: openai/Qwen/Qwen3-8B\n", "")),
    ]
    assert len(set(ids)) == len(ids)
    assert of(JURY) == of(JURY.replace("concurrency: 8", "concurrency: 9").replace("name: three", "name: drei"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(min_value=0), char=st.sampled_from(string.ascii_lowercase))
def test_one_byte_of_the_prompt_makes_another_judge(tmp_path, at, char):
    """Some byte of the rubric is replaced by another letter."""
    text = prompt_text("cpqa")
    start, end = text.index("How to grade"), text.index("The scale\n")
    place = start + at % (end - start)
    if text[place] == char or not text[place].isalpha():
        return
    (tmp_path / "p.yaml").write_text(text[:place] + char + text[place + 1 :])
    changed = load_judge("openai/gpt-4o", prompt=str(tmp_path / "p.yaml"))
    assert changed.judge_id != load_judge("openai/gpt-4o", prompt="cpqa").judge_id


def test_a_parser_or_a_rendering_of_another_version_makes_another_judge(monkeypatch):
    before = load_judge("openai/gpt-4o").judge_id
    for name in ("PARSER", "RENDERING"):
        with monkeypatch.context() as patch:
            patch.setattr(f"cpbench.judges._rubric.{name}", 2)
            assert load_judge("openai/gpt-4o").judge_id != before


def test_options_reach_the_client_and_the_request(case):
    judge = load_judge("openai/gpt-4o", {"concurrency": "3", "temperature": "none", "max-tokens": "77", "seed": "5"})
    assert judge.chat.concurrency == 3
    (request,) = judge.requests_for(case())
    assert (request.temperature, request.max_tokens, request.seed) == (None, 77, 5)


def test_a_jury_is_built_as_its_file_says(tmp_path):
    seen = []
    jury = judge_in(tmp_path, JURY, wrap=lambda chat: seen.append(chat) or chat)
    assert list(jury.members) == ["openai/gpt-4o", "openai/Qwen/Qwen3-8B", "hf/some/llama"]
    assert (jury.name, jury.aggregate, jury.min_members) == ("three", "median", 3)
    assert [chat.name for chat in seen] == ["gpt-4o", "Qwen/Qwen3-8B", "some/llama"]
    assert (seen[0].concurrency, seen[0].base_url) == (8, "http://localhost:1/v1")
    assert jury.families == {"gpt", "qwen", "llama"}
    assert jury.third_party  # the second member speaks to OpenAI's own address


def test_the_file_in_the_docstring_works(tmp_path):
    import textwrap

    import cpbench.judges

    text = cpbench.judges.__doc__
    start, end = text.index("    name: my jury"), text.index("`prompt` is a packaged")
    jury = judge_in(tmp_path, textwrap.dedent(text[start:end]))
    assert (jury.name, len(jury.members), jury.aggregate, jury.min_members) == ("my jury", 2, "median", 2)


def test_a_prompt_beside_the_yaml_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    (tmp_path / "own.yaml").write_text(prompt_text("emotion-binary").replace("name: emotion-binary", "name: own"))
    judge = judge_in(tmp_path, "prompt: own.yaml\nmembers: [{model: openai/gpt-4o}]\n", otherwise="cpqa")
    assert judge.rubric.prompt.name == "own"
    judge = judge_in(tmp_path, "members: [{model: openai/gpt-4o}]\n", prompt="emotion-binary")
    assert judge.rubric.prompt.name == "emotion-binary"
    judge = judge_in(tmp_path, "members: [{model: openai/gpt-4o}]\n", otherwise="emotion-binary")
    assert judge.rubric.prompt.name == "emotion-binary"


def test_a_prompt_that_would_not_be_used_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"(?s)has a prompt, .*'mine.yaml'.*line 1, names cpqa"):
        judge_in(tmp_path, "prompt: cpqa\nmembers: [{model: openai/gpt-4o}]\n", prompt="mine.yaml")
    (tmp_path / "own.py").write_text("class Judge:\n    pass\n")
    for spec in ("simulated:noisy", f"{tmp_path}/own.py:Judge"):
        with pytest.raises(UsageError, match=r"asks by no prompt, so this one would not be used: 'mine.yaml'"):
            load_judge(spec, prompt="mine.yaml")


@pytest.mark.parametrize(
    ("judge", "model", "same"),
    [
        ("openai/gpt-4o", "gpt", True),
        ("openai/o3-mini", "gpt", True),
        ("openai/gpt-4o", "qwen2_audio", False),
        ("openai/Qwen/Qwen3-8B", "qwen2_audio", True),
        ("openai/Qwen/Qwen3-8B", "whisper+qwen", True),
        ("simulated:oracle", "gpt", False),
    ],
)
def test_a_judge_and_a_model_of_one_family(judge, model, same):
    assert same_family(load_judge(judge), model) is same


OWN = """
from dataclasses import dataclass

@dataclass
class Own:
    judge_id: str = "own-1"
    third_party: bool = {third_party}

    def judge(self, cases):
        return iter(())
"""


def test_a_judge_of_ones_own_is_taken_at_worst_where_it_says_nothing(tmp_path):
    (tmp_path / "own.py").write_text(OWN.format(third_party=False))
    judge = load_judge(f"{tmp_path}/own.py:Own", {"judge_id": "own-2"})
    assert (judge.judge_id, judge.third_party, judge.requests_for(None)) == ("own-2", False, [])
    (tmp_path / "silent.py").write_text(OWN.replace("    third_party: bool = {third_party}\n", ""))
    assert load_judge(f"{tmp_path}/silent.py:Own").third_party
    (tmp_path / "none.py").write_text("class Own:\n    pass\n")
    with pytest.raises(UserError, match="judge_id"):
        load_judge(f"{tmp_path}/none.py:Own")


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("overlap", {}, "is not a judge"),
        ("simulated:orakel", {}, "did you mean 'oracle'"),
        ("simulated", {}, "allowed: oracle, constant"),
        ("simulated:oracle", {"kindness": "1"}, "no option 'kindness'"),
        ("simulated:noisy", {"sensitivity": "2"}, "between 0 and 1"),
        ("gpt-4o", {}, "try: a model by its provider: openai/NAME"),
        ("opnai/gpt-4o", {}, "unknown judge"),
        ("openai/", {}, "unknown judge"),
        ("none.yaml", {}, "No such file"),
        ("none.py:Own", {}, "no such file"),
        ("openai/gpt-4o", {"temprature": "0"}, "did you mean 'temperature'"),
        ("openai/gpt-4o", {"temperature": "warm"}, "temperature is a number"),
        ("openai/gpt-4o", {"temperature": "3"}, "0 to 2"),
        ("openai/gpt-4o", {"max_tokens": "0"}, "1 or more"),
    ],
)
def test_a_wrong_spec_is_one_message(spec, options, words):
    with pytest.raises(UsageError) as caught:
        load_judge(spec, options)
    assert words in str(caught.value)


def test_an_unknown_prompt_is_one_message():
    with pytest.raises(UsageError, match="did you mean 'cpqa-plain'"):
        load_judge("openai/gpt-4o", prompt="cpqa-plane")


BAD_RUBRICS = {
    "no scale": ("scale: [0, 1, 2, 3, 4, 5]\n", "", 1, "missing: 'scale'"),
    "a scale of one": ("scale: [0, 1, 2, 3, 4, 5]", "scale: [5]", 5, "two values or more"),
    "a scale without order": ("scale: [0, 1, 2, 3, 4, 5]", "scale: [0, 5, 3]", 5, "goes up"),
    "a scale downwards": ("scale: [0, 1, 2, 3, 4, 5]", "scale: [5, 4, 3]", 5, "try: scale: [3, 4, 5]"),
    "a scale with a double": ("scale: [0, 1, 2, 3, 4, 5]", "scale:\n  - 0\n  - 1\n  - 1", 8, "twice: 1"),
    "a scale of words": ("scale: [0, 1, 2, 3, 4, 5]", "scale: [bad, good]", 5, "integer"),
    "a scale of halves": ("scale: [0, 1, 2, 3, 4, 5]", "scale: [0, 0.5, 1]", 5, "integer"),
    "correct_from outside": ("correct_from: 3", "correct_from: 7", 6, "none of the scale's values"),
    "correct_from at the bottom": ("correct_from: 3", "correct_from: 0", 6, "above its lowest"),
    "an unknown key": ("correct_from: 3", "correct_form: 3", 6, "did you mean 'correct_from'"),
    "an unknown field": ("[question, reference, answer]", "[question, gold, answer]", 8, "there is no field 'gold'"),
    "no answer": ("[question, reference, answer]", "[question, reference]", 8, "has to see the answer"),
    "a double aspect name": ("correct_from: 3", "aspects: {score: 1}", 6, "cannot be called 'score'"),
    "a weight of nothing": ("correct_from: 3", "aspects: {voice: 0}", 6, "above 0"),
    "an unknown mode": ("correct_from: 3", "score_mode: hunted", 6, "score_mode"),
    "an expected aspect": ("correct_from: 3", "aspects: {a: 1}\nscore_mode: expected", 7, "one score"),
}


@pytest.mark.parametrize("what", BAD_RUBRICS)
def test_a_wrong_rubric_is_said_with_its_line(what, tmp_path):
    old, new, line, words = BAD_RUBRICS[what]
    text = prompt_text("cpqa-plain")
    assert old in text
    (tmp_path / "p.yaml").write_text(text.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load_judge("openai/gpt-4o", prompt=str(tmp_path / "p.yaml"))
    assert f"p.yaml, line {line}:" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("score: 1\n", "score: 7\n", "score: 7 is none of 0, 1, 2, 3, 4, 5"),
        ("score: 1\n", "score: '1'\n", 'score: "1" is no integer'),
        ("score: 1\n", "points: 1\n", "its keys are reason, points"),
    ],
)
def test_an_example_out_of_scale_is_said_with_its_line(tmp_path, old, new, words):
    text = prompt_text("cpqa")
    line = text[: text.index(old)].count("\n") + 1
    (tmp_path / "p.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_judge("openai/gpt-4o", prompt=str(tmp_path / "p.yaml"))
    assert words in str(caught.value)
    said = int(str(caught.value).partition("line ")[2].partition(":")[0])
    assert said in (line, line - 2)  # the number's line; that of the reply, where a key is missing


BAD_JUDGES = {
    "no members": ("members: []\n", 1, "one member or more"),
    "no members at all": ("prompt: cpqa\n", 1, "missing: 'members'"),
    "an unknown key": (JURY.replace("aggregate", "agregate"), 3, "did you mean 'aggregate'"),
    "an unknown aggregate": (JURY.replace("median", "mode"), 3, "aggregate"),
    "an unknown model": (JURY.replace("openai/gpt-4o", "opnai/gpt-4o"), 5, "openai/NAME"),
    "an unknown parameter": (JURY.replace("temperature: 0", "temprature: 0"), 5, "temprature"),
    "a local parameter": (JURY.replace("temperature: 0", "base_url: x"), 6, "does not change the judge"),
    "a parameter among the options": (JURY.replace("concurrency: 8", "seed: 8"), 7, "changes the judge"),
    "too many wanted": (JURY.replace("median", "median\nmin_members: 4"), 4, "between 1 and 3, not 4"),
    "a member twice": (JURY + "  - model: openai/gpt-4o\n    options: {concurrency: 2}\n", 11, "in the jury already"),
    "an unknown prompt": (JURY.replace("prompt: cpqa", "prompt: cpqo"), 2, "did you mean 'cpqa'"),
    "a scale that examples break": (JURY + "scale: [0, 1, 2, 3]\n", 2, "5 is none of 0, 1, 2, 3"),
    "expected of an endpoint": (JURY + "score_mode: expected\n", 5, "only a local model"),
}


@pytest.mark.parametrize("what", BAD_JUDGES)
def test_a_wrong_judge_file_is_said_with_its_line(what, tmp_path):
    text, line, words = BAD_JUDGES[what]
    with pytest.raises(UsageError) as caught:
        judge_in(tmp_path, text)
    assert f"judge.yaml, line {line}:" in str(caught.value)
    assert words in str(caught.value)


def test_options_that_make_another_judge_belong_into_its_file(tmp_path):
    with pytest.raises(UsageError, match="belongs into the judge's file"):
        judge_in(tmp_path, JURY, options={"temperature": "1"})
    jury = judge_in(tmp_path, JURY, options={"max-retries": "2"})
    assert [member.chat.max_retries for member in list(jury.members.values())[:2]] == [2, 2]  # hf/ has no retries
    with pytest.raises(UsageError, match="no member"):
        judge_in(tmp_path, "members: [{model: openai/gpt-4o}]\n", options={"device": "cpu"})


def test_a_judge_whose_data_stand_in_another_order_is_another_judge_that_is_shown_the_same():
    judge = load_judge("openai/any")
    turned = reordered(judge)
    case = Case(Item("i", "t", (), "How?", ("Sadly.",)), "Happily.")
    (before,), (after,) = (each.requests_for(case) for each in (judge, turned))
    texts = [request.messages[-1].text for request in (before, after)]
    shown = [json.loads(text[text.index("{") :]) for text in texts]
    assert shown[0] == shown[1] and list(shown[0]) == list(reversed(shown[1]))
    assert judge.judge_id != turned.judge_id == reordered(judge).judge_id
    assert reordered(load_judge("simulated:oracle")) is None
