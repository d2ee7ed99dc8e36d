"""What learns: a fresh speechlm, a checkpoint, or parts that are joined; with LoRA beside its language model or not."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cpbench.errors import UserError
from cpbench.models.local.listening import encoder_of
from cpbench.models.local.load import Source, load_weights, open_checkpoint
from cpbench.training import fresh, joined
from cpbench.training.config import Lora, TrainConfig

LAYERS = r"(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


@dataclass
class Learner:
    """A model and its processor. `packs`: a speechlm, whose clip is encoded once for all of its questions."""

    model: Any
    processor: Any
    packs: bool
    source: str | None = None  # of the weights: a folder or a Hub id; two for parts that were joined, by "+"
    revision: str | None = None


def open_learner(config: TrainConfig, texts: Iterable[str]) -> Learner:
    """Load or make what the configuration names; new weights come from torch's generator as it stands.

    `texts`: all that a fresh vocabulary should spell well. Raises UserError for a base that cannot be trained.
    """
    if config.sizes is not None and config.fresh:
        learner = Learner(*fresh.speechlm(config.sizes, texts), packs=True)
    elif config.base is None:
        learner = Learner(*joined.speechlm(config, _dtype(config)), packs=True, source=f"{config.encoder}+{config.llm}")
    else:
        learner = _checkpoint(config, config.base)
    if config.lora is not None:
        _add_lora(learner, config.lora)
    elif not learner.packs and any(stage.trainable == "adapter" for stage in config.stages):
        raise UserError(
            f"{config.base} has no adapter of ours to train, so nothing would learn",
            mend="--lora; or `trainable: all` in the stages",
        )
    return learner


def _checkpoint(config: TrainConfig, base: str) -> Learner:
    """A base from disk or the Hub, opened as a run opens it."""
    opened = open_checkpoint(Source(base, trust_remote_code=config.trust_remote_code))
    model = load_weights(opened, device="cpu", dtype=str(_dtype(config)).removeprefix("torch."))
    is_ours = opened.config.model_type == "speechlm"
    if is_ours:
        model.adapter.float()
    return Learner(model, opened.processor, is_ours, base, opened.revision)


def _dtype(config: TrainConfig) -> Any:
    """Frozen weights may lie in bfloat16; those that learn are float32, and so is all of a base that learns whole."""
    import torch

    frozen = all(stage.trainable == "adapter" for stage in config.stages)
    return torch.bfloat16 if config.precision == "bfloat16" and frozen else torch.float32


def _add_lora(learner: Learner, lora: Lora) -> None:
    """Put LoRA beside the layers of the language model; all else is left as it is."""
    import peft

    whole = learner.model.language_model if learner.packs else learner.model
    settings = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets or _targets(whole, inside=learner.packs),
        task_type="CAUSAL_LM",
    )
    with peft_warnings():
        try:
            adapted = peft.get_peft_model(whole, settings)
        except ValueError as error:
            said = f"LoRA finds no layer that it could stand beside: {error}"
            raise UserError(said, mend="--set lora.targets=PATTERN") from error
    if learner.packs:
        learner.model.language_model = adapted
    else:
        learner.model = adapted


def _targets(model: Any, *, inside: bool) -> str | list[str]:
    """The usual layers of the language model by one pattern; where it has other names, all linear layers that do not
    belong to the audio encoder or stand before the scores."""
    from torch import nn

    pattern = rf".*\.{LAYERS}" if inside else rf".*language_model.*\.{LAYERS}"
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if any(re.fullmatch(pattern, name) for name in names):
        return pattern
    encoder = None if inside else encoder_of(model)
    heard = {id(module) for module in encoder.modules()} if encoder is not None else set()
    last = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if type(module).__name__ in ("Linear", "Conv1D") and id(module) not in heard and module is not last
    ]


def peft_warnings() -> warnings.catch_warnings[None]:
    """Without the warning that PEFT 0.21 gives because transformers 5.23 calls something by a new name."""
    return warnings.catch_warnings(action="ignore", category=FutureWarning)
