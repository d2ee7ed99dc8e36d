"""The training: items to packs, a model, its stages, a checkpoint that `cpbench run` takes as it stands."""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpbench.flow.device import best_device
from cpbench.flow.memory import give_back
from cpbench.flow.ranks import Ranks, ranks
from cpbench.flow.watch import Unwatched, Watch
from cpbench.records import Score, Setting
from cpbench.training.config import Stage, TrainConfig
from cpbench.training.folder import Folder, claim, described
from cpbench.training.rows import Pack
from cpbench.training.variants import Material, asked, loss_weights, material, without_tags

if TYPE_CHECKING:
    from cpbench.training.bases import Learner
    from cpbench.training.batches import Collator, Examples
    from cpbench.training.chats import Chats, Questions
    from cpbench.training.checkpoint import Story
    from cpbench.training.encoded import Encoded
    from cpbench.training.features import Features

PATIENCE = timedelta(hours=2)
"""How long a rank waits for the others, of which the first asks the held-out part alone."""


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and where."""

    config: TrainConfig
    learner: Learner
    found: Material
    folder: Folder


@dataclass(frozen=True)
class Session:
    """How a training is followed and stopped; none of it changes a weight."""

    watch: Watch
    stop: Callable[[], bool]
    ranks: Ranks


def train(
    config: TrainConfig,
    watch: Watch | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    synthetic: Sequence[str] = (),
) -> Path:
    """Train a model and save it with its processor, model card and `checkpoint.json`; return its folder.

    The same configuration on the same machine gives the same weights; the same call goes on where an earlier one was
    ended, at any moment, to the same weights. `synthetic`: which of the data files are made by a program.

    Raises UserError for data that cannot be learned from, a base that cannot be trained, and a folder that holds
    another training; and Stopped where `stop` ended it early.
    """
    from cpbench.models.local.load import quietly

    with quietly(), _launched(config) as connected:
        told = watch if watch is not None and connected.first else Unwatched()  # what every rank says, one says
        try:
            return _trained(config, Session(told, stop, connected), synthetic)
        finally:
            give_back()


def _trained(config: TrainConfig, session: Session, synthetic: Sequence[str]) -> Path:
    import torch
    from transformers import set_seed

    from cpbench.training.bases import open_learner
    from cpbench.training.checkpoint import Story
    from cpbench.training.sharding import check_sharded
    from cpbench.training.stages import check_trainer

    begun = time.monotonic()
    if config.threads:
        torch.set_num_threads(config.threads)
    found = material(config)
    if left_out := without_tags(found.train, config):
        session.watch.say(f"{left_out} of {len(found.train)} training items have no tags from {config.tags}: left out")
    folder = claim(config, [*found.train, *found.held_out])
    if folder.finished:
        session.watch.say(f"{folder.path} holds this training, finished")
        return folder.path
    check_trainer(config)
    setting = Setting(config.seed, config.tag_template)
    made = [asked(found.train, stage, config, setting) for stage in config.stages]
    check_sharded(config, zip(config.stages, made, strict=True))
    set_seed(config.seed)
    job = Job(config, open_learner(config, _texts(itertools.chain.from_iterable(made))), found, folder)
    if session.ranks.first:
        folder.begin()
    session.ranks.barrier()
    said, steps = _stages(job, made, session)
    if session.ranks.first:
        data = described(config, found.train, synthetic)
        _finish(job, Story(found.train, data, time.monotonic() - begun, said, steps))
    session.ranks.barrier()
    return folder.path


def _stages(job: Job, made: Sequence[Sequence[Pack]], session: Session) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Every stage that has something to learn; what the held-out part said, and the steps of each stage."""
    from cpbench.training.batches import voices
    from cpbench.training.held_out import held_out
    from cpbench.training.stages import Round, run_stage

    config, learner = job.config, job.learner
    sounds = _sounds(job, made, session) if learner.packs else None
    heard = voices([pack for packs in made for pack in packs])
    asked_of = held_out(job.found.held_out, config)
    left = [place for place, packs in enumerate(made) if packs]
    said: list[dict[str, Any]] = []
    steps: dict[str, int] = {}
    for place in left:
        stage = config.stages[place]
        examples, collate = _examples(job, stage, made[place], heard, sounds)
        folder = job.folder.stage(place, stage.name)
        round = Round(stage, config, learner, examples, collate, folder, session.watch, session.ranks)
        round.asked, round.last, round.stop = asked_of, place == left[-1], session.stop
        evaluations, steps[stage.name] = run_stage(round)
        said += evaluations
    return said, steps


