"""Formats: general layouts of questions about audio, read into items and written from them.

A format is a file of this folder (or the user's own) with one or both of

    read(path, *, task) -> Iterator[Item]
    write(items, path) -> None

The layout of one corpus only is known in `tasks/NAME/read.py`, not here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from cpbench import parts
from cpbench.errors import UsageError, UserError
from cpbench.formats._files import read_objects
from cpbench.records import Item

__all__ = ["read", "read_any", "sniff", "write"]


def read(name: str, path: str | os.PathLike[str], *, task: str) -> Iterator[Item]:
    """Read the items of `path`, laid out as format `name`, as items of `task`.

    Raises UsageError for a name that cannot be read, and UserError with file and line where the data are wrong.
    """
    items: Iterator[Item] = _able(name, "read").read(Path(path), task=task)
    return items


def write(name: str, items: Iterable[Item], path: str | os.PathLike[str]) -> None:
    """Write items to `path` in the layout of format `name`. Raises UsageError for a name that cannot be written."""
    _able(name, "write").write(items, Path(path))


def read_any(path: str | os.PathLike[str], *, task: str) -> Iterator[Item]:
    """Read the items of `path`, whichever format `sniff` finds it to be in."""
    return read(sniff(path), path, task=task)


def sniff(path: str | os.PathLike[str]) -> str:
    """The name of the format that a file is in, from its first object; "hub" for folders and tables.

    Raises UserError for a file that is in none of them.
    """
    where = Path(path)
    if where.is_dir() or where.suffix in (".parquet", ".arrow", ".csv"):
        return "hub"
    _, first = next(read_objects(where))
    found = next((name for name, fits in _SIGNS.items() if fits(first)), None)
    if found is None:
        mend = "cpbench data generate makes questions from clips" if "path" in first else None
        keys = ", ".join(map(str, first))
        raise UserError(f"{where} is in no known format of questions; its keys are", value=keys, mend=mend)
    return found


def _blocks(first: Mapping[str, Any]) -> bool:
    """Whether the contents of the messages are lists of blocks."""
    said = first.get("messages") or first.get("conversation") or first.get("conversations")
    return isinstance(said, list) and any(isinstance(one.get("content"), list) for one in said if isinstance(one, dict))


_SIGNS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "line": lambda first: "messages" in first and isinstance(first.get("cpbench"), dict),
    "chat_blocks": _blocks,
    "llamafactory": lambda first: "conversations" in first,
    "swift": lambda first: bool({"messages", "query", "response"} & first.keys()),
    "nemo": lambda first: "audio_filepath" in first,
    "items": lambda first: {"id", "audio", "question", "references"} <= first.keys(),
    "hub": lambda first: bool({"answer", "reference", "references", "answers"} & first.keys()),
}
"""A format, and how the first object of a file in it is known; tried in this order."""


def _able(name: str, ability: Literal["read", "write"]) -> Any:
    """The format's module. Files of this folder that serve others (row shapes, question types) are not formats."""
    known = parts.names("formats")
    if ".py" in name or name in known:
        found = parts.find("formats", name)
        if callable(getattr(found, ability, None)):
            return found
    able = [other for other in known if callable(getattr(parts.find("formats", other), ability, None))]
    raise UsageError(f"no format that can {ability}", value=name, allowed=able)
