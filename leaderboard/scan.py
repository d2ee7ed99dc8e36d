"""Is there anything in a public output that a set's rights forbid? Every text and clip of the set is looked for.

What is looked for: questions, references, prompts, transcripts and tags' words, in each file as it stands and with
the escapes of HTML and JSON undone, and in every value of a Parquet file; and each clip's own bytes, as a file, within
a page or as such a value. Labels and options are none of that: they are what answers are read for. Words of fewer than
three, or twelve letters, are said everywhere.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpbench.errors import UserError
from cpbench.records import Item, Task

LETTERS, WORDS = 12, 3
PARQUET = b"PAR1"
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[\"\\/bfnrt])")
_AUDIO = re.compile(r"data:audio/|<audio[^>]+src=[\"']data:")


@dataclass(frozen=True)
class Leak:
    """Something that may not be there."""

    file: Path
    task: str
    item_id: str | None
    what: str  # question, reference, prompt, transcript, tag, clip, audio

    def __str__(self) -> str:
        where = "" if self.item_id is None else f" of {self.item_id}"
        return f"{self.file}: the {self.what}{where} ({self.task})"


def scan(paths: Iterable[Path], loaded: Sequence[tuple[Task, Sequence[Item]]]) -> list[Leak]:
    """Look through files, and folders with all that is in them, for what the tasks' rights forbid.

    The tasks come with their items as they are, texts and all. Raises UserError for a Parquet file that cannot be read:
    nobody knows what is in it.
    """
    silent = [(task, items) for task, items in loaded if not task.rights.text_in_report]
    mute = [(task, items) for task, items in loaded if not task.rights.audio_in_report]
    texts = {task.name: dict(_texts(items)) for task, items in silent}
    clips = {clip.sha256: (task.name, item.id) for task, items in mute for item in items for clip in item.clips}
    found: list[Leak] = []
    for file in _files(paths):
        data = file.read_bytes()
        values = list(_parquet(file, data)) if data.startswith(PARQUET) else []
        for value in (data, *(each for each in values if isinstance(each, bytes))):
            found += _clip(file, value, clips)
        written = "\n".join([data.decode("utf-8", "ignore"), *map(_text, values)])
        if mute and _AUDIO.search(written):
            found.append(Leak(file, mute[0][0].name, None, "audio"))
        found += _said(file, written, texts)
    return found


def _parquet(file: Path, data: bytes) -> Iterator[str | bytes]:
    """Every text and every value of bytes in a Parquet file, its columns' names and its notes: it is compressed."""
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(data))
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"this Parquet file cannot be looked into: {error}", value=str(file)) from error
    yield from _leaves([table.to_pylist(), dict(table.schema.metadata or {}), table.column_names])


def _leaves(value: object) -> Iterator[str | bytes]:
    if isinstance(value, str | bytes):
        yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from _leaves(pair)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "ignore")


def _texts(items: Iterable[Item]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Every text that is nobody's to show: plain text -> (item, what it is)."""
    for item in items:
        known = {_plain(text) for text in (item.label or "", *item.options)}
        for what, text in _of(item):
            plain = _plain(text)
            if len(plain) >= LETTERS and (plain.count(" ") >= WORDS - 1 or not plain.isascii()) and plain not in known:
                yield plain, (item.id, what)


def _of(item: Item) -> Iterator[tuple[str, str]]:
    yield from (("question", item.question), ("prompt", item.prompt))
    yield from (("reference", text) for text in item.references)
    for clip in item.clips:
        yield "transcript", clip.transcript or ""
        yield from (("tag", tag.text or "") for tag in clip.tags)


def _said(file: Path, written: str, texts: Mapping[str, Mapping[str, tuple[str, str]]]) -> Iterator[Leak]:
    forms = {_plain(written), _plain(html.unescape(written)), _plain(_unescaped(html.unescape(written)))}
    for task, known in texts.items():
        for text, (item_id, what) in known.items():
            if any(text in form for form in forms):
                yield Leak(file, task, item_id, what)


def _clip(file: Path, data: bytes, clips: Mapping[str | None, tuple[str, str]]) -> Iterator[Leak]:
    if (held := clips.get(hashlib.sha256(data).hexdigest())) is not None:
        yield Leak(file, held[0], held[1], "clip")


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _unescaped(text: str) -> str:
    """A text with JSON's escapes undone, whatever JSON they stand in; halves of characters are joined."""
    undone = _ESCAPE.sub(lambda found: json.loads(f'"{found.group()}"'), text)
    return undone.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
