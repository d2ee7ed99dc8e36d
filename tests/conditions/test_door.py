"""Steps, group words, what is left out, and what a condition leaves to the model."""

import pytest

from cpbench.conditions import expanded, groups, idle, kind, needs, present, presented
from cpbench.errors import UsageError, UserError
from cpbench.records import Clip, Item, Setting


def item(id, *, seconds=1.0, transcript=None, recording=None, question="Who?"):
    clip = Clip(f"{id}.wav", f"sha-{id}", seconds, recording or id, transcript=transcript)
    return Item(id, "t", (clip,), question, ("x",))


def test_all_stands_for_every_condition_that_says_so_and_the_plain_one_first():
    known = groups()
    assert known["all"][0] == "audio" and list(known["all"][1:]) == sorted(known["all"][1:])
    assert {"audio", "silence", "shuffled", "transcript", "prefix:30", "flat"} == set(known["all"])
    assert "paraphrase:1" in known["perturbations"] and "audio" not in known["perturbations"]


def test_a_named_condition_stays_named_beside_a_group_word():
    found = expanded(["all", "silence", "tags:gold"])
    assert next(iter(found)) == "audio" and list(found)[-1] == "tags:gold"
    assert [name for name, named in found.items() if named] == ["silence", "tags:gold"]
    assert expanded(["silence", "all"])["silence"] and list(expanded(["silence", "audio"])) == ["silence", "audio"]


def test_what_steps_need_and_which_change_nothing():
    assert needs("transcript+tags:classifier/x") == (("transcript", None), ("tags", "classifier/x"))
    assert needs("audio+tags:gold") == () and needs("paraphrase:1") == (("wordings", None),)
    assert idle([item("a", seconds=29)], "prefix:30") == "no clip is longer than 30 s"
    assert idle([item("a", seconds=29), item("b", seconds=31)], "prefix:30") is None
    with pytest.raises(UsageError, match="did you mean 'silence'"):
        needs("silense")
    with pytest.raises(UsageError, match="did you mean 'all'"):
        expanded(["al"])


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("audio", "plain"),
        ("shuffled", "other"),
        ("noise:10db", "changed"),
        ("noise:10db+transcript", "words"),
        ("tags:gold+shuffled", "other"),
        ("silence+tags:gold", "silent"),
        ("prefix:30", "part"),
        ("tags:wrong", "told"),
    ],
)
def test_what_the_model_still_gets(condition, left):
    assert kind(condition) == left


def test_what_each_step_leaves_out_is_counted_with_its_reason():
    items = [item("a", transcript="hello"), item("b"), item("c", transcript="", question="Where?")]
    setting = Setting(paraphrases={"Who?": ("Which person?",)})
    found = presented(items, "transcript+paraphrase:1", setting)
    assert [request.text for request in found.requests] == ['Transcript: "hello"\nWhich person?']
    assert found.left_out == {
        "nobody knows their words": ("b",),
        "their question has no such other wording": ("c",),
    }
    assert present(items, "transcript+paraphrase:1", setting) == found.requests


def test_two_items_of_one_id_are_refused():
    with pytest.raises(UserError, match="not unique"):
        present([item("a"), item("a")], "audio", Setting())
