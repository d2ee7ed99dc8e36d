"""The words as text, and nothing to hear."""

import pytest

from cpbench.conditions import present, presented
from cpbench.errors import UserError
from cpbench.records import Clip, Item, Setting


def item(id, *transcripts):
    clips = tuple(Clip(f"{id}{n}.wav", f"{id}{n}", 1.0, f"{id}", transcript=t) for n, t in enumerate(transcripts))
    return Item(id, "t", clips, "Who?", ("x",))


def test_the_words_of_all_clips_stand_before_the_question_and_nothing_is_heard():
    (request,) = present([item("a", "one", "", "two")], "transcript", Setting())
    assert request.text == 'Transcript: "one two"\nWho?' and request.sounds == ()


def test_nobody_speaking_is_known_and_an_unknown_transcript_is_left_out():
    found = presented([item("a", ""), item("b", None), item("c", "one", None)], "transcript", Setting())
    assert [(request.item_id, request.text) for request in found.requests] == [("a", 'Transcript: ""\nWho?')]
    assert found.left_out == {"nobody knows their words": ("b", "c")}
    with pytest.raises(UserError, match="--asr SPEC"):
        present([item("b", None)], "transcript", Setting())


def test_after_shuffled_they_are_the_words_of_what_is_played():
    requests = present([item("a", "one"), item("b", "two")], "shuffled+transcript", Setting())
    assert [request.text for request in requests] == ['Transcript: "two"\nWho?', 'Transcript: "one"\nWho?']
    assert [request.played for request in requests] == [("b0",), ("a0",)]
