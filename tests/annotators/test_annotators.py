"""The door: one ledger, resumed, bad clips, and what a clip is filled in with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from cpbench.annotators import annotate, fill_in, options_of
from cpbench.audio import clip, clip_from_samples
from cpbench.errors import BadClip, UserError
from cpbench.flow.ledger import Ledger
from cpbench.records import Annotation, Clip, Heard, Tag, Word


@dataclass
class Counting:
    """Says how many it has heard so far."""

    name: str = "counting"
    sampling_rate: int = 8000
    relative: bool = False
    heard: list[Heard] = field(default_factory=list)

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        for one in sounds:
            self.heard.append(one)
            yield Annotation(one.sound.clip.sha256 or "", self.name, transcript=str(len(self.heard)))


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    monkeypatch.setenv("CPBENCH_CACHE", str(tmp_path / "cache"))
    waves = [np.random.default_rng(n).normal(0, 0.1, 8000).astype(np.float32) for n in range(3)]
    return [clip_from_samples(wave, 16000) for wave in waves]


def test_each_distinct_clip_once_at_the_annotators_rate_and_never_again(tmp_path: Path, clips: list[Clip]) -> None:
    annotator, path = Counting(), tmp_path / "said.jsonl"
    with Ledger(path, Annotation) as ledger:
        said = list(annotate([clips[0], clips[1], clips[0]], annotator, ledger))
    assert [one.key for one in said] == [clips[0].sha256, clips[1].sha256]
    assert {one.sampling_rate for one in annotator.heard} == {8000}
    with Ledger(path, Annotation) as ledger:
        assert [one.transcript for one in annotate(clips, annotator, ledger)] == ["3"]
        assert len(ledger) == 3


def test_one_whose_words_hang_together_hears_all_again_unless_all_are_there(tmp_path: Path, clips: list[Clip]) -> None:
    with Ledger(tmp_path / "said.jsonl", Annotation) as ledger:
        list(annotate(clips[:2], Counting(relative=True), ledger))
        assert len(list(annotate(clips, Counting(relative=True), ledger))) == 3
        assert list(annotate(clips, Counting(relative=True), ledger)) == []


def test_a_bad_clip_is_told_and_the_others_go_on(tmp_path: Path, clips: list[Clip]) -> None:
    bad = clip(tmp_path / "nowhere.wav")
    told: list[tuple[Clip, BadClip]] = []
    for relative in (False, True):
        with Ledger(tmp_path / f"said{relative}.jsonl", Annotation) as ledger:
            for expected in (3, 0):  # the bad clip is missing in the second round, and nobody hears all again for it
                said = annotate(
                    [bad, *clips], Counting(relative=relative), ledger, failed=lambda one, why: told.append((one, why))
                )
                assert len(list(said)) == expected
    assert [one for one, _ in told] == [bad] * 4 and "no such file" in str(told[0][1])
    with Ledger(tmp_path / "other.jsonl", Annotation) as ledger, pytest.raises(BadClip, match="no such file"):
        list(annotate([bad], Counting(), ledger))


def test_another_annotators_ledger_is_refused(tmp_path: Path, clips: list[Clip]) -> None:
    with Ledger(tmp_path / "said.jsonl", Annotation) as ledger:
        list(annotate(clips, Counting(), ledger))
        with pytest.raises(UserError, match="holds what counting said, not another"):
            list(annotate(clips, Counting(name="another"), ledger))


def test_a_clip_is_filled_in(clips: list[Clip]) -> None:
    old = (Tag(0, 1, "model@1", {"anger": 1.0}), Tag(0, 1, "gold", {"fear": 1.0}))
    plain = Clip("a.wav", "a", 4.0, "a", tags=old)
    tags = Annotation("a", "model@2", (Tag(0, 2, "model@2", {"joy": 1.0}), Tag(2, 4, "model@2", {}, text="kept")))
    words = Annotation(
        "a", "ears", transcript="", words=(Word("one", 0, 0.5), Word("two", 1.8, 2.3), Word("more", 0.6, 1))
    )
    filled = fill_in(plain, [tags, words])
    assert [(tag.source, tag.start, tag.text) for tag in filled.tags] == [
        ("gold", 0, "one more"),
        ("model@2", 0, "one more"),
        ("model@2", 2, "kept"),
    ]
    assert filled.transcript == ""
    assert fill_in(Clip("a.wav", "a", 4.0, "a", transcript="known"), [words]).transcript == "known"


def test_the_options_of_annotators_and_recognisers() -> None:
    assert {"path", "window", "labels", "revision"} <= options_of("classifier/org/model")
    assert "language" in options_of("org/model", recogniser=True)
    assert options_of("gold") == frozenset()
