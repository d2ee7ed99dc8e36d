"""`gain:-12db`: decibels, and nothing clipped unseen."""

from __future__ import annotations

import numpy as np
import pytest

from cpbench.conditions import present
from cpbench.engine import turns
from cpbench.errors import BadClip
from cpbench.records import ModelCard, Setting

from .conftest import RATE


@pytest.mark.parametrize("gain", [-40, -12, -0.5, 0, 3])
def test_every_sample_is_multiplied(speech, effect, gain):
    wave = 0.5 * speech[0]
    heard = effect(f"gain:{gain}db")(wave, RATE)
    assert heard.dtype == np.float32
    assert 20 * np.log10(np.linalg.norm(heard) / np.linalg.norm(wave)) == pytest.approx(gain, abs=1e-4)
    assert np.allclose(heard, wave * 10 ** (gain / 20), atol=1e-7)


def test_a_gain_that_would_clip_is_refused_with_the_room_there_is(effect):
    wave = np.array([0.0, 0.5, -0.25] * 1000, np.float32)  # 6.02 dB of room
    assert np.abs(effect("gain:6db")(wave, RATE)).max() < 1
    with pytest.raises(BadClip, match=r"gain of \+7 dB would clip; the clip has room for \+6\.0 dB"):
        effect("gain:7db")(wave, RATE)


def test_a_refused_clip_is_an_error_and_counted(item):
    failed = []
    requests = present([item], "gain:60db", Setting())
    assert list(turns([tuple(requests)], ModelCard("m", "test"), failed.append, lambda: False)) == []
    assert [prediction.status for prediction in failed] == ["error"]
    assert item.clips[0].path in failed[0].error


def test_silence_may_be_made_louder(effect):
    assert np.array_equal(effect("gain:20db")(np.zeros(100, np.float32), RATE), np.zeros(100))
