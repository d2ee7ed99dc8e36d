"""A training that is ended at any moment goes on to the weights that it would have had; killed: test_command.py."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cpbench.errors import UserError
from cpbench.flow.stopping import Stopped
from cpbench.training import Stage, TrainConfig, train
from cpbench.training.config import Evaluation


class Killed(BaseException):
    """What ends a process: nobody catches it."""


class Killer:
    """Ends the process after so many steps, or when a stage of that name begins or is said to be evaluated."""

    def __init__(self, after: int = 10**9, at: str = "nothing") -> None:
        self.left, self.at = after, at

    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        if name == self.at and done < total:
            raise Killed

    def advance(self, pieces: int = 1) -> None:
        self.left -= pieces
        if self.left <= 0:
            raise Killed

    def say(self, message: str) -> None:
        if self.at in message:
            raise Killed


@pytest.fixture
def several(config: TrainConfig) -> TrainConfig:
    """Three stages with dropout, augmentation and auxiliary heads; saved every second step."""
    assert config.sizes is not None
    sizes = dataclasses.replace(config.sizes, encoder={**config.sizes.encoder, "dropout": 0.2})
    stages = (
        Stage("ears", 2, 1e-3, trainable="encoder", ctc_weight=1.0, voice_weight=1.0, prosody_weight=0.5),
        Stage("all", 2, 1e-3, ctc_weight=0.2),
        Stage("adapter", 1, 1e-3, trainable="adapter"),
    )
    return dataclasses.replace(
        config,
        sizes=sizes,
        stages=stages,
        conditions={"audio": 1.0, "transcript": 1.0},
        batch_size=2,
        accumulation=2,
        masked_frames=0.1,
        save_every=2,
        threads=1,
    )


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


UNINTERRUPTED: dict[str, Any] = {}


@pytest.fixture
def whole(several: TrainConfig, tmp_path: Path) -> dict[str, Any]:
    """The weights of the training that nothing interrupted; it is done once."""
    if not UNINTERRUPTED:
        UNINTERRUPTED.update(weights(train(dataclasses.replace(several, out=str(tmp_path / "whole")))))
    return UNINTERRUPTED


def same(one: dict[str, Any], folder: Path) -> bool:
    other = weights(folder)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_torn_checkpoint_is_passed_over(several: TrainConfig, whole: dict[str, Any], tmp_path: Path) -> None:
    torn = dataclasses.replace(several, out=str(tmp_path / "torn"))
    with pytest.raises(Killed):
        train(torn, Killer(5))
    (newest,) = (tmp_path / "torn" / "work").glob("1-ears/checkpoint-*")
    later = newest.with_name("checkpoint-9")
    later.mkdir()
    (later / "learned.safetensors").write_bytes(b"half of")
    (later / "trainer_state.json").write_text('{"global_step": 9, "log_his')
    assert same(whole, train(torn))


def test_stopped_by_a_signal_it_loses_no_step(several: TrainConfig, whole: dict[str, Any], tmp_path: Path) -> None:
    asked = iter([False] * 6 + [True] * 100)
    stopped = dataclasses.replace(several, out=str(tmp_path / "stopped"), save_every=1000)
    with pytest.raises(Stopped, match="the same command goes on"):
        train(stopped, stop=lambda: next(asked))
    (state,) = (tmp_path / "stopped" / "work").glob("*/checkpoint-*/trainer_state.json")
    assert json.loads(state.read_text())["global_step"] == 7
    assert same(whole, train(stopped))


def test_asking_the_held_out_part_changes_no_weight(
    several: TrainConfig, whole: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    corpus.write_text(corpus.read_text().replace('"split": "test"', '"split": "dev"'))
    asked = dataclasses.replace(several, out=str(tmp_path / "asked"), evaluation=Evaluation(every=3, max_new_tokens=4))
    with pytest.raises(Killed):
        train(asked, Killer(at="all: step 6, held out"))
    folder = train(asked)
    assert same(whole, folder)
    said = json.loads((folder / "checkpoint.json").read_text())
    assert [(line["stage"], line["step"]) for line in said["evaluations"]][:2] == [("all", 3), ("all", 6)]
    assert {line["metric"] for line in said["held_out"]} >= {"overlap_score"}


def test_a_finished_training_is_not_done_again(config: TrainConfig) -> None:
    short = dataclasses.replace(config, stages=(Stage("all", 1, 1e-3),))
    folder = train(short)
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert train(dataclasses.replace(short, save_every=7)) == folder  # how often it is saved changes no weight
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"holds another training: its seed was 0, and is now 1"):
        train(dataclasses.replace(short, seed=1))


def test_a_folder_with_another_model_is_refused(config: TrainConfig) -> None:
    Path(config.out).mkdir()
    (Path(config.out) / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds a model already"):
        train(config)
