"""`codec:opus8k`: which codec an argument means. What the codecs do is held in tests/audio/test_codecs.py."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from cpbench.conditions.codec import Coded

from .conftest import RATE


@pytest.mark.parametrize(
    ("argument", "means"),
    [
        ("opus8k", Coded("opus", 8)),
        ("opus256k", Coded("opus", 256)),
        ("mp3-32k", Coded("mp3", 32)),
        ("mulaw", Coded("mulaw", 64)),
    ],
)
def test_an_argument_names_codec_and_bit_rate(effect, argument, means):
    assert effect(f"codec:{argument}") == means


def test_speech_comes_back_changed_in_its_place(speech, effect):
    for wave in speech:
        heard = effect("codec:opus8k")(wave, RATE)
        assert heard.shape == wave.shape
        assert heard.dtype == np.float32
        assert np.corrcoef(heard, wave)[0, 1] > 0.8
        assert not np.allclose(heard, wave, atol=0.01)


def test_it_is_what_a_file_written_so_would_sound_like(speech, effect):
    """8 kbit/s is libsndfile's compression level .992: of 6 to 256 kbit/s, .8 % of the way."""
    file = io.BytesIO()
    soundfile.write(file, speech[0], RATE, format="OGG", subtype="OPUS", compression_level=0.992)
    file.seek(0)
    assert np.array_equal(effect("codec:opus8k")(speech[0], RATE), soundfile.read(file, dtype="float32")[0])
