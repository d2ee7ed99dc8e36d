"""LLaMA-Factory's data sets: messages or conversations with `audios`, and the `dataset_info.json` that names them.

Written is its sharegpt formatting with the tags of `messages`, and the file's entry in `dataset_info.json` beside it;
other entries there are kept. Its `--media_dir` is by default the folder of `dataset_info.json`, and so are relative
paths. Read are also `conversations` of from and value, and instruction, input and output.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.flow.ledger import write_whole
from cpbench.formats._files import path_from, write_objects
from cpbench.formats._turns import read_turns as read
from cpbench.formats.line import AUDIO, answer_of
from cpbench.records import Item

__all__ = ["read", "write"]
INFO = "dataset_info.json"


def write(items: Iterable[Item], path: Path) -> None:
    """Write items to `path`, and `path`'s entry, called as the file is, in the folder's `dataset_info.json`.

    Raises UserError for an item without an answer, and for a `dataset_info.json` that is none.
    """
    folder = path.absolute().parent
    known = _known(folder / INFO)
    rows = (
        {
            "messages": [
                {"role": "user", "content": AUDIO * len(item.clips) + item.question},
                {"role": "assistant", "content": answer_of(item)},
            ],
            "audios": [path_from(folder, clip.path) for clip in item.clips],
        }
        for item in items
    )
    write_objects(rows, path)
    known[path.stem] = {
        "file_name": path.name,
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "audios": "audios"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    }
    write_whole(folder / INFO, json.dumps(known, ensure_ascii=False, indent=2).encode() + b"\n")


def _known(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be added to ({error})", mend="another --out") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no object of data sets", mend="another --out")
    return found
