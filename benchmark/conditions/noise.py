"""`noise:10db`: steady noise with the spectrum of the clip's own speech, at a signal-to-noise ratio.

Noise with the long-term spectrum of speech is the masker of speech audiometry (Plomp & Mimpen 1979): it covers every
band of this voice alike, where white noise (`noise:10db-white`) covers mostly the consonants.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cpbench.conditions._level import HOP, active, levels, speech_power
from cpbench.conditions._numbers import decibels
from cpbench.errors import BadClip
from cpbench.records import Item, Request, Setting, Sound

if TYPE_CHECKING:
    import numpy as np

MEANING = "How far this model's answers change under steady noise of this level; nothing about babble, music or rooms."
IN: Mapping[str, str] = {"perturbations": "noise:10db"}
Shape = Literal["speech", "white"]


@dataclass(frozen=True)
class Noise:
    """Noise `snr` decibels below the speech; its level is taken where somebody speaks (25 ms within 25 dB of the peak).

    Where the sum would pass full scale, the whole is turned down to it: the ratio stays exact, and nothing is clipped.
    The noise depends on the clip and the seed. Raises BadClip for digital silence, which has no such ratio.
    """

    snr: float  # decibels
    shape: Shape
    seed: int
    clip: str  # the first digits of its sha256

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        import numpy as np

        if (power := speech_power(wave, sampling_rate)) == 0:
            raise BadClip(f"noise at {self.snr:g} dB: the clip is digital silence, and has no signal-to-noise ratio")
        noise = np.random.default_rng([self.seed, int(self.clip, 16)]).standard_normal(len(wave))
        if self.shape == "speech":
            noise = _shaped(noise, wave, sampling_rate)
        noise *= np.sqrt(power / 10 ** (self.snr / 10) / np.mean(noise**2))
        mixed = wave + noise
        return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    ratio, dash, rest = argument.rpartition("-white")
    white = bool(dash) and not rest
    snr = decibels("noise", ratio if white else argument, lowest=-30.0, highest=60.0, example="noise:10db")
    shape: Shape = "white" if white else "speech"
    for request in requests:
        sounds = tuple(
            Sound(sound.clip, (*sound.effects, Noise(snr, shape, setting.seed, (sound.clip.sha256 or "0")[:16])))
            for sound in request.sounds
        )
        yield dataclasses.replace(request, sounds=sounds)


def _shaped(noise: np.ndarray, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
    """White noise (T,) filtered to the long-term average spectrum of the wave's speech."""
    import numpy as np

    size = min(len(wave), 1 << round(np.log2(0.032 * sampling_rate)))
    hop = size // 2
    starts = np.arange(0, len(wave) - size + 1, hop)
    frames = wave[starts[:, None] + np.arange(size)].astype(np.float64)
    level = levels(wave, sampling_rate)
    spoken = active(level)[np.minimum(np.round((starts + hop) / sampling_rate / HOP).astype(int), len(level) - 1)]
    frames = frames[spoken] if spoken.any() else frames
    spectrum = np.sqrt(np.mean(np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2, axis=0))
    bins = np.fft.rfftfreq(len(noise))
    return np.fft.irfft(np.fft.rfft(noise) * np.interp(bins, np.fft.rfftfreq(size), spectrum), len(noise))
