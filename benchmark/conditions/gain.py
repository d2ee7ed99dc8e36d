"""`gain:-12db`: every sample multiplied, so that only the level differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpbench.conditions._numbers import decibels
from cpbench.errors import BadClip
from cpbench.records import Item, Request, Setting, Sound

if TYPE_CHECKING:
    import numpy as np

MEANING = "How far this model's answers depend on how loud the recording was made, with nothing else changed."
IN: Mapping[str, str] = {"perturbations": "gain:-12db"}


@dataclass(frozen=True)
class Gain:
    """Louder or quieter. Raises BadClip where a sample would pass full scale: clipping is another change than gain."""

    decibels: float

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        import numpy as np

        louder = (wave * 10 ** (self.decibels / 20)).astype(np.float32)
        peak = float(np.abs(wave).max(initial=0.0))
        if self.decibels > 0 and np.abs(louder).max(initial=0.0) > 1:
            room = -20 * np.log10(peak)
            raise BadClip(f"gain of {self.decibels:+g} dB would clip; the clip has room for {room:+.1f} dB")
        return louder


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    effect = Gain(decibels("gain", argument, lowest=-60.0, highest=60.0, example="gain:-12db"))
    for request in requests:
        sounds = tuple(Sound(sound.clip, (*sound.effects, effect)) for sound in request.sounds)
        yield dataclasses.replace(request, sounds=sounds)
