"""The training: items to packs, a fresh model, its stages, a checkpoint that `cpbench run` takes as it stands."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cpbench.errors import UserError
from cpbench.flow.watch import Unwatched, Watch
from cpbench.formats import read
from cpbench.records import Item, Setting
from cpbench.training.config import UNTYPED, Stage, TrainConfig
from cpbench.training.rows import Pack, packs


def train(config: TrainConfig, watch: Watch | None = None) -> Path:
    """Train a model and save it with its processor and `checkpoint.json`; return its folder.

    The same configuration on the same machine gives the same weights. Raises UserError where the data cannot be learned
    from.
    """
    import torch
    from transformers import set_seed

    from cpbench.training.batches import Examples, Features
    from cpbench.training.checkpoint import save
    from cpbench.training.fresh import speechlm
    from cpbench.training.stages import run_stage, without_heads

    begun = time.monotonic()
    if config.threads:
        torch.set_num_threads(config.threads)
    items = [item for path in config.data for item in read("items", path, task=Path(path).stem)]
    items = [item for item in items if item.split == "train"]
    if not items:
        raise UserError(f"no training items in {', '.join(config.data)}", mend='lines with "split": "train"')
    setting = Setting(config.seed, config.tag_template)
    made = [_asked(items, stage, config, setting) for stage in config.stages]
    set_seed(config.seed)
    model, processor = speechlm(config.sizes, _texts(itertools.chain.from_iterable(made)))
    features = Features(processor)
    for stage, asked in zip(config.stages, made, strict=True):
        examples = Examples(asked, processor, features, config.weights)
        run_stage(model, processor, examples, config=config, stage=stage, watch=watch or Unwatched())
    return save(without_heads(model), processor, items, config, seconds=time.monotonic() - begun)


def _asked(items: Sequence[Item], stage: Stage, config: TrainConfig, setting: Setting) -> list[Pack]:
    chosen = [item for item in items if stage.types is None or (item.type or UNTYPED) in stage.types]
    if not chosen:
        raise UserError(f"stage {stage.name!r} has nothing to learn: no training item is of type", value=stage.types)
    return packs(chosen, stage.conditions or config.conditions, setting, config.seed)


def _texts(made: Iterable[Pack]) -> Iterator[str]:
    """All that the vocabulary should spell well: words stand behind a space, as they do in a sentence."""
    for pack in made:
        for row in pack.rows:
            yield from (row.request.text, row.answer)
        if pack.transcript:
            yield f" {pack.transcript}"
