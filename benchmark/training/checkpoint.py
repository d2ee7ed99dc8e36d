"""A trained model on disk: weights, processor, and `checkpoint.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cpbench.records import Item
from cpbench.training.config import TrainConfig


def save(model: Any, processor: Any, items: Sequence[Item], config: TrainConfig, *, seconds: float) -> Path:
    """Write the checkpoint to `config.out`: weights as float16, though its config asks for them as float32.

    Half the bytes lose nothing that a measurement shows; computing in float16 is slow on a CPU.
    """
    import torch

    folder = Path(config.out)
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _write(folder / "config.json", _as_float32(settings))
    _write(folder / "checkpoint.json", describe(items, config, seconds=seconds))
    return folder


def _as_float32(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        key: "float32" if key == "dtype" else _as_float32(value) if isinstance(value, dict) else value
        for key, value in settings.items()
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def trained_on(items: Iterable[Item]) -> list[str]:
    """The sha256 of every clip, sorted, so that a run can flag what it has in common."""
    return sorted({str(clip.sha256) for item in items for clip in item.clips})


def describe(items: Sequence[Item], config: TrainConfig, *, seconds: float) -> dict[str, Any]:
    """What `checkpoint.json` says besides the weights (DESIGN §5)."""
    tagged = [name for name in config.conditions if "tags" in name]
    return {
        "variant": config.variant,
        "condition": "audio",
        "conditions": dict(config.conditions),
        "tag_template": config.tag_template,
        "tag_source": tagged[0].split("tags:")[-1] if tagged else None,
        "seed": config.seed,
        "seconds": round(seconds),
        "items": len(items),
        "languages": sorted({item.language for item in items if item.language}),
        "trained_on": trained_on(items),
    }
