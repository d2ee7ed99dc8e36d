"""`speed:1.1`: length, frequency, and the same as resampling by an independent library."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from cpbench.audio import load
from cpbench.conditions import present
from cpbench.records import Clip, Item, Setting

from .conftest import RATE


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.1, 2.0])
@pytest.mark.parametrize("samples", [16000, 16001, 31999])
def test_length_and_pitch_follow_the_factor(effect, factor, samples):
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(samples) / RATE)).astype(np.float32)
    heard = effect(f"speed:{factor}")(tone, RATE)
    assert heard.dtype == np.float32
    assert len(heard) == round(samples / factor)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)), 1 << 18))
    assert np.argmax(spectrum) * RATE / (1 << 18) == pytest.approx(440 * factor, abs=0.2)
    assert np.sqrt(np.mean(heard[1000:-1000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_it_is_resampling(speech, effect):
    """As sox's `speed` and Kaldi's speed perturbation; here beside scipy's polyphase filter."""
    wave = speech[0]
    heard, beside = effect("speed:1.1")(wave, RATE), resample_poly(wave, 10, 11)
    frames = min(len(heard), len(beside))
    assert np.corrcoef(heard[:frames], beside[:frames])[0, 1] > 0.99


def test_what_rises_above_half_the_rate_is_left_out_and_not_folded(effect):
    tone = (0.5 * np.sin(2 * np.pi * 7600 * np.arange(RATE) / RATE)).astype(np.float32)
    assert np.abs(effect("speed:1.1")(tone, RATE)[200:-200]).max() < 0.01


def test_a_clip_played_faster_is_not_heard_in_part(demo_clips):
    item = Item("a", "t", demo_clips[:1], "q", ("ref",))
    (request,) = present([item], "speed:1.25", Setting())
    heard = load(request.sounds[0], RATE)
    prediction = request.answered("yes", heard=heard.seconds)
    assert prediction.audio_seconds == pytest.approx(demo_clips[0].seconds / 1.25)
    assert prediction.audio_seconds_heard == pytest.approx(prediction.audio_seconds, abs=1e-3)


def test_a_prefix_of_it_is(demo_clips):
    item = Item("a", "t", demo_clips[:1], "q", ("ref",))
    (request,) = present([item], "prefix:0.5+speed:1.25", Setting())
    assert request.sounds[0].seconds == pytest.approx(demo_clips[0].seconds / 1.25)
    assert load(request.sounds[0], RATE).seconds == pytest.approx(0.4)


def test_an_unknown_length_stays_unknown():
    item = Item("a", "t", (Clip("x.wav", None, None, "r"),), "q", ("ref",))
    assert present([item], "speed:1.25", Setting())[0].sounds[0].seconds is None
