"""Voices and feelings of the synthetic corpus, spoken by espeak-ng.

An emotion here is a manner of speaking relative to the voice: pitch, range, rate, level and tremor. It stands in for
human emotion to exercise the machinery; it says nothing about human speech.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from xml.sax.saxutils import escape

from cpbench.data.synth.grammar import Part
from cpbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np

Gender = Literal["male", "female"]
SAMPLING_RATE = 16000
ESPEAK_VERSION = "1.51"  # the packaged clips were spoken by this one
_LEVEL = 0.045  # RMS of every voice's neutral speech, of full scale: loud anger must not clip
_CALIBRATION = "Anna bought the camera at the station on Monday."
_VOICES: dict[Part, dict[Gender, tuple[str, ...]]] = {
    "train": {
        "male": (
            "m1", "m2", "m3", "m5", "m6", "m7", "m8", "Alex", "Andy", "Mike", "Michael", "max", "michel",
            "norbert", "Denis", "ed", "pablo", "sandro",
        ),
        "female": (
            "f1", "f2", "f3", "f4", "Annie", "Alicia", "belinda", "aunty", "shelby", "grandma", "anika", "steph3",
        ),
    },
    "demo": {"male": ("m4", "miguel", "victor"), "female": ("f5", "Andrea", "linda")},
}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """An espeak-ng variant of American English."""

    name: str
    gender: Gender


@dataclass(frozen=True)
class Manner:
    """A way of speaking, relative to the voice's own: 1.0 is as the voice speaks by itself."""

    pitch: float
    range: float
    rate: float
    decibels: float
    tremor: float = 0.0  # depth of an amplitude modulation of 7 Hz, 0 to 1


# The rate is the same for all: a clip's length would tell the emotion even where nobody speaks (condition `silence`).
EMOTIONS: dict[str, Manner] = {
    "anger": Manner(pitch=1.05, range=1.5, rate=1.0, decibels=8.0),
    "fear": Manner(pitch=1.3, range=0.5, rate=1.0, decibels=-3.0, tremor=0.6),
    "happiness": Manner(pitch=1.4, range=2.2, rate=1.0, decibels=3.0),
    "neutral": Manner(pitch=1.0, range=1.0, rate=1.0, decibels=0.0),
    "sadness": Manner(pitch=0.85, range=0.3, rate=1.0, decibels=-6.0),
}


def voices(part: Part) -> tuple[Voice, ...]:
    """The voices of a part: no voice speaks in both."""
    return tuple(Voice(name, gender) for gender, names in _VOICES[part].items() for name in names)


def speak(text: str, voice: Voice, manner: Manner) -> np.ndarray:
    """Speak a sentence. float32 (T,), mono, 16 kHz, in [-1, 1]; the same samples every time.

    Raises UserError where espeak-ng is missing or fails.
    """
    import numpy as np

    wave = _espeak(text, voice.name, manner.pitch, manner.range, manner.rate)
    wave = wave * (_gain(voice.name) * 10 ** (manner.decibels / 20))
    if manner.tremor:
        time = np.arange(len(wave)) / SAMPLING_RATE
        wave = wave * (1 - manner.tremor * (0.5 + 0.5 * np.sin(2 * np.pi * 7.0 * time)))
    return np.clip(wave, -0.99, 0.99).astype(np.float32)


@functools.cache
def _gain(voice: str) -> float:
    """What brings the voice's neutral speech to the common level: the variants differ by up to 12 dB."""
    wave = _espeak(_CALIBRATION, voice, 1.0, 1.0, 1.0)
    return float(_LEVEL / (wave**2).mean() ** 0.5)


def _espeak(text: str, voice: str, pitch: float, span: float, rate: float) -> np.ndarray:
    import numpy as np
    import soxr

    prosody = f'pitch="{(pitch - 1) * 100:+.0f}%" range="{(span - 1) * 100:+.0f}%" rate="{rate * 100:.0f}%"'
    ssml = f"<speak><prosody {prosody}>{escape(text)}</prosody></speak>"
    command = [_program(), "-v", f"en-us+{voice}", "-m", "--stdout", "--stdin"]
    done = subprocess.run(command, input=ssml.encode(), capture_output=True, check=False)
    if done.returncode or len(done.stdout) < 1000:
        raise UserError(f"espeak-ng failed: {done.stderr.decode(errors='replace').strip()}", value=voice)
    # The header of a stream cannot know its length: the samples begin after its 44 bytes, and its rate is at byte 24.
    given = int.from_bytes(done.stdout[24:28], "little")
    wave = np.frombuffer(done.stdout[44 : len(done.stdout) // 2 * 2], dtype="<i2").astype(np.float32) / 32768
    return np.asarray(soxr.resample(wave, given, SAMPLING_RATE), dtype=np.float32)


@functools.cache
def _program() -> str:
    program = shutil.which("espeak-ng")
    if program is None:
        raise UserError("espeak-ng is not installed", mend="apt-get install espeak-ng")
    return program


def espeak_version() -> str | None:
    """The version of the installed espeak-ng; None where there is none."""
    if shutil.which("espeak-ng") is None:
        return None
    said = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.\d+(\.\d+)?", said)
    return found.group() if found else None
