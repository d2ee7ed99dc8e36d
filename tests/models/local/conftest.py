"""The three tiny checkpoints, and turns to ask them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from cpbench.records import Turn


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


@pytest.fixture(params=["qwen2_audio", "audioflamingo3", "glmasr", "speechlm"])
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    return checkpoints[request.param]


@pytest.fixture(scope="session")
def ask(tiny: ModuleType) -> Callable[..., Turn]:
    """ask(number, seconds, text, ...): see tiny.turn."""
    return tiny.turn  # type: ignore[no-any-return]
