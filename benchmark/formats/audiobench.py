"""Rows of question sets on the Hub, in the two shapes of the group around AudioBench and CPQA.

    flat      context: an audio, instruction: a string, answer: a string
    nested    context.audio, instruction.text, answer.text

and in both, `other_attributes` (an object, or its JSON) with whatever else is known. `Columns` says where each thing
is looked for; a set with other names gives its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

from cpbench.audio import clip, clip_from_bytes, clip_from_samples
from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.formats.qtypes import TypeSource
from cpbench.records import Clip, Item, Tag

Names: TypeAlias = tuple[str, ...]
Row: TypeAlias = Mapping[str, Any]
ATTRIBUTES = "other_attributes"


@dataclass(frozen=True)
class Columns:
    """Where a row holds what: names tried in turn, case aside, in the row and then in its `other_attributes`.

    A dot leads into an object. The first name with a usable value wins: `context` is the audio itself in a flat row,
    and `context.audio` in a nested one.
    """

    audio: Names = ("context.audio", "context", "audio", "speech")
    question: Names = ("instruction.text", "instruction", "question.text", "question")
    answer: Names = ("answer.text", "answer", "reference", "references", "answers")
    id: Names = ("id", "item_id", "question_id", "qid", "uid")
    type: Names = ("question_type", "qtype", "type", "category", "task_type", "question_category")
    label: Names = ("label",)
    options: Names = ("options", "choices")
    language: Names = ("answer_language", "language", "lang")
    recording: Names = ("recording", "recording_id", "video_id", "youtube_id", "dialogue_id", "episode_id", "source_id")
    speaker: Names = ("speaker", "speaker_id")
    gender: Names = ("gender", "speaker_gender")
    transcript: Names = ("transcript", "transcription")
    emotion: Names = ("emotion", "emotion_label")


def items_from_rows(
    rows: Iterable[Row], *, task: str, columns: Columns = Columns(), sidecar: Path | None = None
) -> Iterator[Item]:
    """Make an item of every row, one at a time, so that no more than one clip's bytes are in memory.

    Ids are the row's own, else a digest of clip and question; a doubled one gets "-2", "-3". The recording is the
    row's, else its speaker, else the clip itself. The type comes from the row, else from `sidecar` (a file, or the
    folder in which `types.jsonl` or `types.csv` may lie), else from the rules of `qtypes`; `qtypes.types_from(items)`
    says which.
    Raises UserError for a row without audio, question or answer.
    """
    types = TypeSource.beside(sidecar)
    count: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        item = _item(_Found(row, number), task, columns, types)
        count[item.id] = count.get(item.id, 0) + 1
        yield item if count[item.id] == 1 else dataclasses.replace(item, id=f"{item.id}-{count[item.id]}")


def clip_of(
    value: Any,
    *,
    recording: str | None = None,
    speaker: str | None = None,
    gender: str | None = None,
    transcript: str | None = None,
) -> Clip:
    """An audio value of a row as a clip: file bytes, decoded samples, or a path. Raises TypeError for anything else."""
    known: _Known = {"recording": recording, "speaker": speaker, "gender": gender, "transcript": transcript}
    if isinstance(value, str | Path):
        return clip(value, **known)
    if isinstance(value, bytes):
        return clip_from_bytes(value, **known)
    if hasattr(value, "get_all_samples"):  # datasets' own decoder, where torchcodec is installed
        samples = value.get_all_samples()
        return clip_from_samples(samples.data.numpy(), int(samples.sample_rate), **known)
    if isinstance(value, Mapping):
        if value.get("bytes"):
            return clip_from_bytes(value["bytes"], name=value.get("path"), **known)
        if value.get("array") is not None:
            return clip_from_samples(value["array"], int(value["sampling_rate"]), **known)
        if value.get("path"):
            return clip(value["path"], **known)
    raise TypeError(f"no audio: {type(value).__name__}")


class _Known(TypedDict):
    """What a row may say of its clip."""

    recording: str | None
    speaker: str | None
    gender: str | None
    transcript: str | None


@dataclass(frozen=True)
class _Found:
    """A row, looked into by names."""

    row: Row
    number: int

    def text(self, names: Names) -> str | None:
        """The first that is a text or a number, as text."""
        value = self._first(names, lambda value: (isinstance(value, str) and value.strip()) or _is_number(value))
        return None if value is None else str(value).strip()

    def texts(self, names: Names) -> tuple[str, ...]:
        """The first that is a text or a list of texts."""
        value = self._first(
            names, lambda value: _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))
        )
        return () if value is None else (value,) if isinstance(value, str) else tuple(value)

    def audio(self, names: Names) -> Any:
        return self._first(names, _is_audio)

    def missing(self, what: str, names: Names) -> UserError:
        return UserError(
            f"row {self.number} has no {what}: its columns are",
            value=sorted(key for key in self.row if not key.startswith("__")),  # those are added by readers
            allowed=names,
            mend="a `Columns` with the names of this set",
        )

    def _first(self, names: Names, usable: Callable[[Any], Any]) -> Any:
        holders = (self.row, _attributes(self.row))
        values = (_walk(holder, name) for name in names for holder in holders)
        return next((value for value in values if value is not None and usable(value)), None)


def _item(found: _Found, task: str, columns: Columns, types: TypeSource) -> Item:
    audio, question = found.audio(columns.audio), found.text(columns.question)
    references = found.texts(columns.answer)
    for what, value in (("audio", audio), ("question", question), ("answer", references)):
        if not value:
            raise found.missing(what, getattr(columns, what))
    sound = _clip(found, audio, columns)
    words = question or ""
    identity = found.text(columns.id) or digest(sound.sha256 or sound.path, words)[:16]
    kind, source = types.of(found.text(columns.type), identity, words, references[0])
    return Item(
        identity,
        task,
        (sound,),
        words,
        references,
        language=found.text(columns.language),
        type=kind,
        label=found.text(columns.label),
        options=found.texts(columns.options),
        origin={"types_from": source},
    )


def _clip(found: _Found, audio: Any, columns: Columns) -> Clip:
    speaker, emotion = found.text(columns.speaker), found.text(columns.emotion)
    sound = clip_of(
        audio,
        recording=found.text(columns.recording) or speaker,
        speaker=speaker,
        gender=found.text(columns.gender),
        transcript=found.text(columns.transcript),
    )
    if emotion is None:
        return sound
    return dataclasses.replace(sound, tags=(Tag(0.0, sound.seconds or 0.0, "gold", {emotion: 1.0}),))


def _walk(holder: Any, name: str) -> Any:
    for part in name.split("."):
        if not isinstance(holder, Mapping):
            return None
        holder = next((value for key, value in holder.items() if str(key).lower() == part.lower()), None)
    return holder


def _attributes(row: Row) -> Mapping[str, Any]:
    value = _walk(row, ATTRIBUTES)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:  # a text that only looks like JSON holds nothing that could be named
            return {}
    return value if isinstance(value, Mapping) else {}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_audio(value: Any) -> bool:
    """Bytes, samples, a decoder, or a path; not a nested object that merely contains one."""
    if isinstance(value, Mapping):
        return any(value.get(key) is not None for key in ("bytes", "array", "path"))
    return isinstance(value, bytes | Path) or hasattr(value, "get_all_samples") or _is_text(value)
