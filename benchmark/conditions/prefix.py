"""`prefix:30`: only the first seconds of every clip, as a model with a short window hears it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpbench.errors import UsageError
from cpbench.records import Item, Request, Setting, Sound

if TYPE_CHECKING:
    import numpy as np

MEANING = "What a model answers that hears only the beginning of each clip."
IN = {"all": "prefix:30"}
KIND = "part"


@dataclass(frozen=True)
class Prefix:
    seconds: float

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        return wave[: round(self.seconds * sampling_rate)]


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    seconds = _seconds(argument)
    for request in requests:
        sounds = tuple(Sound(sound.clip, (*sound.effects, Prefix(seconds))) for sound in request.sounds)
        yield dataclasses.replace(request, sounds=sounds)


def idle(items: Sequence[Item], argument: str) -> str | None:
    seconds = _seconds(argument)
    longer = any(clip.seconds is not None and clip.seconds > seconds for item in items for clip in item.clips)
    return None if longer else f"no clip is longer than {seconds:g} s"


def _seconds(argument: str) -> float:
    try:
        seconds = float(argument)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds < float("inf"):
        raise UsageError("prefix takes a number of seconds from 0.1 on", value=argument, mend="--condition prefix:30")
    return seconds
