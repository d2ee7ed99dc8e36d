from __future__ import annotations

import numpy as np
import pytest
import torch

from cpbench.errors import BadClip
from cpbench.speechlm import LogMelExtractor


def tone(hertz: float, level: float = 0.1, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(16000 * seconds)) / 16000
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_ten_times_the_amplitude_is_one_more_in_every_loud_band() -> None:
    extractor = LogMelExtractor()
    quiet, loud = (extractor(tone(1000, level))["input_features"][0] for level in (0.05, 0.5))
    strong = quiet > 0.0
    assert strong.any()
    torch.testing.assert_close(loud[strong], quiet[strong] + 1.0, atol=1e-3, rtol=0)  # 20 dB / 10 / the scale of 2


def test_a_tone_is_loudest_in_the_band_of_its_frequency() -> None:
    from transformers.audio_utils import hertz_to_mel

    mel = LogMelExtractor()(tone(1000))["input_features"][0]
    low, high = hertz_to_mel(40.0, "slaney"), hertz_to_mel(8000.0, "slaney")
    centre = (hertz_to_mel(1000.0, "slaney") - low) / (high - low) * 81 - 1
    assert abs(int(mel[:, 50].argmax()) - centre) <= 1


def test_a_frame_each_ten_milliseconds() -> None:
    extractor = LogMelExtractor()
    made = extractor([tone(500, seconds=1.0), tone(500, seconds=0.25)])
    assert made["input_features"].shape == (2, 80, 100)
    assert made["attention_mask"].sum(-1).tolist() == [100, 25]


def test_a_padded_batch_holds_the_same_numbers() -> None:
    extractor = LogMelExtractor()
    short = tone(300, seconds=0.4)
    alone = extractor(short)["input_features"][0]
    beside = extractor([tone(700), short])["input_features"][1]
    assert torch.equal(beside[:, :40], alone)
    assert not beside[:, 40:].any()


def test_no_samples_are_a_bad_clip() -> None:
    with pytest.raises(BadClip):
        LogMelExtractor()([np.zeros(0, np.float32)])
