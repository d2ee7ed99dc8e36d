"""One stage of a training, on transformers' Trainer: begun, gone on with, ended."""

from __future__ import annotations

import dataclasses
import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, TrainingArguments

from cpbench.errors import UsageError, UserError
from cpbench.flow.batching import is_out_of_memory
from cpbench.flow.ledger import write_whole
from cpbench.flow.memory import give_back
from cpbench.flow.ranks import Ranks
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watch
from cpbench.training.bases import Learner, peft_warnings
from cpbench.training.batches import Collator, Examples
from cpbench.training.chats import Chats, Questions
from cpbench.training.config import Stage, TrainConfig
from cpbench.training.held_out import HeldOut
from cpbench.training.losses import add_heads
from cpbench.training.sharding import ShardedTrainer, check_sharding, sharding_words, twin
from cpbench.training.trainer import WEIGHTS, SpeechTrainer, last_checkpoint, load_learned, save_learned

DONE = "done.json"
TIDY = 60.0  # seconds between two times that free memory is given back, which takes a fraction of one
OWN = {"output_dir", "seed", "data_seed", "num_train_epochs", "per_device_train_batch_size", "save_strategy"}
"""TrainingArguments that the configuration has other words for, or that resumption rests on."""


@dataclass
class Round:
    """One stage with all that it needs."""

    stage: Stage
    config: TrainConfig
    learner: Learner
    examples: Examples | Questions
    collate: Collator | Chats
    folder: Path  # of its checkpoints
    watch: Watch
    ranks: Ranks = field(default_factory=Ranks)
    asked: HeldOut | None = None  # while it trains
    last: bool = False  # of the stages
    stop: Callable[[], bool] = lambda: False
    stopped: bool = False  # by `stop`, and so not at its end


Ended = tuple[list[dict[str, Any]], int]
"""What the held-out part said, by step; and how many steps there were."""


def run_stage(round: Round) -> Ended:
    """Train the model in place, from where an earlier start left it.

    A batch that does not fit into memory is split, and its parts are added up to the same step. Raises Stopped where
    `stop` ended it early: the same call goes on. Raises UserError for a single example that does not fit.
    """
    model, stage = round.learner.model, round.stage
    freeze(model, stage, lora=round.config.lora is not None)
    if isinstance(round.examples, Examples):
        vocabulary = len(round.learner.processor.tokenizer)
        add_heads(model, stage, vocabulary=vocabulary, voices=len(round.examples.voices))
        freeze(model, stage, lora=round.config.lora is not None)
    if (ended := _done(round)) is not None:
        return ended
    _begin(round)
    config = round.config
    while True:
        trainer: SpeechTrainer | None = None
        try:
            trainer = _trainer(round, config)
            _train(trainer, round)
            ended = _end(trainer, round)
            break
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            _check_alone(round, error)
            config = _smaller(config, error, round.watch)
            error.__traceback__ = None  # its frames hold the memory
        trainer = None  # it holds the optimiser's memory
        _release()
    if config.sharding is not None:  # the next stage's twin comes where this one's was
        trainer = None
        _release()
    return ended


def _trainer(round: Round, config: TrainConfig) -> SpeechTrainer:
    if isinstance(round.collate, Collator):
        round.collate.begin()
    kind, model = SpeechTrainer, round.learner.model
    if config.sharding is not None:
        kind, model = ShardedTrainer, _twin(round)
    trainer = kind(
        model=model,
        args=arguments(round, config),
        train_dataset=round.examples,
        eval_dataset=round.examples if _evaluates(round) else None,  # never read: `evaluate` asks the held-out part
        data_collator=round.collate,
        processing_class=round.learner.processor if config.fresh else None,
        callbacks=[_Told(round)],
    )
    round.stopped = False
    trainer.stage = round.stage
    trainer.frozen = [] if config.fresh else _frozen(model)
    if isinstance(trainer, ShardedTrainer):
        trainer.whole = round.learner.model
    trainer.remove_callback(PrinterCallback)  # the watcher says it
    asked = round.asked
    if _evaluates(round) and asked is not None:
        trainer.ask = lambda: asked.metrics(round.learner)
        if round.last and config.evaluation.patience is not None:
            trainer.add_callback(EarlyStoppingCallback(config.evaluation.patience))
    return trainer


