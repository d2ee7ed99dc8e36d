"""ms-swift's own data set: JSONL of `messages` with `<audio>` in the user's content, and `audios`.

    {"messages": [{"role": "user", "content": "<audio>Who speaks?"}, {"role": "assistant", "content": "A man."}],
     "audios": ["/data/a.wav"]}

Read are also query, response and history. ms-swift takes relative paths from where it is started, so absolute ones are
written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cpbench.formats._files import write_objects
from cpbench.formats._turns import read_turns as read
from cpbench.formats.line import AUDIO, answer_of
from cpbench.records import Item

__all__ = ["read", "write"]


def write(items: Iterable[Item], path: Path) -> None:
    """Write items, whole or not at all. Raises UserError for one without an answer."""
    rows = (
        {
            "messages": [
                {"role": "user", "content": AUDIO * len(item.clips) + item.question},
                {"role": "assistant", "content": answer_of(item)},
            ],
            "audios": [os.path.abspath(clip.path) for clip in item.clips],  # noqa: PTH100  Path.absolute keeps ".."
        }
        for item in items
    )
    write_objects(rows, path)
