"""A submission's bytes, from a folder or a zip, without trusting either: bounded in size, no links, no other files."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cpbench.leaderboard.codes import Refused

SUBMISSION, PREDICTIONS, JUDGEMENTS = "submission.json", "predictions.jsonl", "judgements.jsonl"
SIGNATURE = "submission.json.sig"
LIMITS: Mapping[str, int] = {
    SUBMISSION: 4 << 20,
    PREDICTIONS: 64 << 20,
    JUDGEMENTS: 128 << 20,
    SIGNATURE: 64 << 10,
}
"""The names that a submission may hold, each with its most bytes."""

NEEDED = (SUBMISSION, PREDICTIONS, JUDGEMENTS)
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def held(path: Path) -> dict[str, bytes]:
    """Return the bytes of a submission's files by name. Raises Refused; reads no more than LIMITS allow."""
    try:
        kind = path.lstat().st_mode
        if stat.S_ISDIR(kind):
            found = _of_folder(path)
        elif stat.S_ISREG(kind):
            found = _of_zip(path)
        else:
            raise Refused("file_link" if stat.S_ISLNK(kind) else "unreadable", f"{path.name} is no folder and no zip")
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise Refused("unreadable", f"{path.name}: {getattr(error, 'strerror', None) or error}") from None
    if missing := [name for name in NEEDED if name not in found]:
        raise Refused("file_missing", f"{path.name} has no {', '.join(missing)}")
    return found


def _of_folder(folder: Path) -> dict[str, bytes]:
    found = {}
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry, _ in zip(entries, range(100), strict=False))
    _check_names(names)
    for name in names:
        found[name] = _of_file(folder / name)
    return found


def _check_names(names: list[str]) -> None:
    if unknown := [name for name in names if name not in LIMITS]:
        raise Refused("file_unknown", f"{ascii(unknown[0])[:100]} is none of {', '.join(LIMITS)}")


def _of_file(path: Path) -> bytes:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise Refused("file_link", f"{path.name} is no plain file")
    # Looked at again once it is open: what was a file may have become a link, and a pipe would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused("file_link", f"{path.name} is no plain file")
        return _bounded(path.name, file.read(LIMITS[path.name] + 1))


def _bounded(name: str, data: bytes) -> bytes:
    if len(data) > LIMITS[name]:
        raise Refused("too_large", f"{name} has more than {LIMITS[name] >> 20} MiB")
    return data


def _of_zip(path: Path) -> dict[str, bytes]:
    if path.stat().st_size > sum(LIMITS.values()):
        raise Refused("too_large", f"{path.name} has {path.stat().st_size} bytes")
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            return {name: _of_member(archive, member, name) for name, member in members.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError) as error:
        raise Refused("zip_broken", f"{path.name}: {error}") from None


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by name; they may lie in one folder."""
    infos = archive.infolist()
    if len(infos) > 100:
        raise Refused("file_unknown", f"the zip holds {len(infos)} names")
    for info in infos:
        _check_member(info)
    files = [info for info in infos if not info.is_dir()]
    folders = {str(PurePosixPath(info.filename).parent) for info in files}
    if len(folders) > 1 or any(folder.count("/") for folder in folders):
        raise Refused("file_unknown", "the zip's files lie in several folders")
    names = [PurePosixPath(info.filename).name for info in files]
    if len(set(names)) < len(names):
        raise Refused("zip_broken", "a name stands twice in the zip")
    _check_names(names)
    return dict(zip(names, files, strict=True))


def _check_member(info: zipfile.ZipInfo) -> None:
    shown = ascii(info.orig_filename)[:100]
    if "\\" in info.orig_filename or "\x00" in info.orig_filename or ":" in info.filename:
        raise Refused("zip_path", f"the name {shown}")
    if not info.filename or info.filename.startswith("/") or ".." in info.filename.split("/"):
        raise Refused("zip_path", f"the name {shown}")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused("file_link", f"{shown} is no plain file")
    if info.flag_bits & 1 or info.compress_type not in _METHODS:
        raise Refused("zip_broken", f"{shown} is encrypted, or packed by another method than deflate")


def _of_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    """A member's bytes: as many as really come out, whatever the zip says of their number."""
    with archive.open(info) as file:
        return _bounded(name, file.read(LIMITS[name] + 1))
