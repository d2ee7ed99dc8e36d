"""Level and pitch of a signal, frame by frame: what an encoder can be taught of a voice without any label."""

from __future__ import annotations

import numpy as np

HOP = 0.01  # seconds
WIDTH = 0.04
LOWEST, HIGHEST = 60.0, 400.0  # hertz
VOICED = 0.5  # of the normalised autocorrelation's peak
QUIET = -50.0  # decibels of full scale, below which nobody speaks
MIDDLE, SPREAD = 5.2, 0.4  # of the logarithm of speakers' pitch: 180 Hz, and from 120 to 270


def prosody(wave: np.ndarray, sampling_rate: int) -> np.ndarray:
    """float32 (max(1, T // hop), 3): level, pitch, and whether there is a pitch (1 or 0); a frame every 10 ms.

    wave: float32 (T,). Level: decibels of full scale over 40 ms, + 40, / 20. Pitch: the natural logarithm of the hertz
    at the first high peak of the normalised autocorrelation, less 5.2, / 0.4; 0 where the voice has none.
    """
    hop, width = round(HOP * sampling_rate), round(WIDTH * sampling_rate)
    count = max(1, len(wave) // hop)
    padded = np.pad(np.asarray(wave, np.float64), (width // 2, width + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[: count * hop : hop]
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-10)
    hertz, strength = _pitch(frames, sampling_rate)
    voiced = (strength > VOICED) & (level > QUIET)
    pitch = np.where(voiced, (np.log(hertz) - MIDDLE) / SPREAD, 0.0)
    return np.stack([(level + 40) / 20, pitch, voiced], axis=1).astype(np.float32)


def _pitch(frames: np.ndarray, sampling_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Hertz and strength (0 to 1) of each frame's period; frames (N, width)."""
    frames = frames - frames.mean(axis=1, keepdims=True)
    width = frames.shape[1]
    spectrum = np.abs(np.fft.rfft(frames, 2 * width, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum, axis=1)[:, :width]
    lags = np.arange(width)
    correlation = correlation / (correlation[:, :1] + 1e-9) * width / (width - lags)  # a long lag sums fewer products
    first, last = int(sampling_rate / HIGHEST), min(width - 1, int(sampling_rate / LOWEST))
    inside = correlation[:, first : last + 1]
    best = inside.max(axis=1)
    high = inside >= 0.9 * best[:, None]  # the first of the high peaks: later ones are whole multiples of the period
    peak = (inside >= np.roll(inside, 1, axis=1)) & (inside >= np.roll(inside, -1, axis=1))
    place = np.argmax(high & peak, axis=1)
    return sampling_rate / (place + first), np.clip(best, 0, 1)
