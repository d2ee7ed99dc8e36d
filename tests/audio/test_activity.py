"""Voice activity and pitch, on sounds whose truth is known because they were made so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cpbench.audio import clip, grid, load, pitch, speech_spans
from cpbench.records import Sound

RATE = 16000
EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb"


def vowel(hertz: float | np.ndarray, seconds: float, rate: int = RATE) -> np.ndarray:
    """A voice: many harmonics of a pitch that may move, falling by 6 dB an octave, with a syllable's rise and fall."""
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, time.shape)) / rate
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 15))
    return np.asarray(0.1 * harmonics * np.sin(np.pi * time / seconds) ** 0.3)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE))


def noisy(wave: np.ndarray, level: float, seed: int = 0) -> np.ndarray:
    return (wave + np.random.default_rng(seed).normal(0, level, len(wave))).astype(np.float32)


@pytest.mark.parametrize("hertz", [75.0, 110.0, 220.0, 330.0, 500.0])
def test_the_pitch_of_a_voice_is_found_within_one_percent(hertz):
    track = pitch(noisy(vowel(hertz, 1.0), 0.003), RATE)
    inside = (track.times > 0.1) & (track.times < 0.9)
    assert track.voiced[inside].all()
    assert np.abs(track.hertz[inside] / hertz - 1).max() < 0.01


def test_a_missing_fundamental_is_heard_and_half_of_it_is_not():
    time = np.arange(RATE) / RATE
    wave = sum(0.1 * np.sin(2 * np.pi * 150 * k * time) for k in (2, 3, 4, 5))
    track = pitch(np.asarray(wave, dtype=np.float32), RATE)
    assert np.nanmedian(track.hertz) == pytest.approx(150, rel=0.01)


def test_a_gliding_pitch_is_followed():
    rising = np.linspace(120, 240, RATE)
    track = pitch(vowel(rising, 1.0).astype(np.float32), RATE)
    expected = np.interp(track.times, np.arange(RATE) / RATE, rising)
    inside = (track.times > 0.1) & (track.times < 0.9) & track.voiced
    assert inside.sum() > 70
    assert np.abs(track.hertz[inside] / expected[inside] - 1).max() < 0.03


def test_a_long_wave_is_tracked_to_its_end():
    wave = np.concatenate([vowel(120, 30.0), vowel(240, 40.0)]).astype(np.float32)
    track = pitch(wave, RATE)
    assert len(track.times) == len(track.hertz) == len(track.level) == 6997
    assert np.nanmedian(track.hertz[track.times < 29]) == pytest.approx(120, rel=0.01)
    assert np.nanmedian(track.hertz[track.times > 61]) == pytest.approx(240, rel=0.01)


def test_noise_has_no_pitch():
    assert pitch(noisy(silence(2.0), 0.1), RATE).voiced.mean() < 0.02


@pytest.mark.parametrize("level", [0.0, 0.001, 0.01])
def test_two_stretches_of_speech_are_found_where_they_are(level):
    wave = np.concatenate([silence(0.7), vowel(140, 0.8), silence(0.9), vowel(200, 0.5), silence(0.6)])
    spans = speech_spans(noisy(wave, level), RATE)
    assert len(spans) == 2
    assert np.abs(np.array(spans) - [[0.7, 1.5], [2.4, 2.9]]).max() < 0.1


def test_a_short_pause_is_part_of_speaking():
    wave = np.concatenate([silence(0.5), vowel(140, 0.4), silence(0.15), vowel(160, 0.4), silence(0.5)])
    ((start, end),) = speech_spans(noisy(wave, 0.001), RATE)
    assert (start, end) == (pytest.approx(0.5, abs=0.1), pytest.approx(1.45, abs=0.1))


def test_silence_noise_and_a_click_are_no_speech():
    click = np.concatenate([silence(1.0), np.full(160, 0.9), silence(1.0)])
    assert speech_spans(silence(1.0).astype(np.float32), RATE) == []
    assert speech_spans(noisy(silence(2.0), 0.1), RATE) == []
    assert speech_spans(noisy(click, 0.001), RATE) == []


def test_speech_without_any_pause_is_speech():
    ((start, end),) = speech_spans(vowel(150, 1.0)[1600:-1600].astype(np.float32), RATE)
    assert start < 0.1 and end > 0.7


def test_a_wave_shorter_than_a_frame_is_taken():
    assert speech_spans(np.zeros(50, dtype=np.float32), RATE) == []
    assert len(pitch(np.zeros(50, dtype=np.float32), RATE).times) == 1


def test_windows_cover_a_clip_and_the_rest_joins_the_last():
    assert grid(30.0, 2.0)[0] == (0.0, 2.0) and len(grid(30.0, 2.0)) == 15
    assert grid(5.0, 2.0) == [(0.0, 2.0), (2.0, 4.0), (4.0, 5.0)]
    assert grid(4.99, 2.0) == [(0.0, 2.0), (2.0, 4.99)]
    assert grid(4.0, 2.0, 1.0) == [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (3.0, 4.0)]
    with pytest.raises(ValueError, match="a hop of 3"):
        grid(4.0, 2.0, 3.0)


@pytest.mark.skipif(not EMODB.is_dir(), reason="the speech for measuring is not here")
def test_real_speech_padded_with_silence_is_found_in_noise():
    """Every 20th clip of EmoDB between two seconds of silence, white noise at 20 dB below the speech."""
    rows = [json.loads(line) for line in (EMODB / "clips.jsonl").read_text().splitlines()][::20]
    late = []
    for row in rows:
        wave = load(Sound(clip(EMODB / row["clip"])), RATE).wave
        whole = speech_spans(wave, RATE)
        noise = 0.1 * float(np.sqrt(np.mean(wave**2)))
        found = speech_spans(noisy(np.concatenate([silence(1), wave, silence(1)]), noise), RATE)
        late.append((found[0][0] - 1 - whole[0][0], found[-1][1] - 1 - whole[-1][1]))
    assert len(late) == 21
    assert np.median(np.abs(late)) < 0.1 and np.percentile(np.abs(late), 90) < 0.2


@pytest.mark.skipif(not EMODB.is_dir(), reason="the speech for measuring is not here")
def test_pitch_agrees_with_world_on_real_speech():
    pyworld = pytest.importorskip("pyworld")
    rows = [json.loads(line) for line in (EMODB / "clips.jsonl").read_text().splitlines()][::40]
    apart = []
    for row in rows:
        wave = load(Sound(clip(EMODB / row["clip"])), RATE).wave
        track = pitch(wave, RATE)
        samples = wave.astype(np.float64)
        coarse, times = pyworld.dio(samples, RATE, f0_floor=60.0, f0_ceil=600.0)
        fine = pyworld.stonemask(samples, coarse, times, RATE)
        theirs = np.interp(track.times, times, fine)
        both = track.voiced & (np.interp(track.times, times, (fine > 0).astype(float)) == 1)
        apart.extend(np.abs(np.log2(track.hertz[both] / theirs[both])))
    assert len(apart) > 500
    assert np.mean(np.array(apart) < 1 / 12) > 0.9  # within a semitone
