"""CPQA-Evaluation-Set: a snapshot of folders written by `Dataset.save_to_disk`, with rows in either of two shapes.

The names of its folders and columns are not published. So: the human-annotated and the LLM-written part are told apart
by the folders' names (the pattern is in the YAML); of a folder that is itself one saved set, every row is taken. The
recording is a video's id from a column, else from the clip's file name, else the clip; `origin["recording_from"]` says
which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.formats import hub
from cpbench.records import Item
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus
from cpbench.tasks.folders import wrong_layout
from cpbench.tasks.rows import Row, is_data_set, items_with_rows, with_recording

NAME = re.compile(r"(?P<recording>[\w-]{11})[_.-]+\d+(?:[_.-]+\d+)*$")
"""A YouTube id and the part of the video: "dQw4w9WgXcQ_030_075". A name that only looks so makes fewer recordings of
the clips, never more, and so wider intervals."""
LINK = re.compile(r"(?:youtu\.be/|[?&]v=|/(?:embed|shorts|live)/)(?P<recording>[\w-]{11})")


@corpus
def questions(folder: Path, card: Card) -> Iterator[Item]:
    if not is_data_set(folder):
        raise wrong_layout(folder, card)
    rows = with_recording(_linked(_part(folder, card)), NAME)
    return (item for item, _ in items_with_rows(rows, card, sidecar=folder))


def _part(folder: Path, card: Card) -> Iterator[Row]:
    """The rows of this task's part. Raises UserError where no folder's name says which part it is."""
    saved = sorted(state.parent.relative_to(folder).as_posix() for state in folder.rglob("state.json"))
    wanted = re.compile(card.select["folder"])
    if saved in ([], ["."]):  # a folder that the user names for this task, or a plain set
        return hub.rows(folder)
    parts = [name for name in saved if wanted.search(name)]
    if not parts:
        raise UserError(
            f"{card.name}: no folder of {folder} is named as this part ({wanted.pattern}); there are",
            value=saved,
            mend=f"--data-dir {card.name}=FOLDER, with the folder of that part",
        )
    return (row for name in parts for row in hub.rows(folder / name))


def _linked(rows: Iterable[Row]) -> Iterator[Row]:
    """Each row with the id of the video that one of its texts links to."""
    for row in rows:
        match = next((found for text in _texts(row) if (found := LINK.search(text))), None)
        yield {**row, "recording": match["recording"]} if match else row


def _texts(value: Any) -> Iterator[str]:
    """Every text of a row; not those of the question, which may speak of links."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in ("instruction", "question", "answer"):
                yield from _texts(inner)
