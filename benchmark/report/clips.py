"""The clips of a report: in the run's own `clips/`, once each, under a name made of their bytes."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.records import Clip, Rights

SOUNDS = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aiff", ".aif", ".au", ".webm"})
"""A run that somebody sent names paths of this machine: what is no sound is not brought along."""
MOST = 1_000_000_000  # bytes that are copied where the disk allows no hard link; the rest is linked to where it lies


class Clips:
    """Brings clips into a run's folder, as hard links where the disk allows it, else as copies.

    `linked` are those that were too much to copy: they play on this machine only. `missing` are not on it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clips"
        self.linked: dict[str, str] = {}  # sha256 or path -> address
        self.missing: set[str] = set()
        self.allowed: dict[str, str] = {}  # sha256 -> address, of every clip that may be played
        self._known: dict[str, str | None] = {}
        self._copied = 0

    def address(self, clip: Clip, rights: Rights) -> str | None:
        """Where the page finds a clip, relative to it; None where it may not be played, or is not on this machine."""
        if not rights.audio_in_report:
            return None
        identity = clip.sha256 or clip.path
        if identity not in self._known:
            self._known[identity] = self._bring(clip, identity)
        if (found := self._known[identity]) is not None:
            self.allowed[identity] = found
        return found

    def _bring(self, clip: Clip, identity: str) -> str | None:
        path = Path(clip.path)
        if path.suffix.lower() not in SOUNDS:
            return None
        stem = identity if re.fullmatch("[0-9a-f]{64}", identity) else digest(identity)
        target = self.folder / f"{stem[:16]}{path.suffix.lower()}"
        if not target.is_file():
            if not path.is_file():
                self.missing.add(identity)
                return None
            if not self._linked_or_copied(path, target):
                beside = Path(os.path.relpath(path.resolve(), self.folder.parent.resolve())).as_posix()
                return self.linked.setdefault(identity, quote(beside))
        return f"clips/{target.name}"

    def _linked_or_copied(self, path: Path, target: Path) -> bool:
        """Whether the clip lies at `target` now: False where too much would have to be copied."""
        if self.folder.is_symlink():
            raise UserError("a run's clips/ is not to lead elsewhere:", value=str(self.folder), mend="remove it")
        self.folder.mkdir(exist_ok=True)
        with suppress(OSError):  # another disk, or one that knows no hard links: then a copy
            os.link(path.resolve(), target)
            return True
        size = path.stat().st_size
        if self._copied + size > MOST:
            return False
        part = target.with_name(f"{target.name}.part")
        try:
            shutil.copyfile(path, part)
            part.replace(target)
        except OSError as error:
            raise UserError(f"the clip cannot be brought into the run's folder: {error}", value=str(path)) from error
        self._copied += size
        return True
