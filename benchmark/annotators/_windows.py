"""Which stretches of a sound an annotator says something of, and the samples it may hear for each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cpbench.audio import grid, speech_spans
from cpbench.errors import UsageError
from cpbench.records import Heard

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Piece:
    """A stretch of a sound."""

    start: float  # seconds, as its tag has them
    end: float
    wave: np.ndarray  # float32 (T,): the stretch, with its context


@dataclass(frozen=True)
class Windows:
    """The whole clip (`window` None), or windows of so many seconds with `context` seconds heard on both sides.

    The source papers' windows are 2 s with 1 s of context. `speech`: a window with less than this share of speech is
    left out (0: none is). `longest`: the most seconds that the annotator can hear at once; a whole clip that is longer
    is cut into equal pieces. Raises UsageError for numbers that make no windows.
    """

    window: float | None
    hop: float | None
    context: float
    speech: float
    longest: float = 60.0

    def __post_init__(self) -> None:
        if self.window is None:
            if self.hop is not None:
                raise UsageError("a hop needs a window", value=self.hop, mend="-A window=2")
            return
        if not 0.2 <= self.window <= self.longest:
            raise UsageError(f"a window is between 0.2 and {self.longest:g} s, not", value=self.window)
        if self.hop is not None and not 0 < self.hop <= self.window:
            raise UsageError("a hop is above 0 and no longer than its window, not", value=self.hop)
        most = max(self.window + 2 * self.context, 1.5 * self.window + self.context)  # the last one takes in a rest
        if self.context < 0 or most > self.longest:
            raise UsageError(f"a window and its context are at most {self.longest:g} s; context", value=self.context)
        if not 0 <= self.speech <= 1:
            raise UsageError("the share of speech is between 0 and 1, not", value=self.speech)

    def of(self, heard: Heard) -> list[Piece]:
        """The pieces of a sound in order of time; none where nobody speaks."""
        context = 0.0 if self.window is None else self.context
        return [
            Piece(start, end, _between(heard, max(0.0, start - context), end + context))
            for start, end in self._spans(heard)
        ]

    def _spans(self, heard: Heard) -> list[tuple[float, float]]:
        if self.window is None:
            pieces = max(1, math.ceil(heard.seconds / self.longest))
            cuts = [round(heard.seconds * n / pieces, 3) for n in range(pieces)]
            return list(pairwise([*cuts, heard.seconds]))
        spans = grid(heard.seconds, self.window, self.hop)
        if self.speech == 0:
            return spans
        speech = speech_spans(heard.wave, heard.sampling_rate)
        return [span for span in spans if overlap(span, speech) >= self.speech * (span[1] - span[0])]


def overlap(span: tuple[float, float], others: list[tuple[float, float]]) -> float:
    """Seconds that a span shares with others, which do not touch each other."""
    return sum(max(0.0, min(span[1], end) - max(span[0], start)) for start, end in others)


def _between(heard: Heard, start: float, end: float) -> np.ndarray:
    return heard.wave[round(start * heard.sampling_rate) : round(end * heard.sampling_rate)]
