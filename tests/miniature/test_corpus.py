"""What each system of the miniature is taught, spoken in little."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from cpbench import formats
from cpbench.miniature.corpus import CONTEXTUAL, DIRECT, Corpus, Scale, make, without
from cpbench.records import Item

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
LITTLE = Scale(single=10, double=10, feelings=6, conflicts=8)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make(tmp_path_factory.mktemp("corpus"), LITTLE)


def items(path: Path) -> list[Item]:
    return list(formats.read("items", path, task="t"))


def test_who_wrote_a_question_says_which_system_learns_it(corpus: Corpus) -> None:
    taught = items(corpus.variants)
    by_writer = {writer: {one.type for one in taught if one.origin.get("generator") == writer} for writer in
                 (None, DIRECT, CONTEXTUAL)}  # fmt: skip
    assert by_writer[None] == {None, "DE", "DG"}  # the baseline has emotion questions, too
    assert by_writer[CONTEXTUAL] == {"CE", "CG", "CS"}
    assert by_writer[DIRECT] == {"C", "DS"}
    assert {one.type for one in without(taught, CONTEXTUAL)} == {None, "DE", "DG", "C", "DS"}
    clips = {one.clips for one in taught}
    assert len(clips) == 20
    assert clips == {one.clips for one in taught if "generator" not in one.origin}  # every system hears all of them


def test_the_control_has_the_same_questions_with_the_emotions_dealt_out(corpus: Corpus) -> None:
    taught, dealt = items(corpus.variants), items(corpus.shuffled)
    assert [(one.id, one.question, one.clips) for one in taught] == [(one.id, one.question, one.clips) for one in dealt]
    for kind in ("DE", "CE"):
        before, after = ([one.label for one in several if one.type == kind] for several in (taught, dealt))
        assert Counter(before) == Counter(after)
        assert before != after
    changed = {one.type for one, other in zip(taught, dealt, strict=True) if one.references != other.references}
    assert changed <= {"DE", "CE"}


def test_the_base_meets_no_emotion_of_a_voice(corpus: Corpus) -> None:
    speech, text, tagged = map(items, corpus.base)
    assert {one.type for one in speech} <= {None, "C"}
    assert {one.type for one in tagged} == {"DE", "CE"}
    spoken = [str(one.clips[0].transcript) for one in text]
    assert any(line.startswith(("(male, ", "(female, ")) for line in spoken)  # what is written, not what is heard


def test_in_a_conflict_the_words_name_another_feeling_than_the_voice(corpus: Corpus) -> None:
    asked = items(corpus.conflict)
    assert len(asked) == 8
    assert all(one.lure != one.label and one.lure in one.options and one.label in one.options for one in asked)
    trained = {clip.speaker for one in items(corpus.variants) for clip in one.clips}
    heard = {name for one in trained for name in str(one).split("+")}
    assert not {clip.speaker for one in asked for clip in one.clips} & heard


def test_it_is_spoken_once(corpus: Corpus) -> None:
    folder = corpus.variants.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert make(folder, LITTLE) == corpus
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
