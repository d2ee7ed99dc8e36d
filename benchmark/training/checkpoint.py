"""A trained model on disk: weights, processor, model card, and `checkpoint.json`, which is written last."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpbench.conditions.tags import TEMPLATE
from cpbench.fingerprint import dataset_fingerprint
from cpbench.flow.ledger import write_whole
from cpbench.records import Item
from cpbench.training.bases import Learner
from cpbench.training.card import card
from cpbench.training.config import TrainConfig
from cpbench.training.variants import main_condition

NOTES = "checkpoint.json"


@dataclass(frozen=True)
class Story:
    """What a training was, besides its configuration."""

    items: Sequence[Item]
    data: Sequence[Mapping[str, Any]]  # each file: its name, sha256 and number of items
    seconds: float = 0.0
    evaluations: Sequence[Mapping[str, Any]] = ()  # what the held-out part said, by stage and step
    steps: Mapping[str, int] = field(default_factory=dict)  # of each stage
    scores: Sequence[Mapping[str, Any]] = ()  # of the held-out part at the end, with intervals


def save(learner: Learner, config: TrainConfig, story: Story) -> Path:
    """Write the checkpoint to `config.out`, as `cpbench run --model OUT` takes it."""
    folder = Path(config.out)
    folder.mkdir(parents=True, exist_ok=True)
    if config.fresh:
        _save_fresh(learner.model, folder)
    elif learner.packs:
        _save_joined(learner.model, config, folder)
    else:
        _save_other(learner, config, folder)
    learner.processor.save_pretrained(folder)
    notes = describe(learner, config, story)
    write_whole(folder / "README.md", card(config, story.items, notes).encode())
    _write(folder / NOTES, notes)
    return folder


def _save_fresh(model: Any, folder: Path) -> None:
    """Weights as float16, though the config asks for them as float32.

    Half the bytes lose nothing that a measurement shows; computing in float16 is slow on a CPU.
    """
    import torch

    model.to(torch.float16).save_pretrained(folder)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _write(folder / "config.json", _as_float32(settings))


def _save_joined(model: Any, config: TrainConfig, folder: Path) -> None:
    """All parts in one checkpoint, LoRA added to the language model's weights."""
    import torch

    if config.lora is not None:
        model.language_model = model.language_model.merge_and_unload()
    dtype = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    model.to(dtype).save_pretrained(folder)


def _save_other(learner: Learner, config: TrainConfig, folder: Path) -> None:
    """A transformers class: LoRA's weights alone, beside the name of their base; or all of them, merged."""
    model = learner.model
    if config.lora is not None and config.merge:
        model = model.merge_and_unload()
    elif config.lora is not None:
        base = Path(str(learner.source)).expanduser()
        for settings in model.peft_config.values():
            settings.base_model_name_or_path = str(base.resolve()) if base.is_dir() else learner.source
            settings.revision = None if base.is_dir() else learner.revision
    model.save_pretrained(folder)


def _as_float32(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        key: "float32" if key == "dtype" else _as_float32(value) if isinstance(value, dict) else value
        for key, value in settings.items()
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_whole(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def trained_on(items: Iterable[Item]) -> list[str]:
    """The sha256 of every clip, sorted, so that a run can flag what it has in common."""
    return sorted({str(clip.sha256) for item in items for clip in item.clips})


def describe(learner: Learner, config: TrainConfig, story: Story) -> dict[str, Any]:
    """What `checkpoint.json` says besides the weights (DESIGN §5)."""
    tagged = [name for name in config.asked if "tags" in name]
    return {
        "cpbench": importlib.metadata.version("cpbench"),
        "variant": config.variant,
        "condition": main_condition(config),
        "conditions": dict(config.asked),
        "tag_template": config.tag_template or (TEMPLATE if tagged else None),
        "tag_source": tagged[0].split("tags:")[-1] if tagged else None,
        "base": learner.source,
        "base_revision": learner.revision,
        "lora": None if config.lora is None else {"rank": config.lora.rank, "alpha": config.lora.alpha},
        "seed": config.seed,
        "seconds": round(story.seconds),
        "steps": dict(story.steps),
        "data": [dict(file) for file in story.data],
        "items": len(story.items),
        "fingerprint": dataset_fingerprint(story.items),
        "licenses": sorted({item.origin["license"] for item in story.items if item.origin.get("license")}),
        "languages": sorted({item.language for item in story.items if item.language}),
        "evaluations": [dict(line) for line in story.evaluations],
        "held_out": [dict(line) for line in story.scores],
        "trained_on": trained_on(story.items),
    }
