"""Samples at another rate, and at another speed."""

from __future__ import annotations

import numpy as np


def resample(wave: np.ndarray, rate: float, to: float) -> np.ndarray:
    """float32 (T,) at `rate` to float32 of about T * to / rate samples at `to`, what fits below half of it."""
    import soxr

    if rate == to:
        return wave
    resampled: np.ndarray = soxr.resample(wave, rate, to, quality="HQ")
    return resampled


def sped(wave: np.ndarray, factor: float) -> np.ndarray:
    """Play float32 (T,) `factor` times as fast: round(T / factor) samples, every frequency `factor` times as high."""
    return of_length(resample(wave, factor, 1.0), round(len(wave) / factor))


def of_length(wave: np.ndarray, samples: int) -> np.ndarray:
    """Cut the end, or add zeros to it: resamplers and codecs end a sample early or late."""
    return np.pad(wave[:samples], (0, max(0, samples - len(wave))))
