"""Other wordings of a question: patterns, prompts, options, and the packaged ones."""

import json
from importlib.resources import files

import pytest

from cpbench import formats
from cpbench.conditions import present, presented, read_wordings
from cpbench.conditions.paraphrase import Wordings
from cpbench.errors import UsageError, UserError
from cpbench.records import Clip, Item, Setting

PACKAGED = files("cpbench.tasks") / "paraphrases.jsonl"


def item(question, prompt="", options=()):
    return Item("i", "t", (Clip("a.wav", "a", 1.0, "a"),), question, ("x",), prompt=prompt, options=options)


def worded(one, condition, wordings):
    return present([one], condition, Setting(paraphrases=wordings))[0].text


def test_a_pattern_s_slot_is_one_word_and_options_are_a_list():
    known = Wordings(
        {
            "Who took the {thing}?": ("By whom was the {thing} taken?",),
            "Is it {options}?": ("Which is it: {options}?", "Say {options}."),
            "Is it {this} or {this}?": ("{this}?",),
            "Who took the hat?": ("Who has the hat?",),
        }
    )
    assert known.of("Who took the lamp?") == ("By whom was the lamp taken?",)
    assert known.of("Who took the lamp away?") == () == known.of("And who took the lamp?")
    assert known.of("Is it a, b or c?") == ("Which is it: a, b or c?", "Say a, b or c.")
    assert known.of("Who took the hat?") == ("Who has the hat?",)  # as it stands goes before a pattern


def test_the_question_is_replaced_inside_the_prompt_and_before_what_other_steps_add():
    wordings = {"Who?": ("Which person?", "Whose voice?")}
    assert worded(item("Who?", "Listen. Who?\nA: Tom\nB: Ann"), "paraphrase:2", wordings) == (
        "Listen. Whose voice?\nA: Tom\nB: Ann"
    )
    spoken = Item("i", "t", (Clip("a.wav", "a", 1.0, "a", transcript="Who? I asked."),), "Who?", ("x",))
    assert worded(spoken, "transcript+paraphrase:1", wordings) == 'Transcript: "Who? I asked."\nWhich person?'
    assert worded(spoken, "paraphrase:1+transcript", wordings) == 'Transcript: "Who? I asked."\nWhich person?'


def test_items_without_such_a_wording_are_left_out_and_none_at_all_is_an_error():
    setting = Setting(paraphrases={"Who?": ("Which person?",)})
    other = Item("j", "t", (), "Where?", ("x",))
    assert presented([item("Who?"), other], "paraphrase:1", setting).left_out == {
        "their question has no such other wording": ("j",)
    }
    with pytest.raises(UserError, match="--paraphrases FILE"):
        present([item("Who?")], "paraphrase:2", setting)
    for wrong in ("0", "x", "", "-1", "1.5"):
        with pytest.raises(UsageError, match="a number from 1 on"):
            present([item("Who?")], f"paraphrase:{wrong}", setting)


def test_a_question_that_lists_its_options_goes_on_listing_them():
    listed = item("Is it sad or glad?", options=("sad", "glad"))
    assert worded(listed, "paraphrase:1", {listed.question: ("Say glad or sad.",)}) == "Say glad or sad."
    with pytest.raises(UserError, match="loses 'glad'"):
        worded(listed, "paraphrase:1", {listed.question: ("Is it sad?",)})


def test_the_packaged_tasks_have_three_other_wordings_of_every_question():
    from cpbench.data.synth import questions

    known = Wordings(read_wordings(PACKAGED))
    demo = files("cpbench.tasks") / "demo"
    for name in ("cpqa.jsonl", "emotion.jsonl"):
        for one in formats.read("items", demo / name, task=name):
            wordings = known.of(one.question)
            assert len({one.question, *wordings}) == 4, one.question
            assert not any("{" in wording for wording in wordings)
            present([one], "paraphrase:3", Setting(paraphrases=read_wordings(PACKAGED)))
    templates = [text for kind in (questions._CONTENT, questions._VOICE) for texts in kind.values() for text in texts]
    words = {"name": "Anna", "past": "lost", "base": "lose", "thing": "lamp"}
    trained = {text.format(**words) for text in templates}
    assert all(len(known.of(text)) == 3 for text in trained)
    assert sum(wording in trained for text in trained for wording in known.of(text)) == 0  # all are new to the demo


def test_every_emotion_task_s_question_has_other_wordings():
    from cpbench.tasks import list_tasks

    known = Wordings(read_wordings(PACKAGED))
    asked = {card.asked for card in list_tasks() if card.question}
    assert asked and all(len(known.of(question)) == 3 for question in asked)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["nothing"], "line 1: not JSON"),
        (['{"question": "a"}'], "not a question with its paraphrases"),
        (['{"question": "a", "paraphrases": []}'], "not a question with its paraphrases"),
        (['{"question": "a", "paraphrases": [" "]}'], "not a question with its paraphrases"),
        (['{"question": "a", "paraphrases": ["a"]}'], "is the question itself"),
        (['{"question": "a", "paraphrases": ["b", "b"]}'], "stands twice"),
        (['{"question": "a", "paraphrases": ["b {c}"]}'], "slot that the question does not have"),
        (['{"question": "a", "paraphrases": ["b"]}'] * 2, "line 2: the question stands there twice"),
        ([], "no other wordings in"),
    ],
)
def test_a_file_of_wordings_is_checked(tmp_path, lines, said):
    file = tmp_path / "p.jsonl"
    file.write_text("\n".join(lines))
    with pytest.raises(UserError, match=said):
        read_wordings(file)
    with pytest.raises(UserError, match="cannot be read"):
        read_wordings(tmp_path / "nowhere.jsonl")


def test_a_file_of_wordings_is_read(tmp_path):
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps({"question": "Wer?", "paraphrases": ["Welche Person?"]}, ensure_ascii=False) + "\n\n")
    assert read_wordings(file) == {"Wer?": ("Welche Person?",)}
