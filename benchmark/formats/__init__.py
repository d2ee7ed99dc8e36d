"""Formats: general layouts of questions about audio, read into items and written from them.

A format is a file of this folder (or the user's own) with one or both of

    read(path, *, task) -> Iterator[Item]
    write(items, path) -> None

The layout of one corpus only is known in `tasks/NAME/read.py`, not here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from cpbench import parts
from cpbench.errors import UsageError
from cpbench.records import Item


def read(name: str, path: str | os.PathLike[str], *, task: str) -> Iterator[Item]:
    """Read the items of `path`, laid out as format `name`, as items of `task`.

    Raises UsageError for a name that cannot be read, and UserError with file and line where the data are wrong.
    """
    items: Iterator[Item] = _able(name, "read").read(Path(path), task=task)
    return items


def write(name: str, items: Iterable[Item], path: str | os.PathLike[str]) -> None:
    """Write items to `path` in the layout of format `name`. Raises UsageError for a name that cannot be written."""
    _able(name, "write").write(items, Path(path))


def _able(name: str, ability: Literal["read", "write"]) -> Any:
    """The format's module. Files of this folder that serve others (row shapes, question types) are not formats."""
    known = parts.names("formats")
    if ".py" in name or name in known:
        found = parts.find("formats", name)
        if callable(getattr(found, ability, None)):
            return found
    able = [other for other in known if callable(getattr(parts.find("formats", other), ability, None))]
    raise UsageError(f"no format that can {ability}", value=name, allowed=able)
