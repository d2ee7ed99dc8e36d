"""The three tiny checkpoints, and turns to ask them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cpbench.records import Clip, Generation, Heard, Request, Sound, Turn


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The makers of tiny checkpoints, tests/models/local/tiny.py."""
    return _load(Path(__file__).parent / "tiny.py")


@pytest.fixture(scope="session")
def checkpoints(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name -> folder of the three tiny checkpoints."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: make(folder / name) for name, make in tiny.MAKERS.items()}


@pytest.fixture(params=["qwen2_audio", "audioflamingo3", "glmasr"])
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    return checkpoints[request.param]


@pytest.fixture(scope="session")
def ask() -> Callable[..., Turn]:
    """ask(number, seconds, text): a turn about a voice-like sound of its own; seconds None: words alone."""

    def make(number: int, seconds: float | None = 1.0, text: str = "what is said", **generation: object) -> Turn:
        setting = Generation(**({"max_new_tokens": 10} | generation))  # type: ignore[arg-type]
        if seconds is None:
            return Turn(Request(f"i{number}", "t", "audio", text, (), setting), ())
        time = np.arange(round(seconds * 16000)) / 16000
        pitch = 90 + 40 * number
        wave = sum(np.sin(2 * np.pi * pitch * k * time + k) / k for k in range(1, 9)) * (1 + np.sin(9 * time + number))
        wave = (0.05 * wave + 0.002 * np.random.default_rng(number).standard_normal(len(time))).astype(np.float32)
        sound = Sound(Clip(f"{number}.wav", f"{number:064x}", seconds, f"r{number}"))
        return Turn(
            Request(f"i{number}", "t", "audio", text, (sound,), setting), (Heard(sound, wave, sampling_rate=16000),)
        )

    return make
