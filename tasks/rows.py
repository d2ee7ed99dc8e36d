"""What the readers of Hub sets share: rows of which the recording is found, and emotion items made of question rows."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from cpbench.errors import UserError
from cpbench.formats.audiobench import Columns, items_from_rows
from cpbench.labels import extract_label
from cpbench.records import Item
from cpbench.tasks.catalog import Card
from cpbench.tasks.folders import emotion_item

FOUND = "__recording__"
"""The column that `with_recording` adds, and the last in which a recording is then looked for."""
Row = Mapping[str, Any]


def is_data_set(folder: Path) -> bool:
    """Whether a folder holds a Hub set, saved whole or as data files, rather than a corpus as distributed."""
    return any(next(folder.rglob(name), None) is not None for name in ("state.json", "*.parquet", "*.arrow"))


def with_recording(rows: Iterable[Row], name: re.Pattern[str]) -> Iterator[Row]:
    """Each row with the recording that its audio's file name shows: the group of `name` that matches the stem."""
    for row in rows:
        match = name.match(PurePosixPath(audio_name(row)).stem)
        yield {**row, FOUND: match["recording"]} if match else row


def audio_name(row: Row) -> str:
    """The file name of a row's audio, of the first value that has one; "" where the set keeps none."""
    for value in row.values():
        if isinstance(value, Mapping):
            if isinstance(value.get("path"), str):
                return str(value["path"])
            if inner := audio_name(value):
                return inner
    return ""


def columns_with(recording: str | None = None) -> Columns:
    """The usual columns; the recording from the column that the task's YAML names, a usual one, or the file name."""
    usual = Columns()
    named = (recording,) if recording else ()
    return dataclasses.replace(usual, recording=(*named, *usual.recording, FOUND))


def recording_from(item: Item, row: Row) -> str:
    """Who says what an item's recording is: "column", "file name", or "clip" where each clip is one of its own."""
    recording = item.clips[0].recording
    if recording == row.get(FOUND):
        return "file name"
    return "clip" if recording == item.clips[0].sha256 else "column"


def items_with_rows(rows: Iterable[Row], card: Card, *, sidecar: Path | None = None) -> Iterator[tuple[Item, Row]]:
    """The items of rows, each beside its row; origin says where the recording is from."""
    seen: list[Row] = []

    def noted() -> Iterator[Row]:
        for row in rows:
            seen[:] = [row]
            yield row

    for item in items_from_rows(noted(), task=card.name, columns=columns_with(card.recording_column), sidecar=sidecar):
        origin = {**item.origin, "recording_from": recording_from(item, seen[0]), "license": card.license}
        yield dataclasses.replace(item, origin=origin), seen[0]


def emotion_rows(rows: Iterable[Row], card: Card, *, recording: re.Pattern[str]) -> Iterator[Item]:
    """Question rows about emotion as items with the task's one wording; the label is read from the row's answer.

    The rows' own questions differ from row to row, and so would what systems are asked.
    """
    for item, _ in items_with_rows(with_recording(rows, recording), card):
        label = extract_label(item.references[0], card.labels)
        if label is None:
            raise UserError(
                f"{card.name}: no label in the answer of {item.id}:", value=item.references[0], allowed=card.labels
            )
        asked = emotion_item(card, item.clips[0], id=item.id, label=label)
        yield dataclasses.replace(asked, references=item.references, origin=item.origin)
