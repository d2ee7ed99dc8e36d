"""`command:PROGRAM ARGS`: a model in a program of its own, in whatever environment it needs.

The program is sent `{"id", "audio", "question", "seconds", "max_new_tokens"}`, where `audio` is the absolute path of a
16 kHz mono WAV file (null for words alone), and writes `{"id", "answer"}` or `{"id", "error"}`; `heard` beside them
may state how many seconds of the clip it took in. `flow/program.py` says the rest of the protocol.
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
from cpbench.records import ModelCard, Prediction, Request, Turn


@dataclass
class Command:
    """`timeout`: seconds of silence while an answer is due (loading counts); `ahead`: requests sent before answers."""

    program: str
    timeout: float | None = 1800.0
    ahead: int = 4

    @cached_property
    def card(self) -> ModelCard:
        """Named by the program's handshake; starts it."""
        hello = self._program.hello
        name, wants = hello.get("name"), hello.get("wants")
        if not isinstance(name, str) or not name:
            raise UserError("the program's handshake has no name", value=name, mend=START)
        if wants not in ("audio", "text"):
            raise UserError("the program's handshake wants", value=wants, allowed=("audio", "text"), mend=START)
        details = {"program": self.program, "handshake": dict(hello)}
        rate = 16000 if wants == "audio" else None
        return ModelCard(name=name, family=name.lower(), sampling_rate=rate, details=details)

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        """Yield answers in the program's order. A clip's WAV file exists from its request to its answer."""
        due: dict[str, tuple[Request, float, Path | None]] = {}
        with tempfile.TemporaryDirectory(prefix="cpbench-") as folder:
            paths = (Path(folder) / f"{number}.wav" for number in count())
            messages = (_message(turn, path, due) for turn, path in zip(turns, paths, strict=False))
            for reply in self._program.converse(messages, ahead=self.ahead):
                request, seconds, audio = due.pop(reply["id"])
                if audio is not None:
                    audio.unlink(missing_ok=True)
                yield _prediction(request, seconds, reply)

    @cached_property
    def _program(self) -> Program:
        return Program.of_words(self.program, scheme="command", timeout=self.timeout)


def _message(turn: Turn, path: Path, due: dict[str, tuple[Request, float, Path | None]]) -> Mapping[str, Any]:
    request, heard = turn.request, turn.heard[0] if turn.heard else None
    if heard is not None:
        write_wav(heard, path)
    seconds = heard.seconds if heard is not None else 0.0
    due[request.key] = (request, seconds, path if heard is not None else None)
    return {
        "id": request.key,
        "audio": str(path) if heard is not None else None,
        "question": request.text,
        "seconds": seconds,
        "max_new_tokens": request.generation.max_new_tokens,
    }


def _prediction(request: Request, seconds: float, reply: Mapping[str, Any]) -> Prediction:
    if isinstance(error := reply.get("error"), str):
        return request.failed(error)
    answer, heard = reply.get("answer"), reply.get("heard", seconds)
    if not isinstance(answer, str):
        raise UserError(
            'a reply of the program has neither "answer" nor "error", as text:', value=dict(reply), mend=START
        )
    if not isinstance(heard, int | float) or not 0 <= heard <= seconds + 0.1:
        raise UserError(f"a reply of the program has heard something else than 0 to {seconds:g} s:", value=heard)
    return request.answered(answer, heard=float(heard), finish_reason="stop")
