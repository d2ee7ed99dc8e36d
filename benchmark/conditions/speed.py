"""`speed:1.1`: played faster or slower, tempo and pitch together, as speed perturbation in the training of recognisers.

Ko, Povey, Peddinti & Khudanpur, "Audio augmentation for speech recognition", Interspeech 2015 (there .9 and 1.1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpbench.audio import sped
from cpbench.conditions._numbers import number
from cpbench.records import Item, Request, Setting, Sound

if TYPE_CHECKING:
    import numpy as np

MEANING = "How far this model's answers change with a tempo, pitch and voice colour shifted together by resampling."
IN: Mapping[str, str] = {"perturbations": "speed:1.1"}


@dataclass(frozen=True)
class Speed:
    """`factor` times as fast: round(T / factor) samples, every frequency `factor` times as high."""

    factor: float

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        return sped(wave, self.factor)

    def lasting(self, before: float) -> float:
        """Seconds that it takes: nothing is left out, so what is heard is held against this."""
        return before / self.factor


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    effect = Speed(number("speed", argument, lowest=0.5, highest=2.0, example="speed:1.1"))
    for request in requests:
        sounds = tuple(Sound(sound.clip, (*sound.effects, effect)) for sound in request.sounds)
        yield dataclasses.replace(request, sounds=sounds)
