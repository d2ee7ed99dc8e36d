"""What a training is told: the data, the sizes, the stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cpbench.errors import UsageError, UserError

Trainable = Literal["all", "adapter", "encoder"]
Variant = Literal["baseline", "implicit", "explicit", "combined"]
UNTYPED = "untyped"
"""What `types` and `weights` call the items of no question type: speech recognition, for one."""


@dataclass(frozen=True)
class Stage:
    """One pass of the optimiser with its own schedule: a linear warm-up, then a cosine down to nothing.

    Where only the encoder trains, it does so by the auxiliary losses alone, and the language model is not even run.
    With LoRA, its weights learn wherever the adapter does. `voice_weight` reads gold emotion labels; `prosody_weight`
    needs none: its targets are measured from the signal.
    """

    name: str
    epochs: float
    learning_rate: float
    trainable: Trainable = "all"
    ctc_weight: float = 0.0  # of the auxiliary loss on the transcript; no auxiliary head is kept
    voice_weight: float = 0.0  # of the auxiliary loss on each frame's gold emotion tag and gender
    prosody_weight: float = 0.0  # of the auxiliary loss on each frame's level and pitch
    conditions: Mapping[str, float] | None = None  # None: the training's own
    types: tuple[str, ...] | None = None  # of the questions; None: all
    data: tuple[str, ...] | None = None  # the stems of the data files that it learns from; None: all
    optional: bool = False  # left out, instead of refused, where no item is of its types


@dataclass(frozen=True)
class Joint:
    """How a pretrained encoder and a language model are joined: the sizes of the adapter between them.

    15 frames of Whisper's 1,500 become one embedding: 100 a window, as in the source paper.
    """

    frames_per_embedding: int = 15
    adapter_hidden_size: int = 2048
    window_seconds: float = 30.0  # where the encoder has no window of its own


@dataclass(frozen=True)
class Lora:
    """Low-rank weights beside those of the language model (Hu et al., 2021, arXiv 2106.09685)."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: str | None = None  # a regular expression of module names; None: the attention and feed-forward layers


@dataclass(frozen=True)
class Evaluation:
    """How a held-out part is asked while a stage trains; it changes no weight, only which of them are kept."""

    data: tuple[str, ...] = ()  # besides the training data's own dev part
    every: int = 0  # steps; 0: never
    limit: int = 200  # items, drawn by seed
    metric: str = "overlap_score"
    keep: Literal["best", "last"] = "last"
    patience: int | None = None  # how many evaluations without a gain end the last stage; None: none
    max_new_tokens: int = 64


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

    What is trained is one of three: `base`, a checkpoint; `encoder` and `llm`, pretrained parts that are joined; or,
    with neither, `sizes`, from random weights. `conditions` says how often an item is asked under each condition: 1.0
    for every clip, 0.3 for three clips in ten, 2.0 for each clip twice; None: the variant's own, once.
    """

    data: tuple[str, ...]
    out: str
    stages: tuple[Stage, ...]
    sizes: Sizes | None = None
    base: str | None = None  # the folder or the Hub id of a speechlm, or of another transformers Speech-LLM
    encoder: str | None = None
    llm: str | None = None
    joint: Joint = Joint()
    lora: Lora | None = None
    merge: bool = False  # whether LoRA's weights are added to the base's, and all are saved
    variant: Variant = "baseline"
    tags: str = "gold"  # whose tags the explicit and the combined variant see
    tag_template: str | None = None
    conditions: Mapping[str, float] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)  # of a question type's answers in the loss; else 1
    balance: Literal["none", "types"] = "none"  # types: each type's answers count alike in the loss, then `weights`
    mix: Mapping[str, float] = field(default_factory=dict)  # how often a data file (by its stem) is asked; else 1
    shared_speakers: bool = False  # whether a speaker may be both trained and evaluated on
    evaluation: Evaluation = Evaluation()
    batch_size: int = 32  # clips, each with all of its questions; for a Speech-LLM of another class: questions
    accumulation: int = 1  # batches a step
    weight_decay: float = 0.01
    warmup: float = 0.05  # share of a stage's steps
    level_jitter: float | None = None  # decibels, standard deviation; None: 1 from random weights, else 0
    masked_frames: float = 0.0  # share of the time of a clip that is hidden, in pieces (SpecAugment)
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    sharding: Literal["fsdp", "deepspeed"] | None = None  # of the weights among the ranks; None: each has all
    sharding_config: str | None = None  # a file of accelerate's fsdp_config, or of DeepSpeed's own settings
    cache: str = "auto"  # of a frozen encoder's outputs: auto (in `out`), off, or a folder to be kept and shared
    cache_precision: Literal["float16", "bfloat16", "float32"] = "float16"
    memory_gb: float = 4.0  # of features that are kept rather than made again
    save_every: int = 200  # steps: what a killed training does again at most
    trust_remote_code: bool = False
    report_to: tuple[str, ...] = ()  # tensorboard, wandb, ...: transformers' own
    trainer: Mapping[str, Any] = field(default_factory=dict)  # TrainingArguments as they are
    threads: int | None = None
    seed: int = 0

    @property
    def fresh(self) -> bool:
        """Whether all begins from random weights."""
        return self.base is None and self.encoder is None

    @property
    def jitter(self) -> float:
        """Decibels."""
        return float(self.fresh) if self.level_jitter is None else self.level_jitter

    @property
    def asked(self) -> Mapping[str, float]:
        """How often under which condition."""
        if self.conditions is not None:
            return self.conditions
        return {f"tags:{self.tags}" if self.variant in TAGGED else "audio": 1.0}


PARTS: Mapping[str, type] = {
    "stages": Stage,
    "sizes": Sizes,
    "joint": Joint,
    "lora": Lora,
    "evaluation": Evaluation,
}
TAGGED: tuple[Variant, ...] = ("explicit", "combined")
FREE = frozenset({"out", "threads", "report_to", "save_every", "memory_gb", "cache"})
"""What may change when a training goes on: none of it changes a weight."""


def load_config(
    source: str, *, data: Sequence[str], out: str, changes: Mapping[str, Any], settings: Sequence[str] = ()
) -> TrainConfig:
    """Read a training from a YAML file, or from a packaged one by name ("demo"); `changes` go over it by key, and
    `settings` ("stages.0.epochs=2") over both.

    Raises UsageError for an unknown name or key, and UserError for a file that is not a configuration.
    """
    import yaml

    path = _path(source)
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not isinstance(said, dict):
        raise UserError(f"{path} is not a configuration: it should hold keys and values")
    if changes.get("lora") is not None and said.get("lora"):
        changes = {**changes, "lora": said["lora"]}  # asked for, and described by the configuration
    said = {**said, **changes, "data": tuple(data), "out": out}
    if said.get("base") or said.get("encoder"):
        said["sizes"] = None
    for setting in settings:
        _set(said, setting)
    return validated(said, str(path))


def default_config(base: str | None, encoder: str | None) -> str:
    """The packaged configuration for what is trained: from random weights, a speechlm's adapter, or another class."""
    if base is None and encoder is None:
        return "demo"
    if base is None:
        return "paper"
    from cpbench.models.local.load import Source, open_checkpoint

    return "paper" if open_checkpoint(Source(base)).config.model_type == "speechlm" else "lora"


