"""`answers:FILE`: answers obtained elsewhere, judged and reported like any other.

One JSON object a line: `{"item_id": ..., "answer": ...}`, with `task` where two tasks have an item of that id, and
`condition` where it is not `audio`: an answer under one condition is never taken for an answer under another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.records import ModelCard, Prediction, Request, Turn

KEYS = ("item_id", "answer", "task", "condition")
Place = tuple[str | None, str, str]
"""(task or None, item_id, condition)"""


@dataclass
class Answers:
    """Decodes no audio and claims no hearing: `audio_seconds_heard` is 0, for what was heard elsewhere is not known.

    `name` and `family` are those of the system that gave the answers; else the file's name.
    """

    file: str
    name: str | None = None
    family: str | None = None
    _task_of: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _used: set[Place] = field(default_factory=set, init=False, repr=False)

    @cached_property
    def card(self) -> ModelCard:
        """The revision is the file's sha256, so that a changed file is not taken for the same model."""
        name = self.name or Path(self.file).stem
        details = {"obtained": "elsewhere", "file": self.file, "answers": len(self._answers)}
        sha256 = hashlib.sha256(self._bytes).hexdigest()
        family = self.family or name.lower()
        return ModelCard(name=name, family=family, revision=sha256, sampling_rate=None, details=details)

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        """Yield the file's answers; an item without one is an error, not an empty answer.

        Raises UserError for a file that cannot be read or has a bad line, and for an id that two tasks share.
        """
        for turn in turns:
            request = turn.request
            said = self._said(request)
            if said is None:
                yield request.failed(f"no answer for the condition {request.condition} in {self.file}")
            else:
                yield request.answered(said, heard=0.0)

    @property
    def unused(self) -> list[str]:
        """The item ids in the file that nothing has asked for so far, in the file's order."""
        return [place[1] for place in self._answers if place not in self._used]

    def _said(self, request: Request) -> str | None:
        place: Place = (request.task, request.item_id, request.condition)
        if place not in self._answers:
            place = (None, request.item_id, request.condition)
            if place in self._answers and self._task_of.setdefault(request.item_id, request.task) != request.task:
                raise UserError(
                    f"{self.file}: {self._task_of[request.item_id]} and {request.task} both have an item",
                    value=request.item_id,
                    mend='"task" on each line',
                )
        self._used.add(place)
        return self._answers.get(place)

    @cached_property
    def _bytes(self) -> bytes:
        try:
            return Path(self.file).expanduser().read_bytes()
        except OSError as error:
            raise UserError(f"no answers can be read ({error.strerror}):", value=self.file) from None

    @cached_property
    def _answers(self) -> dict[Place, str]:
        answers: dict[Place, str] = {}
        lines: dict[Place, int] = {}
        for number, line in enumerate(self._bytes.splitlines(), 1):
            if line.strip():
                place, said = _read(line, f"{self.file}, line {number}")
                if place in answers:
                    raise UserError(
                        f"{self.file}, line {number}: line {lines[place]} answers this item too:", value=place[1]
                    )
                answers[place], lines[place] = said, number
        if not answers:
            raise UserError("no answers in", value=self.file, mend='one {"item_id": ..., "answer": ...} a line')
        return answers


def _read(line: bytes, where: str) -> tuple[Place, str]:
    try:
        row: Any = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error})") from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: not a JSON object:", value=row)
    if unknown := sorted(row.keys() - set(KEYS)):
        raise UserError(f"{where}: unknown key", value=unknown[0], allowed=KEYS)
    if missing := [key for key in KEYS[:2] if key not in row]:
        raise UserError(f"{where}: no {missing[0]}")
    for key, value in row.items():
        if not isinstance(value, str):
            raise UserError(f"{where}: {key} is not text:", value=value)
    return (row.get("task"), row["item_id"], row.get("condition", "audio")), row["answer"]
