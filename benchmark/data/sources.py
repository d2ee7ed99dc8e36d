"""What `cpbench data annotate` is given, as clips: a file of items or of clips, a folder of audio, or a task."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from cpbench import formats
from cpbench.annotators import key_of
from cpbench.audio import clip
from cpbench.audio.clips import SUFFIXES
from cpbench.errors import UsageError, UserError
from cpbench.formats.clips import read_clips
from cpbench.labels import emotion_named
from cpbench.records import Clip, Item, Tag
from cpbench.tasks import list_tasks, load_tasks


def clips_of(
    data: str, *, data_dirs: Mapping[str, str] | None = None, speaker: str | None = None, labels: bool = False
) -> list[Clip]:
    """The distinct clips of `data`, in its order; equal bytes are one clip, with what any of its items know of it.

    `data`: an items.jsonl (all splits), a clips.jsonl, a folder of audio files, or a task's name. `speaker`: a regular
    expression whose group, found in a clip's path, is its speaker where none is known. `labels`: a clip without gold
    tags is given the label of its direct emotion question as one. Raises UsageError for `data` that is none of these,
    and UserError where it holds no clips.
    """
    path = Path(data).expanduser()
    if path.is_dir():
        found: Iterable[Clip] = _in_folder(path)
    elif path.is_file():
        found = (
            read_clips(path) if _holds_clips(path) else _of_items(formats.read("items", path, task=path.stem), labels)
        )
    elif path.suffix in (".jsonl", ".json"):
        raise UsageError("no such file", value=data)
    else:
        found = _of_items(_of_task(data, data_dirs or {}), labels)
    clips = _distinct(found)
    return clips if speaker is None else _with_speakers(clips, speaker, path if path.is_dir() else None)


def _of_task(name: str, data_dirs: Mapping[str, str]) -> Iterator[Item]:
    try:
        loaded = load_tasks([name], data_dirs=data_dirs)
    except UsageError as error:
        raise UsageError(
            "neither a file, a folder nor a task:",
            value=name,
            allowed=[card.name for card in list_tasks()],
            mend=error.mend,
        ) from None
    for _, items in loaded:
        yield from items


def _holds_clips(path: Path) -> bool:
    """Whether the file's first object is a clip's, not an item's."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = next((line for line in file if line.strip()), "")
    try:
        keys = json.loads(first)
    except ValueError:
        return False  # the reader of items says what is wrong
    return isinstance(keys, dict) and "path" in keys and "audio" not in keys


def _in_folder(folder: Path) -> Iterator[Clip]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise UserError(
            "no audio files below", value=str(folder), mend=f"files that end in {', '.join(sorted(SUFFIXES))}"
        )
    return (clip(path) for path in paths)


def _of_items(items: Iterable[Item], labels: bool) -> Iterator[Clip]:
    for item in items:
        gold = emotion_named(item.label) if labels and item.type == "DE" and item.label is not None else None
        for one in item.clips:
            if gold is not None and len(item.clips) == 1 and not any(tag.source == "gold" for tag in one.tags):
                tag = Tag(0.0, one.seconds or 0.0, "gold", {gold: 1.0})
                yield dataclasses.replace(one, tags=(*one.tags, tag))
            else:
                yield one


def _distinct(clips: Iterable[Clip]) -> list[Clip]:
    found: dict[str, Clip] = {}
    for one in clips:
        found[key_of(one)] = _joined(found[key_of(one)], one) if key_of(one) in found else one
    if not found:
        raise UserError("no clips to annotate")
    return list(found.values())


def _joined(known: Clip, more: Clip) -> Clip:
    """What two items say of one clip; where they differ, the first one."""
    fresh = tuple(tag for tag in more.tags if tag not in known.tags and not _said(known, tag))
    return dataclasses.replace(
        known,
        speaker=known.speaker or more.speaker,
        gender=known.gender or more.gender,
        transcript=more.transcript if known.transcript is None else known.transcript,
        tags=(*known.tags, *fresh),
    )


def _said(clip: Clip, tag: Tag) -> bool:
    """Whether the same source has already said something of this very stretch."""
    return any((own.source, own.start, own.end) == (tag.source, tag.start, tag.end) for own in clip.tags)


def _with_speakers(clips: list[Clip], pattern: str, folder: Path | None) -> list[Clip]:
    try:
        find = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--speaker is no regular expression ({error}):", value=pattern) from None
    if find.groups != 1:
        raise UsageError("--speaker should have one group, the speaker:", value=pattern, mend=r"--speaker '(\d\d)[ab]'")
    search: Callable[[str], re.Match[str] | None] = find.search
    named, unknown = [], []
    for one in clips:
        path = Path(one.path)
        where = path.relative_to(folder.absolute()).as_posix() if folder else path.name
        match = None if one.speaker is not None else search(where)
        named.append(_spoken_by(one, match[1]) if match else one)
        if named[-1].speaker is None:
            unknown.append(where)
    if len(unknown) == len(clips):
        raise UsageError(f"--speaker is found in none of the names, {unknown[0]} first:", value=pattern)
    return named


def _spoken_by(clip: Clip, speaker: str) -> Clip:
    recording = speaker if clip.recording in (clip.sha256, clip.path) else clip.recording
    return dataclasses.replace(clip, speaker=speaker, recording=recording)
