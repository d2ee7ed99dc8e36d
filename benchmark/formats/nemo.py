"""NeMo's manifests for speech language models: one sound a line, its question as `context`, its answer as `text`.

    {"audio_filepath": "a.wav", "duration": 3.2, "text": "A man.", "context": "Who speaks?", "answer": "A man."}

SALM reads them by `type: lhotse_as_conversation` with `manifest_filepath`: the context becomes the user's text before
the sound, `text` the assistant's. The older SpeechLLM reads `context` and `answer`. Relative paths are from the
manifest's folder. Read are also `question`, and manifests for speech recognition, which have `text` alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.formats._files import path_from, read_objects, write_objects
from cpbench.formats.line import ClipsOf, answer_of, checked_audio
from cpbench.records import Item

RECOGNISE = "Write down what is said."
"""The question of a line that has only a transcript."""


def read(path: Path, *, task: str) -> Iterator[Item]:
    """Read a manifest one line at a time.

    Raises UserError with file and line for a line without a sound or an answer, and for a part of a file (an `offset`).
    """
    return checked_audio(path, _items(path, task))


def write(items: Iterable[Item], path: Path) -> None:
    """Write items, whole or not at all.

    Raises UserError for an item without an answer, of several sounds, or of a sound whose length is not known.
    """
    folder = path.absolute().parent
    write_objects((_row(item, folder) for item in items), path)


def _items(path: Path, task: str) -> Iterator[Item]:
    clips, count = ClipsOf(path.absolute().parent), dict[str, int]()
    for where, value in read_objects(path):
        sound = value.get("audio_filepath")
        if not isinstance(sound, str) or not sound:
            raise UserError(f"{where}: the key 'audio_filepath' is missing")
        if value.get("offset"):
            raise UserError(f"{where}: a part of a file cannot be read; it begins at", value=value["offset"])
        question, answer, transcript = _said(where, value)
        heard = dataclasses.replace(clips(sound), transcript=transcript, speaker=_text(value, "speaker"))
        identity = _text(value, "id") or digest(heard.sha256 or heard.path, question)[:16]
        count[identity] = count.get(identity, 0) + 1
        identity = identity if count[identity] == 1 else f"{identity}-{count[identity]}"
        language = _text(value, "target_lang") or _text(value, "lang")
        yield Item(identity, task, (heard,), question, (answer,), language=language, split="train")


def _said(where: str, value: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """The question, the answer, and the words of the clip where they are known."""
    question = _text(value, "question") or _text(value, "context")
    text, answer = _text(value, "text"), _text(value, "answer")
    if question is None and text is not None and answer is None:
        return RECOGNISE, text, text
    if question is None or (answer or text) is None:
        raise UserError(f"{where}: no question (context) with an answer; its keys are", value=", ".join(value))
    return question, str(answer or text), text if answer is not None and text != answer else None


def _text(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    return str(found).strip() or None if isinstance(found, str | int | float) else None


def _row(item: Item, folder: Path) -> dict[str, Any]:
    if len(item.clips) != 1:
        raise UserError(f"a NeMo manifest has one sound a line, and {item.id} has", value=len(item.clips))
    (clip,), answer = item.clips, answer_of(item)
    if clip.seconds is None:
        raise UserError(
            "a NeMo manifest needs the length of every sound, and this one cannot be read:", value=clip.path
        )
    row: dict[str, Any] = {"audio_filepath": path_from(folder, clip.path), "duration": round(clip.seconds, 6)}
    row |= {"text": answer, "context": item.question, "answer": answer, "id": item.id}
    return row | ({"lang": item.language} if item.language else {})
