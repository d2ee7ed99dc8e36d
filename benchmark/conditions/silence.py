"""`silence`: the same length and the same noise floor, and nobody speaks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpbench.records import Item, Request, Setting, Sound

if TYPE_CHECKING:
    import numpy as np

MEANING = "What the model answers without hearing anybody: the questions and its habits alone."
IN = {"all": "silence"}
KIND = "silent"


@dataclass(frozen=True)
class Silence:
    """White noise at the level of the quietest frames, as long as the clip was.

    The floor is the 5th percentile of the RMS over 20 ms frames, at most -50 dB of full scale.
    """

    seed: int = 0

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        import numpy as np

        frame = max(1, sampling_rate // 50)
        frames = wave[: len(wave) // frame * frame].reshape(-1, frame)
        rms = np.sqrt((frames.astype(np.float64) ** 2).mean(axis=1)) if len(frames) else np.zeros(1)
        floor = min(float(np.percentile(rms, 5)), 10 ** (-50 / 20))
        noise = np.random.default_rng([self.seed, len(wave)]).standard_normal(len(wave))
        return (floor * noise).astype(np.float32)


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    effect = Silence(setting.seed)
    for request in requests:
        sounds = tuple(Sound(sound.clip, (*sound.effects, effect)) for sound in request.sounds)
        yield dataclasses.replace(request, sounds=sounds)
