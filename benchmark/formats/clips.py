"""`clips.jsonl`: clips and what is known of each, one `records.Clip` a line; `cpbench data` goes from one to the next.

    {"path": "clips/a.wav", "sha256": "9f…", "seconds": 3.2, "recording": "04", "speaker": "04", "gender": "female",
     "transcript": "…", "tags": [{"start": 0.0, "end": 2.0, "source": "acoustic@1", "emotion": {}, "arousal": 0.4, …}]}

`path` is relative to the file's folder. Nothing is hashed or decoded here: the sha256 is that of the bytes when the
file was written.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cpbench.errors import UserError
from cpbench.flow.ledger import adapter, make_folder
from cpbench.records import Clip, Tag

MADE_BY = "cpbench data annotate DATA --annotator gold --out clips.jsonl"


def read_clips(path: Path) -> Iterator[Clip]:
    """Read the clips in the file's order, one at a time; their paths come out absolute.

    Raises UserError with file and line for what is no clip, or holds a number beyond its range (probabilities 0 to 1,
    valence, arousal and dominance -1 to 1, times in order), and for a file without clips.
    """
    import pydantic

    form, folder, number = adapter(Clip), path.absolute().parent, 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                where = f"{path}, line {number}"
                try:
                    clip = form.validate_json(line)
                except pydantic.ValidationError as error:
                    raise _explain(where, error) from None
                for tag in clip.tags:
                    _check(where, tag)
                yield dataclasses.replace(clip, path=os.path.normpath(folder / clip.path))
    except FileNotFoundError:
        raise UserError("no such file", value=str(path), mend=MADE_BY) from None
    except IsADirectoryError:
        raise UserError("a folder, not a file of clips:", value=str(path), mend=MADE_BY) from None
    if number == 0:
        raise UserError("no clips in", value=str(path), mend=MADE_BY)


def write_clips(clips: Iterable[Clip], path: Path) -> int:
    """Write clips in the form that `read_clips` takes, whole or not at all; returns how many."""
    make_folder(path.parent)
    draft, folder, form, count = path.with_name(f".{path.name}.draft"), path.absolute().parent, adapter(Clip), 0
    try:
        with draft.open("wb") as file:
            for clip in clips:
                count += 1
                file.write(form.dump_json(dataclasses.replace(clip, path=_relative(clip.path, folder))) + b"\n")
        draft.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}", mend="another --out") from None
    finally:
        draft.unlink(missing_ok=True)
    return count


def _relative(path: str, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return path


def _explain(where: str, error: Exception) -> UserError:
    first = error.errors()[0]  # type: ignore[attr-defined]
    key = ".".join(str(part) for part in first["loc"])
    return UserError(f"{where}: no clip: {key + ': ' if key else ''}{first['msg']}", mend=f"a file made by {MADE_BY}")


def _check(where: str, tag: Tag) -> None:
    if not 0.0 <= tag.start <= tag.end:
        raise UserError(f"{where}: a tag of {tag.source} from {tag.start:g} s should not end at", value=tag.end)
    for label, share in tag.emotion.items():
        if not 0.0 <= share <= 1.0:
            raise UserError(
                f"{where}: the probability of {label!r} by {tag.source} is not between 0 and 1:", value=share
            )
    for name in ("valence", "arousal", "dominance"):
        level = getattr(tag, name)
        if level is not None and not -1.0 <= level <= 1.0:
            raise UserError(
                f"{where}: the {name} by {tag.source} is not between -1 and 1:",
                value=level,
                mend="bring it to that range: 2 * (x - low) / (high - low) - 1",
            )
