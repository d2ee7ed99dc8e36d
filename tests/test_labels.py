"""The label reader against hand-labelled answers, and the reasoning against traces whose parts are known."""

import json
import time
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpbench.labels import extract_label, labels_named, split_reasoning

DATA = Path(__file__).parent / "data_labels"
PARTS = {  # held_out.jsonl was written in full before the reader was, and the reader was not changed after it was read
    part: [json.loads(line) for line in (DATA / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()]
    for part in ("developed_on", "held_out")
}
ROWS = [*PARTS["developed_on"], *PARTS["held_out"]]
UNDECIDED = [row for row in ROWS if row["label"] is None]
EMOTIONS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
WORDS = {
    "en": {
        "anger": ("angry", "anger"),
        "fear": ("afraid", "fear"),
        "happiness": ("happy", "joy"),
        "sadness": ("sad", "sadness"),
        "neutral": ("neutral", "neutral"),
        "surprise": ("surprised", "surprise"),
    },
    "de": {
        "anger": ("wütend", "Ärger"),
        "fear": ("ängstlich", "Angst"),
        "happiness": ("fröhlich", "Freude"),
        "sadness": ("traurig", "Trauer"),
    },
    "zh": {
        "anger": ("生气", "愤怒"),
        "fear": ("害怕", "恐惧"),
        "happiness": ("开心", "高兴"),
        "sadness": ("难过", "悲伤"),
        "neutral": ("平淡", "中性"),
    },
}


def precision_and_recall(rows: list[dict[str, object]]) -> tuple[float, float]:
    read = [(extract_label(row["answer"], row["options"]), row["label"]) for row in rows]
    right = sum(label is not None and label == truth for label, truth in read)
    return right / sum(label is not None for label, _ in read), right / sum(truth is not None for _, truth in read)


def test_the_hand_labelled_set_is_as_large_and_as_mixed_as_it_claims():
    languages = [row["language"] for row in ROWS]
    assert len(ROWS) >= 330
    assert len(PARTS["held_out"]) >= 100
    assert languages.count("en") >= 200
    assert min(languages.count("de"), languages.count("zh")) >= 60
    assert len({(row["answer"], *row["options"]) for row in ROWS}) == len(ROWS)
    assert all(row["label"] is None or row["label"] in row["options"] for row in ROWS)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_precision_and_recall_hold_in_both_parts_and_each_language(part, language):
    precision, recall = precision_and_recall([row for row in PARTS[part] if row["language"] == language])
    assert precision >= 0.98
    assert recall >= 0.95


@pytest.mark.parametrize("row", UNDECIDED, ids=lambda row: row["answer"][:40])
def test_no_hedge_echo_or_refusal_is_given_a_label(row):
    assert extract_label(row["answer"], row["options"]) is None


HEDGES = {
    "en": """{a} or {b} | either {a} or {b} | {a}/{b} | {a}, {b} | The speaker sounds {a}, or maybe {b}.
        The emotion is {A}, but it might also be {B}. | A mix of {A} and {B}. | {A} with a hint of {B}
        Somewhere between {A} and {B}. | {A} (possibly {B}) | First {a}, then {b}. | Answer: {A}, {B}
        Most likely {a}, although {b} is also possible. | Probably {a}; {b} cannot be ruled out. | {a}? {b}?
        Not only {a} but also {b}. | The speaker sounds {a}, if not {b}. | While {a}, the speaker is also {b}.
        I would say {a}. Then again, it may be {b}. | It is hard to say whether the speaker is {a} or {b}.""",
    "de": """{a} oder {b} | Entweder {a} oder {b}. | Es könnte {A} oder {B} sein. | Eine Mischung aus {A} und {B}.
        Nicht nur {a}, sondern auch {b}. | Wahrscheinlich {a}, aber {b} ist auch möglich. | Teils {a}, teils {b}.""",
    "zh": """{a}或{b} | {A}和{B} | 可能是{A},也可能是{B}。 | 介于{A}和{B}之间 | 既{a}又{b} | 不仅{a},而且{b}。
        不是{A}就是{B}。 | 最可能是{A},但不排除{B}。 | 一半{A},一半{B}""",
}
VERDICTS = {  # all of them say B
    "en": """Not {a} but {b}. | The speaker isn't {a}, they are {b}. | {B} rather than {A}. | {B}, not {A}.
        Instead of {A}, I hear {B}. | At first I thought it was {A}, but it is {B}. | It is {B} (not {A}).
        Of {A} and {B}, I would choose {B}. | {A} or {B}? Final answer: {B} | Anything but {a}: the speaker is {b}.
        Although the words are {a}, the voice sounds {b}. | There is no {A} in this voice; it is {B}.
        Is it {A}? No. It is {B}. | {A} can be ruled out. The emotion is {B}.
        He says he is {a}, but he sounds {b}.""",
    "de": """Nicht {a}, sondern {b}. | Keine {A}, sondern {B}. | {B} statt {A}. | Eher {b} als {a}.
        Zuerst dachte ich an {A}, aber es ist {B}. | Obwohl die Worte {a} sind, klingt die Stimme {b}.""",
    "zh": """不是{A},而是{B}。 | 是{B},不是{A}。 | 与其说是{A},不如说是{B}。 | 一开始以为是{A},但其实是{B}。
        {A}还是{B}?答案是{B}。 | 说话人并不{a},而是{b}。""",
}


def sentences(templates: str, words: dict[str, tuple[str, str]]) -> list[tuple[str, str, str]]:
    """(sentence, a, b) for every pair of emotions."""
    forms = [form.strip() for line in templates.splitlines() for form in line.split(" | ")]
    return [
        (form.format(a=words[a][0], A=words[a][1], b=words[b][0], B=words[b][1]), a, b)
        for form in forms
        for a, b in permutations(words, 2)
    ]


@pytest.mark.parametrize("language", HEDGES)
def test_two_labels_put_as_alternatives_are_no_label_whichever_they_are(language):
    read = {text: extract_label(text, EMOTIONS) for text, _, _ in sentences(HEDGES[language], WORDS[language])}
    assert {text: label for text, label in read.items() if label is not None} == {}


@pytest.mark.parametrize("language", VERDICTS)
def test_one_label_denied_and_another_given_is_the_other_whichever_they_are(language):
    read = {text: (extract_label(text, EMOTIONS), b) for text, _, b in sentences(VERDICTS[language], WORDS[language])}
    assert {text: pair for text, pair in read.items() if pair[0] != pair[1]} == {}


@given(
    row=st.sampled_from([row for row in ROWS if row["label"] is not None and row["kind"] in ("plain", "synonym")]),
    wrap=st.sampled_from(
        ['"{}"', "**{}**", "\n\n{}\n", "> {}", "“{}”", "`{}`", "Sure! {}", "{} Thank you for asking."]
    ),
    case=st.sampled_from([str, str.upper, str.title]),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_quotes_markdown_case_and_politeness_keep_the_label(row, wrap, case):
    answer = row["answer"] if "{" in row["answer"] else case(row["answer"])
    assert extract_label(wrap.format(answer), row["options"]) == row["label"]


@pytest.mark.parametrize(
    ("answer", "options", "label"),
    [
        ("female", ["male", "female"], "female"),
        ("The speaker is calm.", ["neutral", "calm"], "calm"),
        ("The speaker is calm.", ["neutral", "happy"], "neutral"),
        ("The speaker is frustrated.", ["anger", "frustration"], "frustration"),
        ("The speaker is frustrated.", ["anger", "joy"], "anger"),
        ("The speaker is annoyed.", ["anger", "frustration"], None),  # it could mean either
        ("She is joyful.", ["happy", "joy"], None),  # a synonym that two options share
        ("joy", ["happy", "joy"], "joy"),
        ("B. sad", ["sad", "happy"], None),  # the letter and the word disagree
        ("a happy speaker", ["sad", "happy"], "happy"),  # an article is no letter
        ("E", ["sad", "happy"], None),
        ("It's a Golden Retriever!", ["golden retriever", "poodle"], "golden retriever"),
        ("ärgerlich", ["Ärger"], "Ärger"),
        ("aergerlich", ["Ärger"], "Ärger"),
        ("He sounds furious.", ["生气/angry", "开心/happy"], "生气/angry"),  # emotion2vec's labels
        ("", ["sad"], None),
        ("sad", [], None),
        ("...", ["!"], None),
    ],
)
def test_hard_cases(answer, options, label):
    assert extract_label(answer, options) == label


def test_labels_named_keeps_the_order_and_drops_what_is_denied():
    assert labels_named("Sad, or angry, sad again, never happy.", EMOTIONS) == ("sadness", "anger")
    assert labels_named("A or B", ["yes", "no"]) == ("yes", "no")


def test_a_thousand_answers_take_less_than_a_second():
    rows = (ROWS * 3)[:1000]
    precision_and_recall(rows)  # compiles each set of options once
    begin = time.process_time()
    precision_and_recall(rows)
    assert time.process_time() - begin < 1


def test_a_runaway_answer_is_read_in_linear_time():
    begin = time.process_time()
    assert extract_label("he sounds happy, " * 5000, ["happy", "sad"]) == "happy"
    assert extract_label("happy and sad " * 5000, ["happy", "sad"]) is None
    assert time.process_time() - begin < 20


# --- Reasoning --------------------------------------------------------------------------------------------------------

MARKS = [
    ("<think>", "</think>"),
    ("<THINK>\n", "</ Think >"),
    ("<thinking mode='deep'>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
]
NESTING = MARKS[:-1]  # Harmony's channels follow each other
PROSE = st.sampled_from(
    ["It trembles.", "Um, so: 3 < 4?", "I should use <answer> tags.", "Höre ich Angst?", "语速很快。"]
)


@st.composite
def traces(draw: st.DrawFn) -> str:
    """Thoughts hold the word SECRET, answers the word SPOKEN; all is well formed."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        opening, closing = draw(st.sampled_from(MARKS))
        thought = f"{draw(PROSE)} SECRET {draw(PROSE)}"
        if (opening, closing) in NESTING and draw(st.booleans()):
            inner = draw(st.sampled_from(NESTING))
            thought += f"{inner[0]} SECRET {inner[1]} SECRET"
        parts.append(f"{opening}{thought}{closing}")
    answer = f" SPOKEN {draw(PROSE).replace('<answer>', '')} SPOKEN"
    wrapped = draw(st.sampled_from(["{}", "<answer>{}</answer>", "\n\n{}<|im_end|>", "<answer>{}"]))
    return "\n".join(parts) + wrapped.format(answer)


@given(traces())
@settings(max_examples=1000, deadline=None, derandomize=True)
def test_no_thought_reaches_the_answer_and_no_answer_is_lost(raw):
    reasoning, answer, status = split_reasoning(raw)
    assert status == "ok"
    assert "SECRET" not in answer
    assert answer.count("SPOKEN") == 2
    assert reasoning is not None
    assert reasoning.count("SECRET") == raw.count("SECRET")


@given(traces(), st.sampled_from(MARKS), PROSE)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_an_unclosed_thought_leaves_no_answer(raw, marks, prose):
    reasoning, answer, status = split_reasoning(f"{raw}{marks[0]}{prose} SECRET")
    assert (answer, status) == ("", "truncated")
    assert reasoning is not None
    assert "SECRET" in reasoning


@pytest.mark.parametrize("closing", [closing for _, closing in MARKS])
def test_a_closing_mark_alone_means_that_the_prompt_opened_the_thought(closing):
    assert split_reasoning(f"SECRET.{closing}Sad.") == ("SECRET.", "Sad.", "ok")


@pytest.mark.parametrize(
    ("raw", "split"),
    [
        ("  Sad.\n", (None, "Sad.", "ok")),
        ("<think>\n\n</think>\n\nSad.", (None, "Sad.", "ok")),
        ("<think>a</think> Sad. </think>", ("a", "Sad.", "ok")),  # a slip at the end takes no answer away
        ("<think>a</think> b </think> Sad.", ("a\nb", "Sad.", "ok")),
        ("Sad.<|end|>", (None, "Sad.", "ok")),  # an ordinary end of turn, not Harmony
        ("analysisIt trembles.assistantfinalSad.", ("It trembles.", "Sad.", "ok")),
        ("An analysis of the voice: sad.", (None, "An analysis of the voice: sad.", "ok")),
        ("Here is my thought process: a. Here is my response: Sad.", ("a.", "Sad.", "ok")),
        ("It trembles. <answer>Sad.</answer>", ("It trembles.", "Sad.", "ok")),
        ("I think 3 < 4 and [thinking aloud] > 2", (None, "I think 3 < 4 and [thinking aloud] > 2", "ok")),
        ("", (None, "", "empty")),
        ("...", (None, "...", "empty")),
        ("<think>a</think>", ("a", "", "empty")),
        ("a</think>", ("a", "", "empty")),
        ("😢", (None, "😢", "ok")),
    ],
)
def test_edges_of_reasoning(raw, split):
    assert split_reasoning(raw) == split


@pytest.mark.parametrize("unit", ["<think>", "</think>", "<think>a</think>b", "<think ", "<", "word ", "<answer>", "◁"])
def test_a_megabyte_is_split_in_linear_time(unit):
    begin = time.process_time()
    split_reasoning(unit * (1_000_000 // len(unit)))
    assert time.process_time() - begin < 5
