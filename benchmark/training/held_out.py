"""The held-out part, asked while a model learns: a run's own prompts, engine and metrics on the weights as they are."""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cpbench.conditions import present
from cpbench.engine import predict
from cpbench.errors import UsageError
from cpbench.models.local import LocalModel
from cpbench.models.local.generate import Speaker
from cpbench.models.local.load import Checkpoint, Source
from cpbench.records import Generation, Item, Outcome, Score, Setting, Task
from cpbench.results import compute
from cpbench.training.bases import Learner
from cpbench.training.config import TrainConfig
from cpbench.training.variants import main_condition

METRICS = ("overlap_score", "accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class Trainee(LocalModel):
    """A model that is being trained, asked like one from disk."""

    learner: Learner = field(default=None, kw_only=True)  # type: ignore[assignment]  # always given, after defaults

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        model = self.learner.model
        return Checkpoint(Source(self.path), model.config, self.learner.processor, model.generation_config)

    @cached_property
    def _speaker(self) -> Speaker:
        return Speaker(self.learner.model, self.learner.processor.tokenizer)


@dataclass(frozen=True)
class HeldOut:
    """The items that are asked, and how."""

    items: tuple[Item, ...]
    config: TrainConfig

    def scores(self, learner: Learner) -> tuple[Score, ...]:
        """The metrics of the items under the condition that the checkpoint is made for."""
        with _asked(learner.model, self.config):
            trainee = Trainee(self.config.base or self.config.out, learner=learner, device=str(learner.model.device))
            setting = Setting(self.config.seed, self.config.tag_template)
            generation = Generation(max_new_tokens=self.config.evaluation.max_new_tokens)
            requests = present(self.items, main_condition(self.config), setting, generation)
            by_key = {(item.task, item.id): item for item in self.items}
            outcomes = [Outcome(by_key[said.task, said.item_id], said) for said in predict(requests, trainee)]
        labelled = any(item.label is not None for item in self.items)
        metrics = METRICS if labelled else METRICS[:1]
        tasks = [Task(name, "training", "", metrics) for name in dict.fromkeys(item.task for item in self.items)]
        return compute(outcomes, tasks)

    def metrics(self, learner: Learner) -> dict[str, float]:
        """Each metric over all types, the mean of the data files; and by type, `accuracy/DE`."""
        found = defaultdict(list)
        for score in self.scores(learner):
            name = score.metric if score.slice == "all" else f"{score.metric}/{score.slice}"
            found[name].append(score.estimate.value)
        values = {name: sum(several) / len(several) for name, several in found.items()}
        wanted = self.config.evaluation.metric
        if wanted not in values:
            raise UsageError("the held-out part gives no metric", value=wanted, allowed=sorted(values))
        return values


def held_out(items: Sequence[Item], config: TrainConfig) -> HeldOut | None:
    """What is asked of the held-out items: at most `evaluation.limit`, drawn by seed; None where there are none."""
    if not items:
        return None
    limit = config.evaluation.limit
    chosen = list(items) if len(items) <= limit else random.Random(config.seed).sample(list(items), limit)
    return HeldOut(tuple(chosen), config)


@contextmanager
def _asked(model: Any, config: TrainConfig) -> Iterator[None]:
    """The model as in a run, then as it was: its mode, its generation settings, and every generator of chance."""
    import numpy as np
    import torch

    training, settings = model.training, copy.deepcopy(model.generation_config)
    chance = random.getstate(), np.random.get_state()
    device = model.device.type
    devices = [model.device] if device == "cuda" else []
    autocast = torch.autocast(device, torch.bfloat16, enabled=config.precision == "bfloat16")
    model.eval()
    try:
        with torch.random.fork_rng(devices), autocast:
            yield
    finally:
        model.train(training)
        model.generation_config = settings
        random.setstate(chance[0])
        np.random.set_state(chance[1])
