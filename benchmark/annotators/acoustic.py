"""`acoustic`: how excited a voice is, by its energy, pitch and rate against the same speaker's other clips; no weights.

It gives arousal only. Valence does not lie in these measures, and no emotion is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from cpbench.annotators._windows import Windows
from cpbench.audio import Track, pitch
from cpbench.records import Annotation, Clip, Heard, Tag

FEWEST = 5  # stretches of a speaker, below which all speakers together are the comparison
EVENED = 2.0  # dB: where the middle half of a speaker's peaks lies closer together, somebody has evened the level
ENOUGH = 3000  # frames for a spectrum: half a minute of voice
DIP = 2.0  # dB between two syllables
MEASURES = ("level", "balance", "height", "range", "rate", "peak")
PEAK = MEASURES.index("peak")  # says whether the level may be used; not a measure of arousal itself
Usual = dict[str | None, tuple[np.ndarray, np.ndarray]]


@dataclass
class Acoustic:
    """`window`, `hop`, `context`, `speech`: see `Windows`; by default one tag a clip.

    Five measures of a stretch are each taken against the mean and the standard deviation of the speaker's stretches:
    energy as the level of its voiced frames and as the balance of its spectrum, which a loud voice shifts upwards
    whatever the microphone's gain; the median of the pitch, and its spread; syllables in a second. Their mean goes
    to -1 to 1 by tanh: 0 is how this speaker usually sounds. Where the level was evened (most corpora bring each clip's
    peak to full scale) it is left out, for it then says the opposite.

    A speaker who is not named is the recording; of whom there are fewer than five stretches, all stretches together
    are the comparison. So everything is heard before anything is said, and it depends on the other clips (`relative`).
    """

    window: float | None = None
    hop: float | None = None
    context: float = 1.0
    speech: float = 0.25
    name: ClassVar[str] = "acoustic@1"
    relative: ClassVar[bool] = True

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        """Yield the tags of each sound, in order, once all are heard; none where there is no voice to measure."""
        heard = [(one.sound.clip, *self._measured(one)) for one in sounds]
        usual = _usual([(_speaker(clip), row) for clip, _, rows in heard for row in rows])
        for clip, spans, rows in heard:
            tags = tuple(
                Tag(start, end, self.name, {}, arousal=_arousal(row, usual, _speaker(clip)), scale=(-1.0, 1.0))
                for (start, end), row in zip(spans, rows, strict=True)
            )
            yield Annotation(clip.sha256 or clip.path, self.name, tags)

    @cached_property
    def _windows(self) -> Windows:
        return Windows(self.window, self.hop, self.context, self.speech, longest=math.inf)

    def _measured(self, heard: Heard) -> tuple[list[tuple[float, float]], list[np.ndarray]]:
        measured = [(piece, measures(piece.wave, heard.sampling_rate)) for piece in self._windows.of(heard)]
        return (
            [(round(piece.start, 3), round(piece.end, 3)) for piece, row in measured if row is not None],
            [row for _, row in measured if row is not None],
        )


def measures(wave: np.ndarray, sampling_rate: int) -> np.ndarray | None:
    """(6,) in the order of MEASURES: dB, dB, log2 Hz, octaves, syllables a second, dB; None without 0.1 s of voice."""
    track = pitch(wave, sampling_rate)
    voiced = np.flatnonzero(track.voiced)
    if len(voiced) < 10:
        return None
    low, middle, high = np.percentile(np.log2(track.hertz[voiced]), [10, 50, 90])
    spoken = 0.01 * (voiced[-1] - voiced[0] + 1)
    level = float(np.mean(track.level[voiced]))
    peak = 20.0 * math.log10(float(np.max(np.abs(wave))))
    return np.array([level, _balance(wave, sampling_rate, track), middle, high - low, syllables(track) / spoken, peak])


def _balance(wave: np.ndarray, rate: int, track: Track) -> float:
    """dB by which the voiced frames' energy from 1 to 5 kHz exceeds that below (the alpha ratio of eGeMAPS)."""
    length = round(0.04 * rate)
    times = track.times[track.voiced]
    times = times[:: max(1, len(times) // ENOUGH)]
    starts = np.maximum(0, np.round(times * rate - length / 2).astype(int))
    frames = np.stack([np.pad(wave[at : at + length], (0, max(0, at + length - len(wave)))) for at in starts])
    power = np.mean(np.abs(np.fft.rfft(frames * np.hanning(length), axis=1)) ** 2, axis=0)
    hertz = np.fft.rfftfreq(length, 1 / rate)
    low, high = power[(hertz >= 50) & (hertz < 1000)].sum(), power[(hertz >= 1000) & (hertz < 5000)].sum()
    return float(10.0 * np.log10((high + 1e-12) / (low + 1e-12)))


def syllables(track: Track) -> int:
    """How many peaks of loudness are voiced, with a dip of 2 dB before and after (de Jong and Wempe 2009)."""
    from scipy.signal import find_peaks

    smooth = np.convolve(np.pad(track.level, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    floor = np.percentile(smooth, 95) - 25.0
    peaks, _ = find_peaks(np.pad(smooth, 1, constant_values=smooth.min() - 10.0), prominence=DIP, height=floor)
    return int(np.count_nonzero(track.voiced[peaks - 1]))


def _speaker(clip: Clip) -> str:
    return clip.speaker or clip.recording


def _usual(rows: Sequence[tuple[str, np.ndarray]]) -> Usual:
    """speaker -> (mean, standard deviation) of the measures, infinite where one may not be used; None: of all."""
    by_speaker: dict[str | None, list[np.ndarray]] = {}
    for speaker, row in rows:
        by_speaker.setdefault(speaker, []).append(row)
    enough: dict[str | None, list[np.ndarray]] = {key: own for key, own in by_speaker.items() if len(own) >= FEWEST}
    if rows:
        enough[None] = [row for _, row in rows]
    return {key: (np.mean(own, axis=0), _spread(np.array(own))) for key, own in enough.items()}


def _spread(rows: np.ndarray) -> np.ndarray:
    """The standard deviation of each measure (N, 6) -> (6,); infinite for those that are left out."""
    spread: np.ndarray = np.std(rows, axis=0)
    low, high = np.percentile(rows[:, PEAK], [25, 75])
    if high - low < EVENED:
        spread[MEASURES.index("level")] = np.inf
    spread[PEAK] = np.inf
    return np.where(spread < 1e-9, np.inf, spread)


def _arousal(row: np.ndarray, usual: Usual, speaker: str) -> float:
    mean, spread = usual.get(speaker, usual[None])
    used = np.isfinite(spread)
    return round(math.tanh(float(np.mean((row - mean)[used] / spread[used]))), 6) if used.any() else 0.0
