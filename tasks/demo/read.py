"""The packaged demo: `cpqa.jsonl` and `emotion.jsonl` beside this file, in the form of a user's items.jsonl."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cpbench import formats
from cpbench.records import Item
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus


@corpus
def items(folder: Path, card: Card) -> Iterator[Item]:
    return formats.read("items", folder / card.select["file"], task=card.name)
