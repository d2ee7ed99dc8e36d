"""Speech to change: packaged clips (synthetic), real ones where they lie beside the checkout, and what is measured."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from cpbench.audio import clip, load
from cpbench.conditions import present
from cpbench.records import Clip, Item, Setting, Sound, Tag

RATE = 16000
DEMO = Path(str(files("cpbench.tasks"))) / "demo" / "clips"
SPOKEN = ("demo-s0000-0", "demo-s0011-2", "demo-d0007-1", "demo-s0004-0")  # four sentences, four voices


@pytest.fixture(scope="session")
def demo_clips() -> tuple[Clip, ...]:
    return tuple(clip(DEMO / f"{name}.ogg") for name in SPOKEN)


@pytest.fixture(scope="session")
def speech(demo_clips: tuple[Clip, ...]) -> tuple[np.ndarray, ...]:
    """Four sentences of synthetic speech, float32 (T,) at 16 kHz."""
    return tuple(load(Sound(spoken), RATE).wave for spoken in demo_clips)


@pytest.fixture
def item(demo_clips: tuple[Clip, ...]) -> Item:
    """A question about the first sentence, with a gold tag."""
    tagged = Clip(demo_clips[0].path, demo_clips[0].sha256, 1.0, "r0", tags=(Tag(0.0, 1.0, "gold", {"sad": 1.0}),))
    return Item("a", "t", (tagged,), "How does it sound?", ("sad",), type="C")


@pytest.fixture
def effect() -> Callable[..., Callable[[np.ndarray, int], np.ndarray]]:
    """effect("gain:-12db") -> what the condition does to a wave; of the clip `sha256`, under `seed`."""

    def made(condition: str, *, sha256: str = "ab" * 32, seed: int = 0) -> Callable[[np.ndarray, int], np.ndarray]:
        asked = Item("a", "t", (Clip("x.wav", sha256, 1.0, "r"),), "q", ("ref",))
        (request,) = present([asked], condition, Setting(seed=seed))
        (one,) = request.sounds[0].effects
        return one

    return made


def levels(wave: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Decibels every 5 ms over 25 ms, frame by frame."""
    size, hop = rate // 40, rate // 200
    starts = np.arange(0, len(wave) - size, hop)
    frames = wave[starts[:, None] + np.arange(size)].astype(np.float64)
    return 10 * np.log10((frames**2).mean(axis=1) + 1e-12)


def fundamental(wave: np.ndarray, rate: int = RATE) -> np.ndarray:
    """F0 by autocorrelation every 5 ms, 0 where none: Boersma 1993, without its path finder. Knows nothing of WORLD.

    40 ms under a Hann window, the autocorrelation divided by the window's; the shortest lag among peaks near the best.
    """
    size, hop = rate // 25, rate // 200
    window = np.hanning(size)
    starts = np.arange(0, len(wave) - size, hop)
    frames = wave[starts[:, None] + np.arange(size)].astype(np.float64) * window
    raw = np.fft.irfft(np.abs(np.fft.rfft(frames, 4 * size)) ** 2)[:, :size]
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, 4 * size)) ** 2)[:size]
    r = raw / (raw[:, :1] + 1e-12) / (of_window / of_window[0] + 1e-9)
    low, high = rate // 500, rate // 75
    inner = r[:, low:high]
    peaks = (inner > r[:, low - 1 : high - 1]) & (inner >= r[:, low + 1 : high + 1]) & (inner > 0.6)
    best = np.where(peaks, inner, 0).max(axis=1)
    first = np.argmax(peaks & (inner > 0.9 * best[:, None]), axis=1) + low
    at = np.arange(len(r))
    before, here, after = r[at, first - 1], r[at, first], r[at, first + 1]
    shift = (before - after) / (2 * (before - 2 * here + after) - 1e-12)
    return np.where(best > 0, rate / (first + shift), 0.0)


def variation(f0: np.ndarray) -> float:
    """Robust F0 variation: 1.4826 times the median absolute deviation, over the median."""
    middle = np.median(f0)
    return float(1.4826 * np.median(np.abs(f0 - middle)) / middle)


def cepstra(wave: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Mel cepstra (frames, 13) every 5 ms without the energy: which sound is spoken, not how loud or how high."""
    from scipy.fft import dct

    starts = np.arange(0, len(wave) - 400, 80)
    power = np.abs(np.fft.rfft(wave[starts[:, None] + np.arange(400)] * np.hanning(400), 512)) ** 2
    mel = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + rate / 2 / 700), 42)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.fft.rfftfreq(512, 1 / rate)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling))
    return dct(np.log(power @ bank.T + 1e-8), norm="ortho")[:, 1:14]
