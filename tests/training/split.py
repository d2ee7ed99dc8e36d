"""What ranks train with their weights split, and with each holding them whole. Load this module by its path."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from cpbench.flow.stopping import Stopped
from cpbench.training import Stage, TrainConfig, train
from cpbench.training.config import Evaluation, Joint, Lora

Sharding = Literal["fsdp", "deepspeed"]
ADAPTER = Stage("adapter", 1, 1e-3, trainable="adapter")


def trained(parts: Path, data: Path, folder: Path, sharding: Sharding | None, **settings: Any) -> None:
    """`parts` holds an encoder and a language model. In FOLDER/WAY: `stages`; where the weights are split, ended
    twice and gone on with, beside `whole`, which was not; and `lora`.
    """
    way = folder / str(settings.pop("way", sharding or "ddp"))
    plain = TrainConfig(
        data=(str(data),),
        out=str(way / "stages"),
        encoder=str(parts / "whisper"),
        llm=str(parts / "llama"),
        stages=(ADAPTER, Stage("all", 2, 1e-3)),
        joint=Joint(frames_per_embedding=5, adapter_hidden_size=48),
        batch_size=1,
        accumulation=2,
        threads=1,
        sharding=sharding,
        **settings,
    )
    if sharding is not None:
        train(dataclasses.replace(plain, out=str(way / "whole")))
        until(plain, 3)
        until(plain, 2)
    train(plain)
    asked = Evaluation((str(data.with_name("dev.jsonl")),), every=1, limit=2, keep="best", max_new_tokens=2)
    lora = dataclasses.replace(plain, stages=(ADAPTER,), lora=Lora(dropout=0.0), evaluation=asked)
    train(dataclasses.replace(lora, out=str(way / "lora"), cache="off", gradient_checkpointing=True))


def until(config: TrainConfig, steps: int) -> None:
    """Train so many steps."""
    asked = iter([False] * (steps - 1) + [True] * 100)
    try:
        train(config, stop=lambda: next(asked))
    except Stopped:
        return
    raise AssertionError(f"not stopped at step {steps}")


def pretend_a_gpu() -> None:
    """Let accelerate take two CPU ranks for two of GPUs: else it leaves the weights whole, whatever it is told."""
    import torch
    from accelerate import PartialState
    from accelerate.state import DistributedType

    def backend(state: PartialState, *asked: Any) -> tuple[str, DistributedType]:
        return "gloo", DistributedType.MULTI_GPU

    def device(state: PartialState) -> None:
        state.device = torch.device("cpu")

    PartialState._prepare_backend = backend
    PartialState.set_device = device
