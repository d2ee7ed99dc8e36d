"""Small clips on disk, and models that show what they were given."""

import numpy as np
import pytest
import soundfile

from cpbench.audio import clip
from cpbench.records import Item


@pytest.fixture
def tone(tmp_path):
    """tone(name, hertz, seconds) -> a Clip of a sine at 16 kHz."""

    def make(name, hertz, seconds=0.5, recording=None):
        time = np.arange(round(seconds * 16000)) / 16000
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * time).astype(np.float32), 16000, subtype="FLOAT")
        return clip(path, recording=recording or name)

    return make


@pytest.fixture
def items(tone):
    """Three clips of different length, two questions each."""
    clips = [tone("short", 300, 0.3), tone("long", 500, 1.2), tone("middle", 400, 0.6)]
    return [
        Item(f"{c.recording}-{n}", "t", (c,), f"question {n}?", (str(n),), type="C", label=str(n), options=("0", "1"))
        for c in clips
        for n in range(2)
    ]
