"""`noise:10db`: the ratio, recomputed from what was added; the shape of what was added; the seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from cpbench.errors import BadClip

from .conftest import RATE, levels


def ratio(wave, added):
    """Signal-to-noise ratio in decibels: the power of the 25 ms within 25 dB of the loudest, over the noise's."""
    level = levels(wave)
    return 10 * np.log10(np.mean(10 ** (level[level > level.max() - 25] / 10)) / np.mean(added.astype(np.float64) ** 2))


def bands(wave):
    """Decibels in third octaves from 125 Hz to 6.3 kHz."""
    frequency, density = welch(wave, RATE, nperseg=1024)
    centres = 1000 * 2 ** (np.arange(-9, 9) / 3)
    return np.array(
        [
            10 * np.log10(density[(frequency >= c * 2 ** (-1 / 6)) & (frequency < c * 2 ** (1 / 6))].mean() + 1e-20)
            for c in centres
        ]
    )


@pytest.mark.parametrize("kind", ["", "-white"])
@pytest.mark.parametrize("snr", [-5, 0, 10, 30])
def test_the_ratio_is_what_was_asked_for(speech, effect, snr, kind):
    for wave in speech:
        quiet = 0.3 * wave  # room for the noise
        noisy = effect(f"noise:{snr}db{kind}")(quiet, RATE)
        assert noisy.dtype == np.float32
        assert ratio(quiet, noisy - quiet) == pytest.approx(snr, abs=0.15)


def test_pauses_do_not_change_the_ratio(speech, effect):
    wave = 0.3 * speech[0]
    paused = np.concatenate([np.zeros(2 * len(wave), np.float32), wave])
    added = effect("noise:10db")(paused, RATE) - paused
    assert ratio(wave, added) == pytest.approx(10, abs=0.15)


def test_the_noise_has_the_speech_s_spectrum(speech, effect):
    for wave in speech:
        quiet = 0.3 * wave
        shaped = bands(effect("noise:10db")(quiet, RATE) - quiet)
        white = bands(effect("noise:10db-white")(quiet, RATE) - quiet)
        spoken = bands(quiet)
        assert (shaped - spoken).std() < 2.5
        assert white.std() < 1.5
        assert (white - spoken).std() > 5


def test_the_noise_is_steady(speech, effect):
    added = effect("noise:10db")(0.3 * speech[0], RATE) - 0.3 * speech[0]
    assert levels(added).std() < 2.5


def test_a_loud_clip_is_turned_down_and_keeps_its_ratio(speech, effect):
    loud = speech[0] / np.abs(speech[0]).max()
    noisy = effect("noise:0db")(loud, RATE)
    assert np.abs(noisy).max() == pytest.approx(1.0)
    gain = float(noisy.astype(np.float64) @ loud / (loud.astype(np.float64) @ loud))
    assert ratio(gain * loud, noisy - gain * loud) == pytest.approx(0, abs=0.3)


def test_it_depends_on_the_clip_and_the_seed_alone(speech, effect):
    wave = 0.3 * speech[0]
    noisy = effect("noise:10db")(wave, RATE)
    assert np.array_equal(effect("noise:10db")(wave, RATE), noisy)
    for other in (effect("noise:10db", seed=1), effect("noise:10db", sha256="cd" * 32)):
        assert abs(np.corrcoef(noisy - wave, other(wave, RATE) - wave)[0, 1]) < 0.2
        assert repr(other) != repr(effect("noise:10db"))


def test_digital_silence_has_no_ratio(effect):
    with pytest.raises(BadClip, match="digital silence"):
        effect("noise:10db")(np.zeros(RATE, np.float32), RATE)


def test_a_clip_of_a_tenth_of_a_second(effect):
    wave = (0.1 * np.sin(np.arange(1600) / 5)).astype(np.float32)
    assert np.isfinite(effect("noise:10db")(wave, RATE)).all()
