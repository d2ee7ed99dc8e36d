"""axolotl's multimodal chats: JSONL of messages with blocks, and a YAML with the entry for a configuration beside it.

axolotl's `chat_template` data sets take `{"type": "audio", "path": ...}` blocks; paths are absolute, for nothing is put
before them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cpbench.flow.ledger import write_whole
from cpbench.formats._files import write_objects
from cpbench.formats._turns import read_turns as read
from cpbench.formats.line import answer_of
from cpbench.records import Item

__all__ = ["read", "write"]


def write(items: Iterable[Item], path: Path) -> None:
    """Write items to `path`, and beside it `path`.yaml. Raises UserError for an item without an answer."""
    import yaml

    write_objects((_row(item) for item in items), path)
    settings = {
        "datasets": [
            {
                "path": str(path.absolute()),
                "ds_type": "json",
                "split": "train",  # the only one that a JSON file has, whatever it is for
                "type": "chat_template",
                "field_messages": "messages",
            }
        ],
        "processor_type": "AutoProcessor",  # these four are what axolotl asks for where there are sounds
        "skip_prepare_dataset": True,
        "remove_unused_columns": False,
        "sample_packing": False,
    }
    write_whole(path.with_suffix(".yaml"), yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).encode())


def _row(item: Item) -> dict[str, Any]:
    sounds = [{"type": "audio", "path": os.path.abspath(clip.path)} for clip in item.clips]  # noqa: PTH100
    return {
        "messages": [
            {"role": "user", "content": [*sounds, {"type": "text", "text": item.question}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer_of(item)}]},
        ]
    }
