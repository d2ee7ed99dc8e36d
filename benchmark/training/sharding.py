"""Weights that are split among the ranks while they learn: PyTorch's FSDP2, or DeepSpeed's ZeRO, through accelerate.

Each rank keeps the whole model in its host's memory, as it was loaded; a twin of it, split among the ranks' devices,
learns. What learned is brought together into the whole model where it is saved, asked, or taken up by the next stage,
so all that comes after a training knows nothing of splits.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cpbench.errors import UsageError, UserError
from cpbench.training.config import Stage, TrainConfig
from cpbench.training.rows import Pack
from cpbench.training.trainer import WEIGHTS, SpeechTrainer, load_learned, save_learned

ZERO: Mapping[str, Any] = {
    "zero_optimization": {"stage": 3},
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "bf16": {"enabled": "auto"},
    "zero_allow_untested_optimizer": True,
}
"""What DeepSpeed is told unless `sharding_config` says otherwise."""
_AC = "_checkpoint_wrapped_module."  # stands in the names of what is computed again in the backward pass


class ShardedTrainer(SpeechTrainer):
    """A SpeechTrainer of a twin whose weights are split; `whole` gets what it learned.

    A checkpoint holds what learns, whole, and each rank's part of the optimiser: it is gone on from with as many ranks.
    """

    whole: nn.Module
    _chosen = False  # whether `whole` holds the best weights, and not the twin's

    def together(self) -> None:
        """Bring what learned into the whole model; every rank must call this."""
        if self._chosen:
            return
        held = dict(self.whole.named_parameters())
        with torch.no_grad():
            for name, part in self.model.named_parameters():
                if part.requires_grad:
                    held[name.replace(_AC, "")].copy_(_full(part))
        buffers = dict(self.whole.named_buffers())
        for name, value in self.model.named_buffers():
            buffers[name.replace(_AC, "")].copy_(value)

    def train(self, *arguments: Any, **options: Any) -> Any:
        said = super().train(*arguments, **options)
        self.together()
        self.accelerator.free_memory()  # DeepSpeed's engine too, which would stay for the next stage
        return said

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """As without splits: the first rank asks the whole model, on its own device."""
        self.together()
        with asked_whole(self.whole, self.args.device):
            return super().evaluate(*arguments, **options)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        self.together()
        if self.args.should_save:
            save_learned(self.whole, Path(output_dir or self.args.output_dir) / WEIGHTS)

    def _touched(self, model: nn.Module, loss: torch.Tensor) -> torch.Tensor:
        return loss  # every batch has all that learns in its graph: see `check_sharded`

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Each rank its part of the optimiser. Not the weights, as the Trainer would: those that learn are saved."""
        from accelerate.utils import save_fsdp_optimizer

        Path(output_dir).mkdir(parents=True, exist_ok=True)
        if self.is_deepspeed_enabled:
            self.model_wrapped.save_checkpoint(output_dir, exclude_frozen_parameters=True)
        else:
            plugin = self.accelerator.state.fsdp_plugin
            save_fsdp_optimizer(plugin, self.accelerator, self.optimizer, self.model, output_dir)
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / "scheduler.pt")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Nothing: the twin was made of the checkpoint's weights."""

    def _load_best_model(self) -> None:
        load_learned(self.whole, Path(str(self.state.best_model_checkpoint)) / WEIGHTS)
        self._chosen = True


def twin(model: nn.Module) -> nn.Module:
    """The same model of parameters of its own, which lie where the model's lie until they are split."""
    memo: dict[int, Any] = {
        id(value): nn.Parameter(value.detach(), requires_grad=value.requires_grad) for value in model.parameters()
    }
    made = copy.deepcopy(model, memo)
    for part in made.modules():
        config: Any = getattr(part, "config", None)
        if hasattr(config, "use_cache"):
            config.use_cache = False  # a layer that is computed again would add to what it kept the first time
    return made


def _full(part: torch.Tensor) -> torch.Tensor:
    """All of a parameter of which this rank holds a part; float32 where DeepSpeed learns it so."""
    if hasattr(part, "full_tensor"):
        return part.full_tensor()  # type: ignore[no-any-return]
    from deepspeed.utils import safe_get_full_fp32_param

    whole: torch.Tensor | None = safe_get_full_fp32_param(part)
    return part if whole is None else whole