def _examples(
    job: Job,
    stage: Stage,
    packs: Sequence[Pack],
    heard: Mapping[str, int],
    sounds: Features | Encoded | None,
) -> tuple[Examples | Questions, Collator | Chats]:
    """What a stage learns from, and how a batch is made of it."""
    from cpbench.models.local import Prompts
    from cpbench.training.batches import Aims, Collator, Examples
    from cpbench.training.chats import Chats, Questions, ends_of

    config, processor = job.config, job.learner.processor
    weights = loss_weights(packs, config)
    if sounds is None:
        ends = ends_of(job.learner.model, processor)
        return Questions(packs), Chats(Prompts(processor, str(config.base)), ends, weights)
    aims = Aims(weights, heard, prosody=bool(stage.prosody_weight))
    collate = Collator(
        processor.tokenizer.pad_token_id,
        config.jitter,
        config.masked_frames,
        seed=config.seed,
        downsampling=job.learner.model.config.downsampling,
        classes=len(heard) if stage.voice_weight else 0,
    )
    return Examples(packs, processor, sounds, aims), collate


def _sounds(job: Job, made: Sequence[Sequence[Pack]], session: Session) -> Features | Encoded:
    """What the speechlm hears: features; or, where its encoder never learns, what the encoder makes of each sound."""
    from cpbench.training.encoded import Encoded
    from cpbench.training.features import Features

    config = job.config
    features = Features(job.learner.processor, config.memory_gb)
    learns = any(stage.trainable != "adapter" or _listens(stage) for stage in config.stages)
    changes = bool(config.jitter or config.masked_frames)
    if config.cache == "off" or config.fresh or learns or changes:
        return features
    place = job.folder.cache if config.cache == "auto" else Path(config.cache).expanduser()
    encoded = Encoded(place, job.learner.model, job.learner.processor, config.cache_precision)
    sounds = {sound: None for packs in made for pack in packs for sound in pack.sounds}
    job.learner.model.audio_encoder.to(best_device())  # the Trainer comes later, and brings all of the model there
    encoded.fill(sounds, features, ranks=session.ranks, watch=session.watch)
    job.learner.model.audio_encoder.to("cpu")
    return encoded


def _listens(stage: Stage) -> bool:
    return bool(stage.ctc_weight or stage.voice_weight or stage.prosody_weight)


def _finish(job: Job, story: Story) -> None:
    """Ask the held-out part a last time, write the checkpoint, and clear what was only needed while it trained."""
    from cpbench.training.checkpoint import save
    from cpbench.training.held_out import held_out
    from cpbench.training.losses import without_heads
    from cpbench.training.sharding import asked_whole

    learner = job.learner
    without_heads(learner.model)
    asked_of = held_out(job.found.held_out, job.config)
    scores: list[dict[str, Any]] = []
    if asked_of is not None:
        whole = asked_whole(learner.model, best_device()) if job.config.sharding is not None else nullcontext()
        with whole:
            scores = [_line(score) for score in asked_of.scores(learner)]
    save(learner, job.config, dataclasses.replace(story, scores=scores))
    job.folder.clear()


def _line(score: Score) -> dict[str, Any]:
    estimate = score.estimate
    return {
        "task": score.task,
        "metric": score.metric,
        "slice": score.slice,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
    }


def _texts(made: Iterable[Pack]) -> Iterator[str]:
    """All that the vocabulary should spell well: words stand behind a space, as they do in a sentence."""
    for pack in made:
        for row in pack.rows:
            yield from (row.request.text, row.answer)
        if pack.transcript:
            yield f" {pack.transcript}"


@contextmanager
def _launched(config: TrainConfig) -> Iterator[Ranks]:
    """This process among those that torchrun or accelerate started, connected to them."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ranks()
        return
    import torch
    from accelerate import PartialState
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(
        reset_partial_state=True
    )  # an earlier training may have been connected in another way
    on_cpu = not torch.cuda.is_available()
    with _environment(config):
        if config.sharding == "deepspeed":
            state = PartialState(timeout=PATIENCE, **({"backend": "gloo"} if on_cpu else {}))
        else:
            state = PartialState(cpu=on_cpu, timeout=PATIENCE)
        yield _Connected(state.process_index, state.num_processes)


@contextmanager
def _environment(config: TrainConfig) -> Iterator[None]:
    """What accelerate asks of the environment: whether to connect by DeepSpeed, whether ranks load nothing."""
    words = {"FSDP_CPU_RAM_EFFICIENT_LOADING": "false"} if config.sharding == "fsdp" else {}
    if config.sharding == "deepspeed":
        words = {"ACCELERATE_USE_DEEPSPEED": "true"}
    before = _accelerates()
    os.environ.update(words)
    try:
        yield
    finally:  # accelerate leaves words there of its own, which would hold for the next training too
        for name in _accelerates():
            del os.environ[name]
        os.environ.update(before)


def _accelerates() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("ACCELERATE_", "FSDP_"))}


class _Connected(Ranks):
    """Ranks that wait for each other through torch's own process group, which the Trainer uses too."""

    def barrier(self) -> None:
        import torch

        torch.distributed.barrier()
