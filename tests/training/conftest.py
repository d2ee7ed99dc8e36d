from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from beside import TESTS, module_at

from cpbench.flow.watch import Unwatched
from cpbench.training import Sizes, Stage, TrainConfig

PLACES = ("kitchen", "garden", "station", "office")


@pytest.fixture(scope="session", autouse=True)
def _little_to_look_through() -> Iterator[None]:
    """What the libraries hold is no garbage: accelerate looks for some before each stage, half of a small training."""
    import cpbench.training.stages  # noqa: F401

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Eight clips, each a tone: its pitch says the gender, its loudness the emotion. Two questions a clip."""
    return written(tmp_path)


@pytest.fixture(scope="session")
def corpus_of() -> Callable[[Path, int], Path]:
    """corpus_of(folder, clips) -> the corpus in a folder that several tests share."""
    return written


def written(tmp_path: Path, clips: int = 8) -> Path:
    draw = np.random.default_rng(0)
    lines = []
    for number in range(clips):
        gender, emotion = ("male", "female")[number % 2], ("anger", "sadness")[number // 2 % 2]
        time = np.arange(8000 + 800 * number) / 16000
        wave = {"anger": 0.5, "sadness": 0.02}[emotion] * np.sin(
            2 * np.pi * {"male": 200, "female": 900}[gender] * time
        )
        soundfile.write(tmp_path / f"{number}.wav", wave + 0.001 * draw.standard_normal(len(time)), 16000)
        about = {
            "audio": f"{number}.wav",
            "recording": f"r{number}",
            "language": "en",
            "transcript": f"Anna was in the {PLACES[number % 4]}.",
            "emotion": emotion,
            "gender": gender,
            "split": "train" if number else "test",
        }
        asked = [("DG", "Is the speaker male or female?", gender), ("DE", "How does the speaker sound?", emotion)]
        for kind, question, answer in asked:
            lines.append(
                {"id": f"{number}-{kind}", "question": question, "references": [answer], "type": kind, **about}
            )
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def config(corpus: Path, tmp_path: Path) -> TrainConfig:
    return small(corpus, tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def shared(corpus_of: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """As `config`, of a corpus that the tests of a module share."""
    folder = tmp_path_factory.mktemp("shared")
    return small(corpus_of(folder, 8), folder / "checkpoint")


def small(corpus: Path, out: Path) -> TrainConfig:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    return TrainConfig(
        data=(str(corpus),),
        out=str(out),
        sizes=Sizes(400, sizes, {**sizes, "tie_word_embeddings": True}, window_seconds=2.0, adapter_hidden_size=32),
        stages=(
            Stage("all", epochs=15, learning_rate=5e-3, ctc_weight=0.1),
            Stage("adapter", epochs=1, learning_rate=1e-3, trainable="adapter"),
        ),
        conditions={"audio": 1.0, "transcript": 1.0, "tags:gold": 1.0},
        batch_size=8,
    )


@dataclass
class Said(Unwatched):
    """A watch that keeps what it is told."""

    said: list[str] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def watch() -> Said:
    return Said()


CLASSES = ["qwen2_audio", "audioflamingo3", "glmasr"]


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    return module_at(TESTS / "models" / "local" / "tiny.py")


@pytest.fixture(scope="session")
def bases(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: tiny.MAKERS[name](folder / name) for name in CLASSES}


@pytest.fixture(scope="session")
def parts() -> ModuleType:
    return module_at(Path(__file__).with_name("parts.py"))
