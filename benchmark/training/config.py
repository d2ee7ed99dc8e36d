"""What a training is told: the data, the sizes, the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cpbench.errors import UsageError, UserError

Trainable = Literal["all", "adapter", "encoder"]
UNTYPED = "untyped"
"""What `types` and `weights` call the items of no question type: speech recognition, for one."""


@dataclass(frozen=True)
class Stage:
    """One pass of the optimiser with its own schedule: a linear warm-up, then a cosine down to nothing.

    Where only the encoder trains, it does so by the auxiliary losses alone, and the language model is not even run.
    """

    name: str
    epochs: float
    learning_rate: float
    trainable: Trainable = "all"
    ctc_weight: float = 0.0  # of the auxiliary loss on the transcript; no auxiliary head is kept
    voice_weight: float = 0.0  # of the auxiliary loss on each frame's gold emotion tag and gender
    conditions: Mapping[str, float] | None = None  # None: the training's own
    types: tuple[str, ...] | None = None  # of the questions; None: all


@dataclass(frozen=True)
class Sizes:
    """A model from random weights: the fields of the configs in `cpbench.speechlm` and of the language model's own."""

    vocabulary: int
    encoder: Mapping[str, Any]
    text: Mapping[str, Any]
    window_seconds: float = 10.0
    frames_per_embedding: int = 2
    adapter_hidden_size: int = 256


@dataclass(frozen=True)
class TrainConfig:
    """The only argument of `train` besides its watcher.

    `conditions` says how often an item is asked under each condition: 1.0 for every clip, 0.3 for three clips in ten,
    2.0 for each clip twice.
    """

    data: tuple[str, ...]
    out: str
    sizes: Sizes
    stages: tuple[Stage, ...]
    conditions: Mapping[str, float] = field(default_factory=lambda: {"audio": 1.0})
    weights: Mapping[str, float] = field(default_factory=dict)  # of a question type's answers in the loss; else 1
    variant: str = "baseline"
    tag_template: str | None = None
    batch_size: int = 32  # clips, each with all of its questions
    weight_decay: float = 0.01
    warmup: float = 0.05  # share of a stage's steps
    level_jitter: float = 1.0  # decibels, standard deviation
    masked_frames: float = 0.0  # share of the time of a clip that is hidden, in pieces (SpecAugment)
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: int | None = None
    seed: int = 0


def load_config(source: str, *, data: tuple[str, ...], out: str, changes: Mapping[str, Any]) -> TrainConfig:
    """Read a training from a YAML file, or from a packaged one by name ("demo"); `changes` go over it.

    Raises UsageError for an unknown name or key, and UserError for a file that is not a configuration.
    """
    import pydantic
    import yaml

    path = _path(source)
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not isinstance(said, dict):
        raise UserError(f"{path} is not a configuration: it should hold keys and values")
    settings = {**said, **changes, "data": data, "out": out}
    if unknown := sorted(settings.keys() - TrainConfig.__dataclass_fields__.keys()):
        raise UsageError(f"{path}: unknown key", value=unknown[0], allowed=TrainConfig.__dataclass_fields__)
    try:
        return pydantic.TypeAdapter(TrainConfig).validate_python(settings)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}", value=first["input"]) from None


def _path(source: str) -> Path:
    if source.endswith((".yaml", ".yml")) or "/" in source:
        return Path(source).expanduser()
    folder = Path(__file__).parent / "configs"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if source not in known:
        raise UsageError(
            "no packaged training configuration", value=source, allowed=known, mend="the path of a YAML file"
        )
    return folder / f"{source}.yaml"