def _twin(round: Round) -> nn.Module:
    """What learns where the weights are split, made of the weights that the stage goes on with."""
    at = (last_checkpoint(round.folder) or round.folder) / WEIGHTS
    if at.is_file():
        load_learned(round.learner.model, at)
    return twin(round.learner.model)


def _train(trainer: SpeechTrainer, round: Round) -> None:
    """From the last whole checkpoint, or from the stage's beginning."""
    checkpoint = last_checkpoint(round.folder)
    with peft_warnings():
        if checkpoint is None:
            if (round.folder / WEIGHTS).is_file():
                load_learned(round.learner.model, round.folder / WEIGHTS)
            trainer.train()
        else:
            trainer.go_on_from(checkpoint)
            trainer.train(resume_from_checkpoint=str(checkpoint))
    state = trainer.state
    if round.stopped:
        raise Stopped(
            f"stopped at step {state.global_step} of {state.max_steps} of {round.stage.name}; the same command goes on"
        )


def _check_alone(round: Round, error: BaseException) -> None:
    """Raises UserError where there are several ranks: the others would wait for ever."""
    if round.ranks.count > 1:
        raise UserError(
            f"memory runs out on rank {round.ranks.index}: {str(error).splitlines()[0][:200]}",
            mend="a smaller batch_size with more accumulation, which is the same step",
        ) from error


