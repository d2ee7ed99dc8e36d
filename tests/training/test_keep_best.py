"""Of the evaluations while a stage trains, the best one's weights are kept, and a stage without a gain ends early."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file

from cpbench.errors import UsageError
from cpbench.training import Stage, TrainConfig, train
from cpbench.training.bases import Learner
from cpbench.training.config import Evaluation
from cpbench.training.held_out import HeldOut

Weights = dict[str, torch.Tensor]


@pytest.fixture
def asking(config: TrainConfig, corpus: Path) -> TrainConfig:
    """Eight steps of the last stage, the held-out part asked after each second one."""
    corpus.write_text(corpus.read_text().replace('"split": "test"', '"split": "dev"'))
    stages = (Stage("first", 1, 1e-3), Stage("last", 2, 1e-3))
    return dataclasses.replace(
        config, stages=stages, conditions={"audio": 1.0}, batch_size=2, level_jitter=0.0, threads=1, save_every=100
    )


class Scripted:
    """Scores by script in place of the held-out part's, and the weights as they were when each was asked for."""

    def __init__(self, values: list[float]) -> None:
        self.values: Iterator[float] = iter(values)
        self.seen: list[Weights] = []

    def metrics(self, learner: Learner) -> dict[str, float]:
        self.seen.append({name: value.detach().clone() for name, value in learner.model.state_dict().items()})
        return {"overlap_score": next(self.values)}


def scripted(monkeypatch: pytest.MonkeyPatch, *values: float) -> Scripted:
    """The first stage is asked twice of its four steps, and 50 is never beaten there: it is not the last stage."""
    script = Scripted([50.0, 50.0, *values])
    monkeypatch.setattr(HeldOut, "metrics", lambda self, learner: script.metrics(learner))
    return script


def evaluated(asking: TrainConfig, keep: Literal["best", "last"], **how: Any) -> TrainConfig:
    return dataclasses.replace(asking, evaluation=Evaluation(every=2, keep=keep, max_new_tokens=2, **how))


def same(folder: Path, weights: Weights) -> bool:
    saved = load_file(folder / "model.safetensors")
    return all(torch.equal(value, weights[name].half()) for name, value in saved.items())


def steps(folder: Path) -> list[int]:
    said = json.loads((folder / "checkpoint.json").read_text())["evaluations"]
    return [line["step"] for line in said if line["stage"] == "last"]


def test_the_best_weights_are_kept(asking: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(monkeypatch, 10.0, 30.0, 20.0, 25.0)
    folder = train(evaluated(asking, "best"))
    assert steps(folder) == [2, 4, 6, 8]
    assert [same(folder, weights) for weights in script.seen] == [False, False, False, True, False, False]


def test_the_last_weights_are_kept_unless_asked_otherwise(asking: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(monkeypatch, 10.0, 30.0, 20.0, 25.0)
    folder = train(evaluated(asking, "last"))
    assert [same(folder, weights) for weights in script.seen] == [False] * 5 + [True]


def test_without_a_gain_the_last_stage_ends(asking: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(monkeypatch, 30.0, 20.0, 25.0, 90.0)
    folder = train(evaluated(asking, "best", patience=2))
    assert steps(folder) == [2, 4, 6]  # 20 and 25 are no gain over 30
    assert same(folder, script.seen[2])
    assert json.loads((folder / "checkpoint.json").read_text())["steps"] == {"first": 4, "last": 6}


class Killed(BaseException):
    """What ends a process: nobody catches it."""


class Killer:
    """Ends the training when this is said."""

    def __init__(self, at: str) -> None:
        self.at = at

    def stage(self, name: str, *, total: int, done: int = 0) -> None: ...

    def advance(self, pieces: int = 1) -> None: ...

    def say(self, message: str) -> None:
        if self.at in message:
            raise Killed


def test_interrupted_after_the_best_one_it_is_still_kept(asking: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(monkeypatch, 10.0, 30.0, 20.0, 20.0, 25.0)
    config = evaluated(asking, "best")
    with pytest.raises(Killed):
        train(config, Killer("last: step 6, held out"))  # before it is saved: step 6 is made and asked again
    folder = train(config)
    assert steps(folder) == [2, 4, 6, 8]
    assert same(folder, script.seen[3])
    assert all(torch.equal(script.seen[4][name], script.seen[5][name]) for name in script.seen[4])


def test_a_metric_that_the_held_out_part_does_not_give_is_refused(asking: TrainConfig) -> None:
    with pytest.raises(UsageError, match=r"the held-out part gives no metric 'wer'(?s:.*)overlap_score"):
        train(evaluated(asking, "best", metric="wer"))
