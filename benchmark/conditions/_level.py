"""How loud a wave is from moment to moment, and where somebody speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

HOP = 0.005  # seconds between two frames
WINDOW = 0.025  # seconds of a frame
RANGE = 25.0  # decibels below the loudest frame that still count as speech: consonants do, pauses do not


def levels(wave: np.ndarray, sampling_rate: int, frames: int | None = None) -> np.ndarray:
    """The mean square in decibels of full scale, float64 (frames,), the window centred on every multiple of 5 ms.

    `frames`: how many; None: one for every 5 ms that have begun.
    """
    import numpy as np

    count = int(len(wave) / sampling_rate / HOP) + 1 if frames is None else frames
    centres = np.round(np.arange(count) * HOP * sampling_rate).astype(int)
    half = max(1, round(WINDOW * sampling_rate / 2))
    first, last = np.clip(centres - half, 0, len(wave)), np.clip(centres + half, 0, len(wave))
    power = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
    return np.asarray(10 * np.log10(np.maximum((power[last] - power[first]) / np.maximum(last - first, 1), 1e-20)))


def active(level: np.ndarray) -> np.ndarray:
    """Which frames are speech: bool, those within 25 dB of the loudest."""
    import numpy as np

    return np.asarray(level > level.max() - RANGE)


def speech_power(wave: np.ndarray, sampling_rate: int) -> float:
    """The mean square over the frames in which somebody speaks; pauses do not lower it. 0 for digital silence."""
    import numpy as np

    level = levels(wave, sampling_rate)
    return float(np.mean(10 ** (level[active(level)] / 10))) if np.any(wave) else 0.0