def _smaller(config: TrainConfig, error: BaseException, watch: Watch) -> TrainConfig:
    """The same step from more batches of fewer examples."""
    batch = config.batch_size
    parts = next((number for number in range(2, batch + 1) if batch % number == 0), None)
    if parts is None:
        raise UserError(
            f"memory runs out with a batch of one: {str(error).splitlines()[0][:200]}",
            mend="--set gradient_checkpointing=true; --set precision=bfloat16; --lora; or a smaller model",
        ) from error
    smaller = dataclasses.replace(config, batch_size=batch // parts, accumulation=config.accumulation * parts)
    watch.say(
        f"out of memory with batches of {batch}: going on with batches of {smaller.batch_size}, "
        f"{smaller.accumulation} to a step, which is the same step"
    )
    return smaller


def _release() -> None:
    gc.collect()
    give_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _begin(round: Round) -> None:
    """Keep what the stage begins from: batches that do not fit begin it again."""
    if round.ranks.first and not (round.folder / WEIGHTS).is_file() and last_checkpoint(round.folder) is None:
        save_learned(round.learner.model, round.folder / WEIGHTS)
    round.ranks.barrier()


def _end(trainer: SpeechTrainer, round: Round) -> Ended:
    """Keep what the stage ends with, and say what the held-out part said."""
    said = [
        {"stage": round.stage.name, **{key.removeprefix("eval_"): value for key, value in line.items()}}
        for line in trainer.state.log_history
        if any(key.startswith("eval_") for key in line)
    ]
    if round.ranks.first:
        chance = torch.random.get_rng_state()
        save_learned(round.learner.model, round.folder / WEIGHTS)
        content = {"steps": trainer.state.global_step, "evaluations": said, "chance": chance.numpy().tobytes().hex()}
        write_whole(round.folder / DONE, json.dumps(content).encode())
    round.ranks.barrier()
    return said, trainer.state.global_step


def _done(round: Round) -> Ended | None:
    """What a stage that was ended before said, its weights and the generator's state taken up; None: it was not."""
    path = round.folder / DONE
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    load_learned(round.learner.model, round.folder / WEIGHTS)
    torch.random.set_rng_state(torch.frombuffer(bytearray.fromhex(content["chance"]), dtype=torch.uint8))
    round.watch.stage(f"training {round.stage.name}", total=content["steps"], done=content["steps"])
    return content["evaluations"], content["steps"]


def freeze(model: nn.Module, stage: Stage, *, lora: bool = False) -> None:
    """Let only what the stage names learn; of a model with LoRA, its weights in place of the language model's own."""
    own: dict[str, tuple[str, ...]] = {
        "all": ("",),
        "adapter": ("adapter.",),
        "encoder": ("audio_encoder.", "transcript_head.", "voice_head.", "prosody_head."),
    }
    ours = hasattr(model, "adapter")
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.requires_grad = stage.trainable != "encoder"
        elif lora and (not ours or name.startswith("language_model.")):
            parameter.requires_grad = False
        else:
            parameter.requires_grad = name.startswith(own[stage.trainable])


def _frozen(model: nn.Module) -> list[nn.Module]:
    """The outermost parts that hold no parameter that learns: dropout should not touch them."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        return [model]
    return [part for child in model.children() if next(child.parameters(), None) is not None for part in _frozen(child)]


def arguments(round: Round, config: TrainConfig) -> TrainingArguments:
    """The Trainer's own words for a stage; what the configuration says under `trainer` goes over them."""
    if clash := sorted(OWN & config.trainer.keys()):
        raise UsageError("`trainer` may not say", value=clash[0], mend="this configuration's own key for it")
    stage = round.stage
    own: dict[str, Any] = {
        "output_dir": str(round.folder),
        "num_train_epochs": stage.epochs,
        "per_device_train_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.accumulation,
        "learning_rate": stage.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": config.warmup,
        "weight_decay": config.weight_decay,
        "adam_beta2": 0.98,
        "max_grad_norm": 1.0,
        "bf16": config.precision == "bfloat16",
        "train_sampling_strategy": "group_by_length",
        "seed": config.seed,
        "data_seed": config.seed,
        "save_strategy": "steps",
        "save_steps": config.save_every,
        "save_total_limit": 1,
        "logging_steps": 100,
        "report_to": list(config.report_to),
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": False,
        "activation_checkpointing": config.gradient_checkpointing,
        "ddp_find_unused_parameters": False,  # every loss hangs on all that learns
    }
    if config.sharding is not None:
        own |= sharding_words(config, round.learner.model)
    if round.ranks.count > 1 and not torch.cuda.is_available():
        own["ddp_backend"] = "gloo"
    try:
        return TrainingArguments(**{**own, **_evaluating(round), **config.trainer})
    except (TypeError, ValueError) as error:
        raise UsageError(f"transformers refuses these settings: {error}") from error


def check_trainer(config: TrainConfig) -> None:
    """Raises UsageError for a log that transformers does not know, UserError for one that is not installed, and both
    for weights that cannot be split among the ranks here.
    """
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    check_sharding(config)
    for name in config.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            raise UsageError("report_to names none of transformers' logs:", value=name, allowed=INTEGRATION_TO_CALLBACK)
        try:
            INTEGRATION_TO_CALLBACK[name]()
        except (ImportError, RuntimeError) as error:
            raise UserError(f"report_to {name}: {error}", mend=f"pip install {name}") from error


def _evaluates(round: Round) -> bool:
    return round.asked is not None and round.config.evaluation.every > 0 and round.stage.trainable != "encoder"


def _evaluating(round: Round) -> dict[str, Any]:
    """When the held-out part is asked, and which weights are kept for it."""
    evaluation = round.config.evaluation
    if not _evaluates(round):
        return {}
    words: dict[str, Any] = {"eval_strategy": "steps", "eval_steps": evaluation.every}
    if round.last and (evaluation.keep == "best" or evaluation.patience is not None):
        words |= {
            "load_best_model_at_end": evaluation.keep == "best",
            "metric_for_best_model": f"eval_{evaluation.metric}",
            "greater_is_better": True,
            "save_steps": evaluation.every,  # a weight can only be kept where it was written
        }
    return words


class _Told(TrainerCallback):  # type: ignore[misc]
    """Tells the watcher each step, and the loss now and then; ends the training where it is asked to stop."""

    def __init__(self, round: Round) -> None:
        self._round, self._stage, self._watch = round, round.stage.name, round.watch
        self._tidied = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._watch.stage(f"training {self._stage}", total=state.max_steps, done=state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._watch.advance()
        if time.monotonic() > self._tidied + TIDY:
            give_back()
            self._tidied = time.monotonic()
        if self._stops(args) and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True
            self._round.stopped = True

    def _stops(self, args: Any) -> bool:
        """Whether any rank was asked to stop: all of them stop at the same step."""
        stop = self._round.stop()
        if args.world_size == 1:
            return stop
        asked = torch.tensor(float(stop), device=args.device)
        torch.distributed.all_reduce(asked)
        return bool(asked > 0)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **kwargs: Any
    ) -> None:
        whole = {key.removeprefix("eval_"): value for key, value in (metrics or {}).items() if "/" not in key}
        said = ", ".join(f"{key} {value:.3g}" for key, value in whole.items())
        self._watch.say(f"{self._stage}: step {state.global_step}, held out: {said}")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self._watch.say(
                f"{self._stage}: step {state.global_step} of {state.max_steps}, loss {float(logs['loss']):.3f}"
            )
