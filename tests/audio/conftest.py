"""Real sound files of known tones."""

import numpy as np
import pytest
import soundfile

from cpbench.audio import clip, load
from cpbench.records import Sound

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


def tone(seconds=1.0, rate=16000, hertz=440.0, level=0.5):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def sound_file(tmp_path):
    """sound_file(suffix, rate, channels, seconds, hertz) -> a file of that kind with a tone."""

    def make(suffix="wav", *, rate=16000, channels=1, seconds=1.0, hertz=440.0):
        path = tmp_path / f"{rate}-{channels}-{hertz:g}.{suffix}"
        wave = tone(seconds, rate, hertz)
        kind, subtype = FORMATS[suffix]
        stacked = wave if channels == 1 else np.stack([wave, np.zeros_like(wave)], axis=1)
        soundfile.write(path, stacked, rate, format=kind, subtype=subtype)
        return path

    return make


@pytest.fixture
def hear():
    """hear(path, rate) -> the decoded file."""
    return lambda path, rate=16000: load(Sound(clip(path)), rate)
