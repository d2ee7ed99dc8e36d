"""`flat`: the same words and voice at one pitch and an even level. The prosody is removed by WORLD, a vocoder.

`flat:pitch` and `flat:level` remove one of the two; `flat:vocoder` removes neither and is their control: what it loses,
the vocoder loses.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.machinery
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cpbench.conditions._level import HOP, active, levels
from cpbench.errors import BadClip, UsageError, UserError
from cpbench.records import Item, Request, Setting, Sound

if TYPE_CHECKING:
    import numpy as np

MEANING = (
    "What the movement of pitch and loudness gives this model, together with what the vocoder spoils (`flat:vocoder` "
    "shows that alone); mean pitch, mean level, tempo and voice quality stay."
)
IN: Mapping[str, str] = {"all": "flat"}
LEAST_VOICED = 0.1  # seconds: of less, no pitch can be told
SMOOTHING = 33  # frames: a Hann window of 165 ms, so that a syllable's level is evened and a consonant's is not


@dataclass(frozen=True)
class Flat:
    """Speech analysed and put together again by WORLD (Morise, Yokomori & Ozawa 2016).

    pitch    F0 becomes its median wherever there is one
    level    the level, smoothed over a syllable, becomes its median wherever it is within 25 dB of the loudest frame;
             pauses and closures keep theirs, or their noise would be raised to speech

    Length and mean square stay; where the result would pass full scale, the whole is turned down to it. F0 is found by
    DIO and StoneMask: on the speech measured (docs/conditions.md) as good as Harvest, at a quarter of the time.
    Raises BadClip for less than 0.1 s of voiced speech.
    """

    pitch: bool
    level: bool

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        import numpy as np

        world, signal = vocoder(), wave.astype(np.float64)
        f0, times = _pitch(signal, sampling_rate)
        envelope = world.cheaptrick(signal, f0, times, sampling_rate)
        noisiness = world.d4c(signal, f0, times, sampling_rate)
        if self.level:
            envelope = envelope * 10 ** (_evening(levels(signal, sampling_rate, len(f0))) / 10)[:, None]
        if self.pitch:
            f0 = np.where(f0 > 0, np.median(f0[f0 > 0]), 0.0)
        made = world.synthesize(f0, envelope, noisiness, sampling_rate, 1000 * HOP)[: len(wave)]
        made = np.pad(made, (0, len(wave) - len(made)))
        made *= np.sqrt(np.mean(signal**2) / max(np.mean(made**2), 1e-20))
        return np.asarray(made / max(1.0, np.abs(made).max()), dtype=np.float32)


EFFECTS: Mapping[str, Flat] = {
    "": Flat(pitch=True, level=True),
    "pitch": Flat(pitch=True, level=False),
    "level": Flat(pitch=False, level=True),
    "vocoder": Flat(pitch=False, level=False),
}


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    if argument not in EFFECTS:
        raise UsageError("flat cannot be", value=argument, allowed=list(filter(None, EFFECTS)), mend="--condition flat")
    vocoder()
    for request in requests:
        sounds = tuple(Sound(sound.clip, (*sound.effects, EFFECTS[argument])) for sound in request.sounds)
        yield dataclasses.replace(request, sounds=sounds)


@functools.cache
def vocoder() -> Any:
    """The compiled module of pyworld. Raises UserError where it is not installed.

    It is loaded past the package's own __init__, which asks pkg_resources for its version and nothing else: setuptools
    has no such module from 82 on, and warns before.
    """
    package = importlib.util.find_spec("pyworld")
    where = package and package.submodule_search_locations
    spec = importlib.machinery.PathFinder.find_spec("pyworld.pyworld", where) if where else None
    if spec is None or spec.loader is None:
        mend = "pip install pyworld    (needs a C++ compiler; pyworld-prebuilt needs none)"
        raise UserError("the condition flat needs pyworld, which is not installed", mend=mend)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _pitch(signal: np.ndarray, sampling_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """F0 in hertz every 5 ms, 0 where there is none, and the frames' times in seconds: float64 (frames,) each."""
    import numpy as np

    world = vocoder()
    # allowed_range: DIO gives up a frame where neighbouring periods differ; .2 keeps creaky and lively voices voiced
    rough, times = world.dio(signal, sampling_rate, frame_period=1000 * HOP, allowed_range=0.2)
    f0 = world.stonemask(signal, rough, times, sampling_rate)
    if (voiced := HOP * int(np.count_nonzero(f0))) < LEAST_VOICED:
        found = f"{voiced:.2f} s of voiced speech in a clip of {len(signal) / sampling_rate:.2f} s"
        raise BadClip(f"flat: {found}; too short for WORLD, which needs {LEAST_VOICED} s")
    return f0, times


def _evening(level: np.ndarray) -> np.ndarray:
    """The gain in decibels that evens a level, float64 (frames,): smooth, and 0 in pauses."""
    import numpy as np

    spoken = active(level)
    gain = np.where(spoken, np.median(level[spoken]) - level, 0.0)
    window = np.hanning(SMOOTHING + 2)[1:-1]
    padded = np.pad(gain, SMOOTHING // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")
