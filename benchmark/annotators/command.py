"""`command:PROGRAM ARGS`: an annotator in a program of its own, in whatever environment it needs.

The program is sent `{"id", "audio", "seconds"}`, where `audio` is the absolute path of a 16 kHz mono WAV file, and
writes `{"id", "error"}`, or `{"id"}` with one or more of

    "transcript": "the words"
    "words": [{"text", "start", "end"}]
    "tags": [{"start", "end", "emotion": {label: probability}, "valence", "arousal", "dominance", "scale": [low, high]}]

A tag without `start` and `end` is of the whole clip; `scale` is what the three levels are given in, -1 to 1 where it is
not said. `flow/program.py` says the rest of the protocol; what we want is "annotations". A "revision" in the
program's handshake is stored with its name.
"""

from __future__ import annotations

import math
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
from cpbench.labels import emotion_named
from cpbench.records import Annotation, Heard, Tag, Word

LEVELS = ("valence", "arousal", "dominance")
KEYS = frozenset({"start", "end", "emotion", "scale", "text", *LEVELS})
Reply = Mapping[str, Any]


@dataclass
class Command:
    """`timeout`: seconds of silence while an answer is due (loading counts); `ahead`: clips sent before answers."""

    program: str
    timeout: float | None = 1800.0
    ahead: int = 4

    @cached_property
    def name(self) -> str:
        """As the program's handshake has it, NAME or NAME@REVISION; starts it."""
        name, revision = self._program.hello.get("name"), self._program.hello.get("revision")
        if not isinstance(name, str) or not name:
            raise UserError("the program's handshake has no name", value=name, mend=START)
        if name.split("@")[0] in ("gold", "wrong"):
            raise UserError("a program cannot be called", value=name, mend='another "name" in its handshake')
        return f"{name}@{revision}" if revision is not None else name

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        """Yield what the program says of each sound, in its order, or its error.

        Raises UserError for a reply that says nothing, or holds numbers that cannot be.
        """
        due: dict[str, tuple[Heard, Path]] = {}
        with tempfile.TemporaryDirectory(prefix="cpbench-") as folder:
            paths = (Path(folder) / f"{number}.wav" for number in count())
            messages = (_message(heard, path, due) for heard, path in zip(sounds, paths, strict=False))
            for reply in self._program.converse(messages, ahead=self.ahead):
                heard, audio = due.pop(reply["id"])
                audio.unlink(missing_ok=True)
                yield _annotation(reply, heard, self.name)

    @cached_property
    def _program(self) -> Program:
        return Program.of_words(self.program, scheme="command", wants="annotations", timeout=self.timeout)


def _message(heard: Heard, path: Path, due: dict[str, tuple[Heard, Path]]) -> Mapping[str, Any]:
    write_wav(heard, path)
    due[path.stem] = (heard, path)
    return {"id": path.stem, "audio": str(path), "seconds": heard.seconds}


def _annotation(reply: Reply, heard: Heard, name: str) -> Annotation:
    key = heard.sound.clip.sha256 or heard.sound.clip.path
    if isinstance(error := reply.get("error"), str):
        return Annotation(key, name, error=error)
    given, words, tags = reply.get("transcript"), reply.get("words"), reply.get("tags")
    transcript = given if isinstance(given, str) else None
    if transcript is None and not isinstance(words, list) and not isinstance(tags, list):
        raise UserError(
            'a reply has neither "transcript", "words", "tags" nor "error" of the right kind:',
            value=dict(reply),
            mend=START,
        )
    said = tuple(_word(word) for word in words or ())
    if transcript is None and words is not None:
        transcript = " ".join(word.text for word in said)
    return Annotation(key, name, tuple(_tag(tag, heard, name) for tag in tags or ()), transcript, said)


def _word(word: Any) -> Word:
    if not isinstance(word, dict) or not isinstance(text := word.get("text"), str):
        raise UserError('a word is {"text", "start", "end"}, not', value=word, mend=START)
    start, end = _number(word, "start"), _number(word, "end")
    if not 0 <= start <= end:
        raise UserError("a word ends before it starts:", value=word, mend=START)
    return Word(text, start, end)


def _tag(tag: Any, heard: Heard, name: str) -> Tag:
    if not isinstance(tag, dict) or not tag.keys() <= KEYS:
        raise UserError(f"a tag has the keys {', '.join(sorted(KEYS))}, and not", value=tag, mend=START)
    start, end = _number(tag, "start", 0.0), _number(tag, "end", heard.seconds)
    if not 0 <= start < end:
        raise UserError("a tag should end later than it starts:", value=tag, mend=START)
    scale = _scale(tag)
    levels = {level: _level(tag, level, scale) for level in LEVELS}
    emotion = _emotion(tag)
    if not emotion and not any(value is not None for value in levels.values()):
        raise UserError("a tag says nothing:", value=tag, mend=START)
    stated = scale if any(value is not None for value in levels.values()) else None
    return Tag(round(start, 3), round(end, 3), name, emotion, **levels, text=tag.get("text"), scale=stated)


def _emotion(tag: Reply) -> dict[str, float]:
    """Label -> probability, in our spelling where we know the emotion; a label alone is certain."""
    given = tag.get("emotion") or {}
    shares = {given: 1.0} if isinstance(given, str) else given
    if not isinstance(shares, dict):
        raise UserError('"emotion" is {label: probability}, not', value=given, mend=START)
    emotion: dict[str, float] = {}
    for label in shares:
        share = _number(shares, label)
        if not 0.0 <= share <= 1.0:
            raise UserError(f"the probability of {label!r} is not between 0 and 1:", value=share, mend=START)
        known = emotion_named(label) or label
        emotion[known] = min(1.0, emotion.get(known, 0.0) + share)
    return {label: round(share, 6) for label, share in emotion.items()}


def _scale(tag: Reply) -> tuple[float, float]:
    low, high = given if isinstance(given := tag.get("scale", [-1.0, 1.0]), list) and len(given) == 2 else (0, 0)
    if not (isinstance(low, int | float) and isinstance(high, int | float) and low < high):
        raise UserError('"scale" is [low, high], not', value=given, mend=START)
    return float(low), float(high)


def _level(tag: Reply, level: str, scale: tuple[float, float]) -> float | None:
    if tag.get(level) is None:
        return None
    value, (low, high) = _number(tag, level), scale
    if not low <= value <= high:
        raise UserError(
            f"the {level} is beyond the scale of {low:g} to {high:g}:", value=value, mend='"scale" in the tag'
        )
    return round(2.0 * (value - low) / (high - low) - 1.0, 6)


def _number(values: Reply, key: str, default: float | None = None) -> float:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{key!r} should be a number, not", value=value, mend=START)
    return float(value)
