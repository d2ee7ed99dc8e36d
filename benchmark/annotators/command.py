"""`command:PROGRAM ARGS`: a recogniser in a program of its own, in whatever environment it needs.

The program is sent `{"id", "audio", "seconds"}`, where `audio` is the absolute path of a 16 kHz mono WAV file, and
writes `{"id", "transcript"}` or `{"id", "error"}`. `flow/program.py` says the rest of the protocol; what we want is
"annotations".
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from cpbench.audio import write_wav
from cpbench.errors import UserError
from cpbench.flow.program import START, Program
from cpbench.records import Annotation, Heard


@dataclass
class Command:
    """`timeout`: seconds of silence while an answer is due (loading counts); `ahead`: clips sent before answers."""

    program: str
    timeout: float | None = 1800.0
    ahead: int = 4

    @cached_property
    def name(self) -> str:
        """As the program's handshake has it; starts it."""
        name = self._program.hello.get("name")
        if not isinstance(name, str) or not name:
            raise UserError("the program's handshake has no name", value=name, mend=START)
        return name

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        """Yield the program's transcripts in its order; None for a sound that it reports an error of."""
        due: dict[str, tuple[Heard, Path]] = {}
        with tempfile.TemporaryDirectory(prefix="cpbench-") as folder:
            paths = (Path(folder) / f"{number}.wav" for number in count())
            messages = (_message(heard, path, due) for heard, path in zip(sounds, paths, strict=False))
            for reply in self._program.converse(messages, ahead=self.ahead):
                heard, audio = due.pop(reply["id"])
                audio.unlink(missing_ok=True)
                clip = heard.sound.clip
                yield Annotation(clip.sha256 or clip.path, self.name, transcript=_transcript(reply))

    @cached_property
    def _program(self) -> Program:
        return Program.of_words(self.program, scheme="command", wants="annotations", timeout=self.timeout)


def _message(heard: Heard, path: Path, due: dict[str, tuple[Heard, Path]]) -> Mapping[str, Any]:
    write_wav(heard, path)
    due[path.stem] = (heard, path)
    return {"id": path.stem, "audio": str(path), "seconds": heard.seconds}


def _transcript(reply: Mapping[str, Any]) -> str | None:
    if isinstance(reply.get("error"), str):
        return None
    if not isinstance(words := reply.get("transcript"), str):
        raise UserError('a reply has neither "transcript" nor "error", as text:', value=dict(reply), mend=START)
    return words
