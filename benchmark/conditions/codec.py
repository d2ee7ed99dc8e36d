"""`codec:opus8k`, `codec:mp3-32k`, `codec:mulaw`: encoded and decoded again, as over the net or a line.

Opus and MP3 take a bit rate in kbit/s; `mulaw` is a telephone (G.711, 8 kHz). Opus at 8 kbit/s ends at 4 kHz, from
12 kbit/s on it keeps 8 kHz. libsndfile's Opus spends up to 6 % more than asked for (14 s of speech at 16 kHz, without
the container: 6.4 for 6, 8.2 for 8, 12.3 for 12, 16.2 for 16, 23.7 for 24, 64.9 for 64).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpbench.audio import KILOBITS, Codec, transcoded
from cpbench.errors import UsageError
from cpbench.records import Item, Request, Setting, Sound

if TYPE_CHECKING:
    import numpy as np

MEANING = "How far this model's answers change with what the codec leaves out and adds at this bit rate."
IN: Mapping[str, str] = {"perturbations": "codec:opus8k"}
_KNOWN: tuple[tuple[str, Codec], ...] = ((r"opus(\d+)k", "opus"), (r"mp3-(\d+)k", "mp3"), (r"mulaw()", "mulaw"))
_ALLOWED = ("opus6k to opus256k", *(f"mp3-{rate}k" for rate in KILOBITS["mp3"]), "mulaw")


@dataclass(frozen=True)
class Coded:
    """Through a codec and back; as long as before."""

    codec: Codec
    kilobits: int  # a second

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        return transcoded(wave, sampling_rate, self.codec, self.kilobits)


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    effect = _read(argument)
    for request in requests:
        sounds = tuple(Sound(sound.clip, (*sound.effects, effect)) for sound in request.sounds)
        yield dataclasses.replace(request, sounds=sounds)


def _read(argument: str) -> Coded:
    for pattern, codec in _KNOWN:
        if (found := re.fullmatch(pattern, argument)) is not None:
            kilobits = int(found[1] or KILOBITS[codec][0])
            if kilobits in KILOBITS[codec]:
                return Coded(codec, kilobits)
    raise UsageError("unknown codec or bit rate", value=argument, allowed=_ALLOWED, mend="--condition codec:opus8k")
