"""The synthetic corpus: what its design promises, and the packaged clips made again."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpbench.audio import opus_bytes
from cpbench.data.synth import Sizes, build, scripts, take
from cpbench.data.synth.voices import EMOTIONS, ESPEAK_VERSION, espeak_version, voices

DEMO = Path(str(files("cpbench.tasks"))) / "demo"
installed = espeak_version()
spoken = pytest.mark.skipif(
    installed != ESPEAK_VERSION,
    reason=f"the packaged clips were spoken by espeak-ng {ESPEAK_VERSION}, here is {installed}",
)


@pytest.fixture(scope="module")
def packaged() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DEMO / "cpqa.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_demo_has_its_size(packaged: list[dict[str, Any]]) -> None:
    clips = {line["audio"] for line in packaged}
    assert len(packaged) >= 400
    assert len(clips) >= 120
    assert len({line["recording"] for line in packaged}) >= 30
    assert {line["type"] for line in packaged} == {"C", "DE", "DG", "DS", "CE", "CG", "CS"}
    assert {path.name for path in (DEMO / "clips").iterdir()} == {Path(clip).name for clip in clips}
    assert sum(path.stat().st_size for path in (DEMO / "clips").iterdir()) < 4_000_000


@pytest.mark.parametrize(
    ("kind", "most"), [("C", 0.06), ("DE", 0.25), ("CE", 0.25), ("CS", 0.4), ("DG", 0.5), ("DS", 0.5), ("CG", 0.5)]
)
def test_no_answer_of_a_type_is_much_more_frequent(packaged: list[dict[str, Any]], kind: str, most: float) -> None:
    answers = Counter(line["references"][0] for line in packaged if line["type"] == kind)
    assert max(answers.values()) / answers.total() <= most


def test_no_question_wording_gives_its_answer_away(packaged: list[dict[str, Any]]) -> None:
    """Knowing each wording's most frequent answer helps little beyond knowing the type's."""
    for kind, chance in {"DE": 0.45, "DG": 0.65, "DS": 0.65}.items():
        by_wording: dict[str, Counter[str]] = {}
        for line in packaged:
            if line["type"] == kind:
                by_wording.setdefault(line["question"], Counter())[line["references"][0]] += 1
        right = sum(max(answers.values()) for answers in by_wording.values())
        assert right / sum(answers.total() for answers in by_wording.values()) <= chance


def test_words_tell_nothing_about_the_voice(packaged: list[dict[str, Any]]) -> None:
    emotions: dict[str, set[str]] = {}
    for line in packaged:
        if line["type"] == "DE":
            emotions.setdefault(line["transcript"], set()).add(line["label"])
    assert sum(len(labels) > 1 for labels in emotions.values()) > 0.8 * len(emotions)


def test_two_voices_have_two_spans_and_two_emotions(packaged: list[dict[str, Any]]) -> None:
    for line in packaged:
        if "+" in line["speaker"]:
            first, second = line["emotion"]
            assert 0 < first["start"] < first["end"] < second["start"] < second["end"] < 10
            assert first["label"] != second["label"]


def test_the_parts_share_no_voice_and_no_sentence(packaged: list[dict[str, Any]]) -> None:
    assert not {voice.name for voice in voices("train")} & {voice.name for voice in voices("demo")}
    assert {voice.gender for voice in voices("demo")} == {"male", "female"}
    learned = {one.sentence.text for script in scripts("train", 0) for one in script.spoken}
    told = {one.sentence.text for script in scripts("demo", 0) for one in script.spoken}
    assert not learned & told
    assert len(learned) > 3000


def test_the_same_seed_gives_the_same_scripts() -> None:
    assert list(scripts("demo", 3)) == list(scripts("demo", 3))
    assert list(scripts("demo", 3)) != list(scripts("demo", 4))


@spoken
def test_spoken_again_the_packaged_clips_have_the_same_bytes() -> None:
    chosen = [script for script in scripts("demo", 0) if script.id in ("demo-s0000-0", "demo-s0011-2", "demo-d0007-1")]
    assert len(chosen) == 3
    for script in chosen:
        assert opus_bytes(take(script).wave, 16000) == (DEMO / "clips" / f"{script.id}.ogg").read_bytes()


@spoken
def test_a_part_is_built_as_items_that_read(tmp_path: Path) -> None:
    from cpbench.formats import read

    (path,) = build("train", tmp_path, sizes=Sizes(4, 1, 4, 1))
    items = list(read("items", path, task="synth"))
    assert {item.split for item in items} == {"train"}
    assert len({item.clips for item in items}) == 8
    assert {Path(item.clips[0].path).suffix for item in items} == {".ogg", ".flac"}
    assert all(item.clips[0].tags and item.clips[0].transcript for item in items)


@spoken
def test_emotions_sound_as_they_are_defined() -> None:
    """Anger is louder than sadness by what the manners say; length tells nothing, or `silence` would tell it too."""
    by_emotion: dict[str, list[np.ndarray]] = {emotion: [] for emotion in EMOTIONS}
    for script in scripts("demo", 0, Sizes(10, 3, 0, 0)):
        by_emotion[script.spoken[0].emotion].append(take(script).wave)
    level = {name: np.mean([20 * np.log10(wave.std()) for wave in waves]) for name, waves in by_emotion.items()}
    seconds = {name: np.mean([len(wave) / 16000 for wave in waves]) for name, waves in by_emotion.items()}
    assert level["anger"] - level["sadness"] == pytest.approx(14.0, abs=2.5)
    assert max(seconds.values()) < 1.12 * min(seconds.values())
