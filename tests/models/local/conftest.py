"""The three tiny checkpoints, and turns to ask them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from beside import module_at

from cpbench.records import Turn


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The makers of tiny checkpoints, tests/models/local/tiny.py."""
    return module_at(Path(__file__).with_name("tiny.py"))


@pytest.fixture(scope="session")
def checkpoints(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name -> folder of the three tiny checkpoints."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: make(folder / name) for name, make in tiny.MAKERS.items()}


@pytest.fixture(params=["qwen2_audio", "audioflamingo3", "glmasr", "speechlm"])
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    return checkpoints[request.param]


@pytest.fixture(scope="session")
def ask(tiny: ModuleType) -> Callable[..., Turn]:
    """ask(number, seconds, text, ...): see tiny.turn."""
    return tiny.turn  # type: ignore[no-any-return]
