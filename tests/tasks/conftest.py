"""Small sets in exactly the layouts that are published, of real audio files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Speak = Callable[..., Path]
EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb"


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's clips nor the user's Hub cache are seen, and no test asks the Hub."""
    monkeypatch.setenv("CPBENCH_CACHE", str(tmp_path_factory.mktemp("clips")))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def tone(name: str, seconds: float = 0.25, rate: int = 16000) -> np.ndarray:
    """Samples that differ from name to name."""
    pitch = 100 + sum(map(ord, name)) % 4000
    return (0.3 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def wav_bytes(name: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(name), 16000, format="WAV")
    return buffer.getvalue()


@pytest.fixture
def speak(tmp_path: Path) -> Speak:
    """Write an audio file below tmp_path, its format by its suffix, its samples by its name."""

    def write(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(path.stem), 16000)
        return path

    return write


@pytest.fixture(scope="session")
def emodb() -> Path:
    if not EMODB.is_dir():
        pytest.skip("no EmoDB beside the repository")
    return EMODB.resolve()


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def in_hub_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make an empty snapshot of a data set in a Hub cache of the test's own, as `snapshot_download` lays it out."""
    cache = tmp_path_factory.mktemp("hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))

    def make(repo: str) -> Path:
        home = cache / f"datasets--{repo.replace('/', '--')}"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(COMMIT)
        (home / "snapshots" / COMMIT).mkdir(parents=True)
        return home / "snapshots" / COMMIT

    return make
