"""Where somebody speaks: by level against the clip's own noise, and by whether there is a voice in it."""

from __future__ import annotations

import numpy as np

from cpbench.audio.pitch import HOP, Track, pitch

QUIETEST = -60.0  # dB of full scale: below it there is nothing to hear
RANGE = 35.0  # dB below the loudest frames: speech does not go further down
ABOVE_NOISE = 6.0  # dB over the noise
BURST = 0.03  # seconds of voice that a stretch of sound must hold to be speech
PAUSE = 0.3  # seconds: a shorter silence is part of speaking (a stop consonant, a breath between words)
MARGIN = 0.05  # seconds kept before and after: fricatives begin softly


def speech_spans(wave: np.ndarray, sampling_rate: int) -> list[tuple[float, float]]:
    """The stretches of a mono wave in which somebody speaks: (start, end) in seconds, in order, not touching.

    A frame of 10 ms is sound where it is 6 dB above the clip's noise (its quietest tenth), no more than 35 dB below its
    loudest twentieth, and above -60 dB of full scale. Stretches without 30 ms of voice (clicks, knocks, hiss) are left
    out, and silences below 0.3 s are bridged. A clip whose level hardly changes is speech as far as it is voiced. It
    knows voices by their pitch only: whispering is not found, and singing or an instrument is.
    """
    track = pitch(wave, sampling_rate)
    seconds = len(wave) / sampling_rate
    runs = [run for run in _runs(_sounding(track)) if _holds_voice(track, *run)]
    spans: list[tuple[float, float]] = []
    for first, last in runs:
        start = max(0.0, float(track.times[first]) - HOP / 2 - MARGIN)
        end = min(seconds, float(track.times[last]) + HOP / 2 + MARGIN)
        if spans and start - spans[-1][1] < PAUSE - 2 * MARGIN:
            start = spans.pop()[0]
        spans.append((round(start, 3), round(end, 3)))
    return spans


def grid(seconds: float, window: float, hop: float | None = None) -> list[tuple[float, float]]:
    """Windows over a clip, as (start, end) in seconds: every `hop` (None: one after the other), up to the clip's end.

    A rest of less than half a window belongs to the last one. `hop` is at most `window`; both above 0.

    >>> grid(5.5, 2.0), grid(4.9, 2.0), grid(0.7, 2.0)
    ([(0.0, 2.0), (2.0, 4.0), (4.0, 5.5)], [(0.0, 2.0), (2.0, 4.9)], [(0.0, 0.7)])
    """
    hop = window if hop is None else hop
    if not 0 < hop <= window:
        raise ValueError(f"a hop of {hop} s for windows of {window} s")
    count = max(1, int((seconds - window / 2) / hop + 1e-9) + 1)
    spans = [(round(n * hop, 3), round(min(n * hop + window, seconds), 3)) for n in range(count)]
    return [*spans[:-1], (spans[-1][0], round(seconds, 3))]


def _sounding(track: Track) -> np.ndarray:
    """Bool (N,): which frames are louder than the background."""
    noise, peak = np.percentile(track.level, [10, 95])
    if peak - noise < 2 * ABOVE_NOISE:  # no pause to take the noise from
        return np.asarray(track.voiced & (track.level > QUIETEST))
    floor = max(noise + ABOVE_NOISE, peak - RANGE, QUIETEST)
    return np.asarray(track.level > floor)


def _runs(sounding: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) frame of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], sounding.astype(np.int8), [0]])))
    return [(int(start), int(stop) - 1) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _holds_voice(track: Track, first: int, last: int) -> bool:
    return bool(np.count_nonzero(track.voiced[first : last + 1]) * HOP >= BURST)