def validated(said: Mapping[str, Any], where: str) -> TrainConfig:
    """A configuration from plain values. Raises UsageError with `where`, the key and the value that does not fit."""
    import pydantic

    _check_keys(said, TrainConfig, where)
    if said.get("cache") is False:
        said = {**said, "cache": "off"}  # YAML reads a bare `off` as false
    for key, kind in PARTS.items():
        several = said.get(key) if isinstance(said.get(key), list | tuple) else [said.get(key)]
        for part in several or ():
            _check_keys(part, kind, f"{where}: {key}")
    try:
        config = pydantic.TypeAdapter(TrainConfig).validate_python(said)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}", value=first["input"]) from None
    _check(config, where)
    return config


def _check_keys(said: Any, kind: type, where: str) -> None:
    """Raises UsageError for a key that a part of the configuration does not have: it would do nothing, silently."""
    known = getattr(kind, "__dataclass_fields__", {})
    if isinstance(said, Mapping) and (unknown := sorted(said.keys() - known.keys())):
        raise UsageError(f"{where}: unknown key", value=unknown[0], allowed=known)


def _check(config: TrainConfig, where: str) -> None:
    """Raises UsageError for values that do not go together."""
    if (config.encoder is None) != (config.llm is None):
        raise UsageError(f"{where}: --encoder and --llm are given together", mend="--encoder WHISPER --llm LLM")
    if config.base is not None and config.encoder is not None:
        raise UsageError(f"{where}: --base, or --encoder and --llm, not both")
    if config.base is None and config.encoder is None and config.sizes is None:
        raise UsageError(
            f"{where} trains a pretrained model, and names none",
            mend="--base CKPT; or --encoder E --llm L; or `sizes` in the configuration, for random weights",
        )
    if config.merge and config.lora is None:
        raise UsageError(f"{where}: there is nothing to merge without --lora")
    if config.sharding_config is not None and config.sharding is None:
        raise UsageError(f"{where}: sharding_config without sharding", mend="--set sharding=fsdp; or deepspeed")
    if config.batch_size < 1 or config.accumulation < 1 or not config.stages:
        raise UsageError(f"{where}: batch_size and accumulation are at least 1, and there is at least one stage")


def _set(said: dict[str, Any], setting: str) -> None:
    """`a.0.b=VALUE` into nested values, VALUE read as YAML."""
    import yaml

    key, equals, word = setting.partition("=")
    if not equals or not key:
        raise UsageError("--set takes KEY=VALUE, not", value=setting, mend="--set stages.0.epochs=2")
    try:
        value = yaml.safe_load(word)
    except yaml.YAMLError:
        raise UsageError(f"--set {key}: not YAML:", value=word) from None
    *path, last = key.split(".")
    place: Any = said
    try:
        for step in path:
            if isinstance(place, dict):
                place[step] = dict(place.get(step) or {}) if not isinstance(place.get(step), list) else place[step]
                place = place[step]
            else:
                place = place[int(step)]
        place[int(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, TypeError):
        raise UsageError("--set names no place in this configuration:", value=key) from None


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
