"""Arousal from energy, pitch and rate: made voices, and real ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cpbench.annotators import load_annotator
from cpbench.annotators.acoustic import MEASURES, measures
from cpbench.audio import clip, load
from cpbench.records import Clip, Heard, Sound

RATE = 16000
EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb"


def spoken(hertz: float, loud: float, syllables: int, seconds: float = 1.5) -> np.ndarray:
    """So many syllables of a buzzing voice; louder is also brighter, as it is in throats."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.05 * np.sin(2 * np.pi * 0.7 * time))) / RATE
    tilt = 2.0 - loud
    wave = sum(np.sin(k * phase) / k**tilt for k in range(1, 20))
    beat = np.sin(np.pi * syllables * time / seconds) ** 2
    noise = np.random.default_rng(1).normal(0, 1e-4, len(time))
    return np.asarray(0.05 * 10**loud * wave / np.abs(wave).max() * beat + noise, dtype=np.float32)


def heard(name: str, speaker: str | None, wave: np.ndarray) -> Heard:
    return Heard(Sound(Clip(f"{name}.wav", name, len(wave) / RATE, speaker or name, speaker)), wave, RATE)


def arousal(sounds: list[Heard], **options: str) -> dict[str, float]:
    said = load_annotator("acoustic", options).annotate(sounds)
    return {one.key: one.tags[0].arousal for one in said if one.tags and one.tags[0].arousal is not None}


def voices(speaker: str, base: float) -> list[Heard]:
    """Six ways to speak, from low, soft and slow to high, loud and fast."""
    return [
        heard(f"{speaker}{n}", speaker, spoken(base * (1 + 0.1 * n), 0.15 * n, 3 + n, seconds=1.5)) for n in range(6)
    ]


def test_the_measures_are_what_was_put_in():
    row = dict(zip(MEASURES, measures(spoken(150, 0.3, 6), RATE), strict=True))
    assert 2 ** row["height"] == pytest.approx(150, rel=0.03)
    assert row["rate"] == pytest.approx(6 / 1.5, rel=0.2)
    assert row["range"] == pytest.approx(np.log2(1.05 / 0.95), abs=0.06)
    louder = dict(zip(MEASURES, measures(2 * spoken(150, 0.3, 6), RATE), strict=True))
    assert louder["level"] - row["level"] == pytest.approx(20 * np.log10(2), abs=0.05)
    assert louder["balance"] == pytest.approx(row["balance"], abs=0.01)
    assert louder["peak"] - row["peak"] == pytest.approx(20 * np.log10(2), abs=0.05)


def test_arousal_is_relative_to_the_speaker():
    said = arousal([*voices("low", 100), *voices("high", 220)])
    for speaker in ("low", "high"):
        own = [said[f"{speaker}{n}"] for n in range(6)]
        assert own == sorted(own) and own[0] < -0.5 and own[-1] > 0.5
        assert np.mean(own) == pytest.approx(0, abs=0.1)


def test_speakers_of_few_clips_are_held_against_all():
    said = arousal([*voices("known", 150), heard("stranger", None, spoken(300, 0.9, 9))])
    assert said["stranger"] > 0.6


def test_where_the_level_was_evened_it_does_not_count():
    """Full scale in every clip: the level of the voiced frames then falls where the voice is peaky."""
    evened = [
        dataclasses.replace(one, wave=(one.wave / np.abs(one.wave).max()).astype(np.float32))
        for one in voices("one", 120)
    ]
    own = list(arousal(evened).values())
    assert own[0] < -0.5 and own[-1] > 0.5
    louder = [dataclasses.replace(one, wave=one.wave * 0.5) for one in evened]
    assert list(arousal(louder).values()) == pytest.approx(own, abs=0.01)


def test_it_gives_arousal_only_and_states_its_scale():
    (first, *_) = load_annotator("acoustic").annotate(voices("a", 120))
    (tag,) = first.tags
    assert (tag.emotion, tag.valence, tag.dominance, tag.scale) == ({}, None, None, (-1.0, 1.0))
    assert (tag.start, tag.end, tag.source) == (0.0, 1.5, "acoustic@1")


def test_windows_have_their_own_arousal_and_silence_has_none():
    calm, wild = spoken(110, 0.1, 4, seconds=2.0), spoken(190, 0.8, 12, seconds=2.0)
    long = heard("long", "x", np.concatenate([calm, np.zeros(2 * RATE, dtype=np.float32), wild]))
    (said,) = load_annotator("acoustic", {"window": "2", "context": "0"}).annotate([long])
    assert [(tag.start, tag.end) for tag in said.tags] == [(0.0, 2.0), (4.0, 6.0)]
    assert said.tags[0].arousal < 0 < said.tags[1].arousal


def test_without_a_voice_there_is_nothing_to_say():
    (said,) = load_annotator("acoustic").annotate([heard("noise", "x", np.zeros(RATE, dtype=np.float32))])
    assert said.tags == () and said.error is None
    assert list(load_annotator("acoustic").annotate([])) == []


@pytest.mark.skipif(not EMODB.is_dir(), reason="the speech for measuring is not here")
def test_on_real_speech_excited_emotions_stand_above_calm_ones():
    """Two of the eight speakers of EmoDB; all eight give an area under the curve of .94 (t interval .90 to .98)."""
    from sklearn.metrics import roc_auc_score

    rows = [json.loads(line) for line in (EMODB / "clips.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["speaker"] in ("03", "10")]
    sounds = [load(Sound(clip(EMODB / row["clip"], speaker=row["speaker"])), RATE) for row in rows]
    said = arousal(sounds)
    areas = []
    for speaker in ("03", "10"):
        own = [
            (row["emotion"] in ("anger", "happiness", "fear"), said[sound.sound.clip.sha256])
            for row, sound in zip(rows, sounds, strict=True)
            if row["speaker"] == speaker and row["emotion"] != "disgust"
        ]
        areas.append(roc_auc_score(*zip(*own, strict=True)))
    assert np.mean(areas) > 0.9
