"""Files of JSON objects: read one at a time, whichever way they are laid out, and written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from cpbench.errors import UserError
from cpbench.flow.ledger import make_folder

Located = tuple[str, Mapping[str, Any]]
"""An object and where it stands, for messages: "FILE, line 3", or "FILE, entry 3" of an array."""

_CHUNK = 1 << 20  # characters read at once of an array


def read_objects(path: Path) -> Iterator[Located]:
    """The objects of a JSONL file, or of a file that is one JSON array; one at a time in memory.

    Raises UserError with file and line for what is no object, and for a file that holds none.
    """
    found = False
    try:
        with path.open(encoding="utf-8-sig") as file:
            for where, value in _array(path, file) if _is_array(file) else _lines(path, file):
                if not isinstance(value, dict):
                    raise UserError(f"{where}: not a JSON object:", value=str(value)[:80])
                found = True
                yield where, value
    except FileNotFoundError:
        raise UserError("no such file", value=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read as UTF-8 text ({error}):", value=str(path)) from None
    if not found:
        raise UserError("there is nothing in", value=str(path))


def write_objects(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write a JSONL file, whole or not at all; returns how many lines it has."""
    make_folder(path.parent)
    draft, count = path.with_name(f".{path.name}.draft"), 0
    try:
        with draft.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
                count += 1
        draft.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}", mend="another --out") from None
    finally:
        draft.unlink(missing_ok=True)
    return count


def path_from(folder: Path, path: str) -> str:
    """How a file in `folder` names an audio file: by the relative path where it lies below, else by the absolute one.

    >>> path_from(Path("/data"), "/data/clips/a.wav"), path_from(Path("/data"), "/other/a.wav")
    ('clips/a.wav', '/other/a.wav')
    """
    where = os.path.abspath(path)  # noqa: PTH100  Path.absolute keeps ".."
    inside = Path(where).is_relative_to(os.path.abspath(folder))  # noqa: PTH100
    return Path(os.path.relpath(where, folder)).as_posix() if inside else where


def path_in(folder: Path, name: str) -> Path:
    """Where an audio file lies that a file in `folder` names: beside it, else where the command was started.

    Training tools differ in what their relative paths are relative to; `folder` counts where neither is there.
    """
    beside, here = folder / Path(name).expanduser(), Path(name).expanduser()
    return here if not beside.is_file() and here.is_file() else beside


def _is_array(file: IO[str]) -> bool:
    start = file.read(4096)
    while start and not start.strip():
        start = file.read(4096)
    file.seek(0)
    return start.lstrip("\ufeff \t\r\n").startswith("[")


def _lines(path: Path, file: IO[str]) -> Iterator[tuple[str, Any]]:
    number = 0
    for number, line in enumerate(file, 1):  # universal newlines: U+2028 in a text is no end of a line
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            yield where, json.loads(line, parse_constant=_no_number)
        except ValueError as error:
            raise UserError(f"{where}: not JSON ({error}):", value=line[:80], mend="one object a line") from None


def _array(path: Path, file: IO[str]) -> Iterator[tuple[str, Any]]:
    """The entries of an array, decoded out of a window that slides over the file."""
    decoder = json.JSONDecoder(parse_constant=_no_number)
    text = file.read(_CHUNK).lstrip("\ufeff \t\r\n")[1:]
    number, ended = 0, False
    while True:
        text = text.lstrip(" \t\r\n,")
        if text.startswith("]"):
            return
        where = f"{path}, entry {number + 1}"
        try:
            value, end = decoder.raw_decode(text)
        except ValueError as error:
            more = file.read(max(_CHUNK, len(text)))
            if ended or not more:
                raise UserError(f"{where}: not JSON ({error}):", value=text[:80]) from None
            text, ended = text + more, False
            continue
        number, text = number + 1, text[end:]
        yield where, value
        if not text.strip(" \t\r\n,"):
            text += file.read(_CHUNK)


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON: leave the key out, or null")
