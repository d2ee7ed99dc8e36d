"""What the readers of distributed folders share: files by name, a wrong layout explained, an emotion item worded."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cpbench.audio.clips import SUFFIXES
from cpbench.errors import UserError
from cpbench.records import Clip, Item, Tag
from cpbench.tasks.catalog import Card

PREFERRED = (".wav", ".flac")  # of the same recording in several formats; then by name


def named_files(folder: Path, name: re.Pattern[str], card: Card) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Audio files below a folder whose stems match `name`, with the groups of the match; by stem, one file a stem.

    Some distributions hold a set twice, or in two formats. Raises UserError where no file is named so, and where two
    files of one name and format differ.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and name.fullmatch(path.stem):
            found.setdefault(path.stem, []).append(path)
    if not found:
        raise wrong_layout(folder, card)
    for stem, paths in sorted(found.items()):
        match = name.fullmatch(stem)
        yield one_of(paths, card), match.groupdict() if match else {}


def one_of(paths: list[Path], card: Card) -> Path:
    """The file to take among several of one name: WAV before FLAC before others, and all of its format alike."""
    ranks = {suffix: rank for rank, suffix in enumerate(PREFERRED)}
    paths = sorted(paths, key=lambda path: (ranks.get(path.suffix.lower(), len(ranks)), path.suffix.lower(), str(path)))
    alike = [path for path in paths if path.suffix.lower() == paths[0].suffix.lower()]
    if any(path.read_bytes() != alike[0].read_bytes() for path in alike[1:]):
        raise UserError(f"{card.name}: files of one name differ: {', '.join(map(str, alike))}", mend="keep one of them")
    return alike[0]


def wrong_layout(folder: Path, card: Card) -> UserError:
    """What was looked for, with an example, and what the folder holds instead."""
    held = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    instead = f"{len(held)} files, {', '.join(held[:3])} first" if held else "no files"
    return UserError(
        f"{card.name}: {folder} does not look like this set. Looked for {card.layout}; found {instead}",
        mend=f"--data-dir {card.name}=DIR",
    )


def emotion_item(
    card: Card, clip: Clip, *, id: str, label: str, words: str | None = None, tag: Tag | None = None
) -> Item:
    """The one question of an emotion task about one clip; the label is also its gold tag, unless `tag` says more.

    `words` names the sentence, where several recordings say the same one.
    """
    gold = tag or Tag(0.0, clip.seconds or 0.0, "gold", {label: 1.0})
    return Item(
        id,
        card.name,
        (dataclasses.replace(clip, tags=(gold,)),),
        card.asked,
        (label,),
        language="en",
        type=card.type,
        label=label,
        options=card.labels,
        words=words,
        origin={"license": card.license},
    )