@contextmanager
def asked_whole(model: nn.Module, device: torch.device | str) -> Iterator[None]:
    """The whole model on the first rank's device, and generation that waits for no other rank."""
    from transformers.integrations import deepspeed

    settings = deepspeed._hf_deepspeed_config_weak_ref
    first = int(os.environ.get("RANK", "0")) == 0
    deepspeed.unset_hf_deepspeed_config()
    if first:
        model.to(device)
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = settings
        if first:
            model.to("cpu")


# -- what the Trainer is told ------------------------------------------------------------------------------------------


def sharding_words(config: TrainConfig, model: nn.Module) -> dict[str, Any]:
    """TrainingArguments for the way in which the configuration splits the weights. Raises UserError."""
    from accelerate.state import AcceleratorState

    own = _own(config)
    if config.sharding == "deepspeed":
        AcceleratorState._reset_state()  # of the stage before: accelerate takes DeepSpeed's settings once
        configured = {"use_configured_state": True}  # connected in `train`: on CPUs the Trainer would name no backend
        return {"deepspeed": {**ZERO, **own}, "accelerator_config": configured, "use_cpu": False}
    settings: dict[str, Any] = {
        "version": 2,
        "state_dict_type": "SHARDED_STATE_DICT",
        "transformer_layer_cls_to_wrap": layers(model),
        "cpu_ram_efficient_loading": False,  # each rank has loaded the whole model
        "activation_checkpointing": config.gradient_checkpointing,
    }
    return {"fsdp": True, "fsdp_config": {**settings, **own}, "activation_checkpointing": False}


def layers(model: nn.Module) -> list[str]:
    """The classes of the layers that are split one by one, as the parts of the model name them."""
    named = {name for part in model.modules() for name in getattr(part, "_no_split_modules", None) or ()}
    return sorted(named & {type(part).__name__ for part in model.modules()})


def _own(config: TrainConfig) -> dict[str, Any]:
    """What the user's own file says."""
    import yaml

    if config.sharding_config is None:
        return {}
    path = Path(config.sharding_config).expanduser()
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"sharding_config {path} cannot be read: {error}") from None
    if not isinstance(said, dict):
        raise UserError(f"sharding_config {path} should hold keys and values")
    said = said.get("fsdp_config", said) if config.sharding == "fsdp" else said  # accelerate's own file has both
    return {str(key).removeprefix("fsdp_"): value for key, value in said.items()}


def check_sharding(config: TrainConfig) -> None:
    """Raises UserError, before anything is loaded, for weights that cannot be split here; UsageError for settings that
    say it in another way."""
    for name in ("fsdp", "deepspeed"):
        asked = os.environ.get(f"ACCELERATE_USE_{name.upper()}", "").lower() == "true"
        if config.trainer.get(name) or (asked and config.sharding != name):
            raise UsageError(
                f"{name} is asked for in a way that this command does not follow",
                mend=f"--set sharding={name}; its settings: --set sharding_config=FILE",
            )
    if config.sharding is None:
        return
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        raise UserError(
            f"{config.sharding} splits the weights among several processes, and this is one",
            mend="torchrun --nproc-per-node N -m cpbench train ...",
        )
    if config.sharding == "deepspeed":
        _check_deepspeed()


def _check_deepspeed() -> None:
    import importlib.util

    if importlib.util.find_spec("deepspeed") is None:
        raise UserError("DeepSpeed is not installed", mend="pip install deepspeed; or --set sharding=fsdp")


def check_sharded(config: TrainConfig, stages: Iterable[tuple[Stage, Sequence[Pack]]]) -> None:
    """Raises UserError for what ranks with parts of the weights cannot learn, and for accelerate on CPUs.

    Each rank gathers the layers that its own batch runs through: all must run through the same ones.
    """
    if config.sharding is None:
        return
    from accelerate import PartialState

    if config.sharding == "fsdp" and str(PartialState().distributed_type).endswith("MULTI_CPU"):
        raise UserError(
            "on CPUs accelerate leaves the weights whole, whatever is asked",
            mend="sharding=fsdp on GPUs; sharding=deepspeed; or without sharding",
        )
    for stage, packs in stages:
        if stage.trainable == "encoder" or stage.ctc_weight or stage.voice_weight or stage.prosody_weight:
            raise UserError(
                f"stage {stage.name!r} has losses on the encoder's frames: not with sharding={config.sharding}",
                mend="such stages without sharding",
            )
        if len({bool(pack.sounds) for pack in packs}) > 1:
            raise UserError(
                f"stage {stage.name!r} asks some questions with audio and some without; sharding={config.sharding} "
                "needs all of one kind, for each rank waits for the others at every layer",
                mend="one stage for each kind; or without sharding",
            )
