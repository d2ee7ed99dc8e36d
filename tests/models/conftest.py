"""What the tests of the models share: a tone on disk, and turns about it as the engine makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cpbench.audio import clip, load
from cpbench.records import Generation, Request, Sound, Turn

MakeTurn = Callable[..., Turn]


@pytest.fixture
def tone(tmp_path: Path) -> Callable[..., Path]:
    """Write a sine: tone(seconds, hertz) -> a 16-bit WAV file at 16 kHz of amplitude 0.5."""

    def write(seconds: float = 1.0, hertz: float = 440.0, rate: int = 16000) -> Path:
        wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
        path = tmp_path / f"tone-{hertz:g}-{seconds:g}.wav"
        soundfile.write(path, wave, rate, subtype="PCM_16")
        return path

    return write


@pytest.fixture
def turn(tone: Callable[..., Path]) -> MakeTurn:
    """turn(item_id, text, seconds=, hertz=, clips=) -> a Turn; clips=0: words alone."""

    def make(
        item_id: str = "a",
        text: str = "How does she feel?",
        *,
        task: str = "t",
        condition: str = "audio",
        seconds: float = 1.0,
        hertz: float = 440.0,
        clips: int = 1,
    ) -> Turn:
        sounds = tuple(Sound(clip(tone(seconds, hertz + 100 * n))) for n in range(clips))
        heard = tuple(load(sound, 16000) for sound in sounds)
        return Turn(Request(item_id, task, condition, text, sounds, Generation(max_new_tokens=32)), heard)

    return make
