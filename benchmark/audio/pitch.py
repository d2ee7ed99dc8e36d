"""Fundamental frequency by autocorrelation: no model, no weights, a few milliseconds for a second of speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HOP = 0.01  # seconds between frames
FRAME = 0.04  # seconds in a frame: three periods of the lowest voice
LOWEST, HIGHEST = 60.0, 600.0  # Hz; an angry woman reaches 500
VOICED = 0.5  # of the autocorrelation at lag 0: what counts as voiced
OCTAVE = 0.03  # what a candidate pays for every octave below the highest, so that half the true pitch does not win
MINUTE = 6000  # frames that are worked on at once
SILENCE = 35.0  # dB below the clip's loudest frames: quieter than that is not voice


@dataclass(frozen=True)
class Track:
    """Frames of a wave, each the centre of 40 ms: arrays of one length."""

    times: np.ndarray  # seconds
    hertz: np.ndarray  # float64, NaN where unvoiced
    level: np.ndarray  # dB relative to full scale, of the frame's root mean square

    @property
    def voiced(self) -> np.ndarray:
        return np.asarray(~np.isnan(self.hertz))


def pitch(wave: np.ndarray, sampling_rate: int) -> Track:
    """The pitch of a mono wave every 10 ms.

    The autocorrelation of each windowed frame is divided by that of its window (Boersma 1993, eq. 9), and the highest
    peak between 60 and 600 Hz is taken; then once more, within what the quartiles of that minute allow (after De Looze
    and Hirst 2008), which removes octave errors. A wave shorter than a frame is padded with silence.
    """
    length, hop = round(FRAME * sampling_rate), round(HOP * sampling_rate)
    padded = np.pad(wave, (0, max(0, length - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop]
    times = (np.arange(len(frames)) * hop + length / 2) / sampling_rate
    minutes = [slice(start, start + MINUTE) for start in range(0, len(frames), MINUTE)]  # else memory grows with them
    level = np.concatenate([_level(frames[minute]) for minute in minutes])
    loud = level > np.percentile(level, 95) - SILENCE
    hertz = np.concatenate([_tracked(frames[minute], loud[minute], sampling_rate) for minute in minutes])
    return Track(times, _without_islands(hertz), level)


def _level(frames: np.ndarray) -> np.ndarray:
    """(N,) dB."""
    level: np.ndarray = 10.0 * np.log10(np.var(frames, axis=1, dtype=np.float64) + 1e-10)
    return level


def _tracked(frames: np.ndarray, loud: np.ndarray, rate: int) -> np.ndarray:
    """(N,) Hz, NaN where a frame is not loud or has no peak."""
    likeness = _autocorrelation(frames - frames.mean(axis=1, keepdims=True, dtype=np.float64), rate)
    hertz = np.where(loud, _best(likeness, rate, LOWEST, HIGHEST), np.nan)
    heard = hertz[~np.isnan(hertz)]
    if len(heard) < 10:
        return hertz
    low, high = np.percentile(heard, [25, 75])
    within = _best(likeness, rate, max(LOWEST, 0.6 * low), min(HIGHEST, 2.5 * high))
    return np.where(loud, within, np.nan)


def _autocorrelation(frames: np.ndarray, rate: int) -> np.ndarray:
    """(N, lags): 1 at lag 0, and 1 at every period of a periodic frame, for the window's own is divided out."""
    length = frames.shape[1]
    window = np.hanning(length + 2)[1:-1]
    lags, size = round(rate / LOWEST) + 2, 1 << (2 * length - 1).bit_length()
    own = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2, size)[:lags]
    raw = np.fft.irfft(np.abs(np.fft.rfft(frames * window, size)) ** 2, size)[:, :lags]
    zero = raw[:, :1]
    shape = np.where(own / own[0] > 0.05, own / own[0], np.inf)  # beyond it there is too little left to divide by
    likeness: np.ndarray = np.divide(raw, zero, out=np.zeros_like(raw), where=zero > 1e-12) / shape
    return likeness


def _best(likeness: np.ndarray, rate: int, low: float, high: float) -> np.ndarray:
    """(N,) Hz of the highest peak between two frequencies, refined by a parabola; NaN where no peak is high enough."""
    first, last = max(2, int(rate / high)), min(likeness.shape[1] - 2, int(np.ceil(rate / low)))
    middle = likeness[:, first : last + 1]
    before, after = likeness[:, first - 1 : last], likeness[:, first + 1 : last + 2]
    lags = np.arange(first, last + 1)
    peak = (middle >= before) & (middle > after) & (middle > VOICED)
    cost = OCTAVE * np.log2(lags / first)
    chosen = np.argmax(np.where(peak, middle - cost, -np.inf), axis=1)
    rows = np.arange(len(likeness))
    left, top, right = before[rows, chosen], middle[rows, chosen], after[rows, chosen]
    bend = left - 2 * top + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=np.abs(bend) > 1e-12)
    return np.where(peak.any(axis=1), rate / (lags[chosen] + shift), np.nan)


def _without_islands(hertz: np.ndarray) -> np.ndarray:
    """Unvoice runs of fewer than three frames: clicks and bursts, not syllables."""
    voiced = np.concatenate([[False], ~np.isnan(hertz), [False]])
    edges = np.flatnonzero(np.diff(voiced.astype(np.int8)))
    kept = hertz.copy()
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start < 3:
            kept[start:stop] = np.nan
    return kept
