"""`items.jsonl`: a user's own set, one question a line (DESIGN, Records).

    {"id": "a-1", "audio": "clips/a.wav", "question": "How does she feel about it?", "references": ["She is glad."],
     "type": "CE", "label": "happiness", "speaker": "04", "emotion": "happiness"}

`id, audio, question, references` are needed. `audio` is relative to the file; a list of paths is one question about
several clips, and then `recording, speaker, gender, transcript, emotion` may be lists of that length. Not given:

* `recording` is the speaker, else the clip itself;
* `options`, where there is a label: the labels of all lines of that type, so that `--limit` does not change them;
* `words`: the transcript, where the file has it in several recordings (every speaker says the same sentences).
"""

from __future__ import annotations

import dataclasses
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import pydantic

from cpbench.audio import clip
from cpbench.errors import UsageError, UserError
from cpbench.flow.ledger import make_folder
from cpbench.records import QTYPES, Clip, Item, QType, Tag

Text: TypeAlias = Annotated[str, pydantic.StringConstraints(pattern=r"\S")]
Some: TypeAlias = Annotated[list[Text], pydantic.Field(min_length=1)]
Share: TypeAlias = Annotated[float, pydantic.Field(ge=0, le=1)]
Level: TypeAlias = Annotated[float | None, pydantic.Field(ge=-1, le=1)]
PER_CLIP = ("recording", "speaker", "gender", "transcript", "emotion")
EXAMPLE = '{"id": "1", "audio": "a.wav", "question": "Who speaks?", "references": ["A man."]}'


class Span(pydantic.BaseModel):
    """How the voice sounds between two times (seconds)."""

    model_config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)

    start: Annotated[float, pydantic.Field(ge=0)]
    end: float
    label: Text | dict[Text, Share]  # one label, or several with their probabilities
    probability: Share = 1.0
    source: Text = "gold"
    valence: Level = None
    arousal: Level = None
    dominance: Level = None
    text: str | None = None
    scale: tuple[float, float] | None = None  # the source's own range of the three, before it was brought to -1 to 1


class Line(pydantic.BaseModel):
    """One line of the file, what belongs to a clip as one entry a clip."""

    model_config = pydantic.ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)

    id: Text
    audio: Some
    question: Text
    references: Some
    type: QType | None = None
    label: Text | None = None
    options: list[Text] = []
    lure: Text | None = None
    recording: list[Text | None] = []
    speaker: list[Text | None] = []
    gender: list[Text | None] = []
    transcript: list[str | None] = []
    emotion: list[Text | list[Span] | None] = []
    language: Text | None = None
    words: Text | None = None
    prompt: str = ""
    split: Text = "test"
    origin: dict[str, str] = {}

    @pydantic.model_validator(mode="before")
    @classmethod
    def _one_entry_a_clip(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Absent and null are the same; what stands once holds for every clip."""
        data = {key: value for key, value in data.items() if value is not None}
        several = isinstance(data.get("audio"), list)
        clips = len(data["audio"]) if several else 1
        if not several and "audio" in data:
            data["audio"] = [data["audio"]]
        for key in PER_CLIP:
            value = data.get(key)
            data[key] = value if several and isinstance(value, list) else [value] * clips
        if isinstance(data.get("references"), str):
            data["references"] = [data["references"]]
        return {key: value for key, value in data.items() if value is not None}


def read(path: Path, *, task: str) -> Iterator[Item]:
    """Read the items in the file's order; the file is checked as a whole before the first one is given.

    A clip that is asked about several times is hashed once; one that cannot be read is kept (decoding will say why).
    Raises UserError with file and line for what is missing, doubled or unknown.
    """
    whole = _Whole(path)
    for number, line in _lines(
        path
    ):  # read again afterwards: lines take more memory than items, and a set may be large
        whole.see(number, line)
    whole.check()
    return _items((line for _, line in _lines(path)), task, whole)


def write(items: Iterable[Item], path: Path) -> None:
    """Write items in the form that `read` takes, whole or not at all; audio by paths relative to the file."""
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("w", encoding="utf-8") as file:
            for item in items:
                line = _line_of(item, path.absolute().parent)
                file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def words_key(transcript: str) -> str:
    """The sentence without case, punctuation and double spaces.

    >>> words_key("Der Lappen liegt auf dem  Eisschrank.")
    'der lappen liegt auf dem eisschrank'
    """
    folded = unicodedata.normalize("NFKC", transcript).casefold()
    kept = "".join(" " if unicodedata.category(sign)[0] in "PSZC" else sign for sign in folded)
    return " ".join(kept.split())


def _where(path: Path, number: int) -> str:
    return f"{path}, line {number}"


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    try:
        with path.open(encoding="utf-8-sig") as file:  # only line ends end a line: U+2028 may stand in a text
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield number, _parse(_where(path, number), text)
    except FileNotFoundError:
        raise UserError("no such file", value=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read as UTF-8 text ({error}):", value=str(path)) from None


def _parse(where: str, text: str) -> Line:
    try:
        data = json.loads(text, parse_constant=_no_number)
    except ValueError as error:
        raise UserError(
            f"{where}: not JSON ({error}):", value=text[:80], mend=f"one object a line: {EXAMPLE}"
        ) from None
    if not isinstance(data, dict):
        raise UserError(f"{where}: not a JSON object:", value=text[:80], mend=f"one object a line: {EXAMPLE}")
    try:
        line = Line.model_validate(data)
    except pydantic.ValidationError as error:
        raise _explain(where, error) from None
    for key in PER_CLIP:
        if len(getattr(line, key)) != len(line.audio):
            raise UserError(
                f"{where}: {key!r} should have one entry a clip, {len(line.audio)}, and has", value=data[key]
            )
    for span in (span for spans in line.emotion if isinstance(spans, list) for span in spans):
        if span.end <= span.start:
            raise UserError(f"{where}: an emotion from {span.start:g} s should end later than", value=span.end)
        if span.scale is not None and span.scale[1] <= span.scale[0]:
            raise UserError(f"{where}: a scale goes from its lowest value to its highest, not", value=span.scale)
    return line


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON: leave the key out, or null")


def _explain(where: str, error: pydantic.ValidationError) -> UserError:
    """The first fault in words; where a value fits none of several forms, the form that it came nearest to."""
    first = error.errors()[0]
    fault = max(
        (other for other in error.errors() if other["loc"][0] == first["loc"][0]), key=lambda other: len(other["loc"])
    )
    names = [str(part) for part in fault["loc"] if isinstance(part, str) and part.isidentifier()]
    key = names[-1] if names else str(fault["loc"][0])
    owner = Span if "emotion" in names[:-1] else Line
    if fault["type"] == "extra_forbidden":
        return UsageError(f"{where}: unknown key", value=key, allowed=owner.model_fields)
    if fault["type"] == "missing":
        return UserError(f"{where}: the key {key!r} is missing", mend=f"a line such as {EXAMPLE}")
    if key == "type":
        return UsageError(f"{where}: unknown question type", value=fault["input"], allowed=QTYPES)
    if fault["type"] in ("too_short", "string_pattern_mismatch"):
        return UserError(f"{where}: {key!r} is empty:", value=fault["input"])
    return UserError(f"{where}: {key!r}: {fault['msg']}, not", value=fault["input"])


class _Whole:
    """What has to be known of all lines before any of them is an item."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sounds: dict[str, Path] = {}
        self._numbers: dict[str, int] = {}  # id -> line
        self._labels: dict[QType | None, set[str]] = {}
        self._lures: list[tuple[int, QType | None, str]] = []  # of lines without options: line, type, lure
        self._said: dict[str, set[tuple[str, ...]]] = {}  # words -> the recordings that say them

    def see(self, number: int, line: Line) -> None:
        """Raises UserError for what is wrong with the line itself, or with it beside those before."""
        if line.id in self._numbers:
            where = _where(self.path, number)
            raise UserError(f"{where}: the id was already on line {self._numbers[line.id]}:", value=line.id)
        self._numbers[line.id] = number
        named = self._labels.setdefault(line.type, set())
        if line.label is not None:
            named.update(name for name in (line.label, line.lure) if name is not None)
        self._check_label(number, line)
        self.sounds.update((audio, self.path.parent / Path(audio).expanduser()) for audio in line.audio)
        if (words := _words(line)) is not None:
            own = zip(line.recording, line.speaker, line.audio, strict=True)
            self._said.setdefault(words, set()).add(tuple(a or b or c for a, b, c in own))

    def check(self) -> None:
        """Raises UserError for what only the whole file shows."""
        if not self._numbers:
            raise UserError("no items in", value=str(self.path), mend=f"a line such as {EXAMPLE}")
        for number, kind, lure in self._lures:
            self._among(number, "lure", lure, self.options[kind])
        if not any(sound.is_file() for sound in self.sounds.values()):
            raise UserError(
                f"{self.path}: none of its {len(self.sounds)} audio files is there, the first being",
                value=str(next(iter(self.sounds.values()))),
                mend="paths relative to the folder of the items file",
            )

    @cached_property
    def options(self) -> dict[QType | None, tuple[str, ...]]:
        """The labels of each type in the whole file: what a label is one of where the line does not say."""
        return {kind: tuple(sorted(labels)) for kind, labels in self._labels.items()}

    @cached_property
    def shared(self) -> set[str]:
        """The words that more than one recording of the file says."""
        return {words for words, recordings in self._said.items() if len(recordings) > 1}

    def _check_label(self, number: int, line: Line) -> None:
        if len(set(line.options)) != len(line.options):
            raise UserError(f"{_where(self.path, number)}: an option stands twice:", value=line.options)
        if not line.options:  # a label is then one of its type's; a lure may be one that a later line names
            self._lures += [(number, line.type, line.lure)] if line.lure is not None else []
            return
        for key, name in (("label", line.label), ("lure", line.lure)):
            if name is not None:
                self._among(number, key, name, line.options)

    def _among(self, number: int, key: str, name: str, allowed: Sequence[str]) -> None:
        if name not in allowed:
            where = _where(self.path, number)
            raise UsageError(f"{where}: the {key} is not one of the options:", value=name, allowed=allowed)


def _items(lines: Iterable[Line], task: str, whole: _Whole) -> Iterator[Item]:
    hashed: dict[str, Clip] = {}
    again: dict[Any, Any] = {}  # what many items say alike is held once
    for line in lines:
        for audio in line.audio:
            if audio not in hashed:
                hashed[audio] = clip(whole.sounds[audio])
        words = line.words or _words(line)
        options = tuple(line.options) or (whole.options[line.type] if line.label is not None else ())
        yield Item(
            line.id,
            task,
            tuple(_clip(hashed[audio], line, index) for index, audio in enumerate(line.audio)),
            again.setdefault(line.question, line.question),
            tuple(line.references),
            prompt=again.setdefault(line.prompt, line.prompt),
            language=line.language,
            type=line.type,
            label=line.label,
            options=again.setdefault(options, options),
            lure=line.lure,
            words=words if line.words or words in whole.shared else None,
            split=line.split,
            origin=line.origin,
        )


def _clip(plain: Clip, line: Line, index: int) -> Clip:
    return dataclasses.replace(
        plain,
        recording=line.recording[index] or line.speaker[index] or plain.recording,
        speaker=line.speaker[index],
        gender=line.gender[index],
        transcript=line.transcript[index],
        tags=_tags(line.emotion[index], plain.seconds),
    )


def _tags(emotion: str | list[Span] | None, seconds: float | None) -> tuple[Tag, ...]:
    if emotion is None:
        return ()
    if isinstance(emotion, str):
        return (Tag(0.0, seconds or 0.0, "gold", {emotion: 1.0}),)
    return tuple(
        Tag(
            span.start,
            span.end,
            span.source,
            {span.label: span.probability} if isinstance(span.label, str) else span.label,
            span.valence,
            span.arousal,
            span.dominance,
            span.text,
            span.scale,
        )
        for span in emotion
    )


def _words(line: Line) -> str | None:
    """The words of all clips of a line; None where one is unknown."""
    keys = [words_key(transcript or "") for transcript in line.transcript]
    return "+".join(keys) if all(keys) else None


def _line_of(item: Item, folder: Path) -> dict[str, Any]:
    """An item as its line, without what is not known."""
    line: dict[str, Any] = {
        "id": item.id,
        "audio": [_relative(clip.path, folder) for clip in item.clips],
        "question": item.question,
        "references": list(item.references),
        "type": item.type,
        "label": item.label,
        "options": list(item.options),
        "lure": item.lure,
        "recording": [None if clip.recording == clip.sha256 else clip.recording for clip in item.clips],
        "speaker": [clip.speaker for clip in item.clips],
        "gender": [clip.gender for clip in item.clips],
        "language": item.language,
        "transcript": [clip.transcript for clip in item.clips],
        "emotion": [_emotion(clip) for clip in item.clips],
        "words": item.words,
        "prompt": item.prompt,
        "split": item.split,
        "origin": dict(item.origin),
    }
    for key in ("audio", *PER_CLIP):
        if len(item.clips) == 1:
            line[key] = line[key][0]
        elif not any(line[key]):
            line[key] = None
    return {key: value for key, value in line.items() if value not in (None, "", [], {})}


def _relative(path: str, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return path


def _emotion(clip: Clip) -> str | list[dict[str, Any]] | None:
    if not clip.tags:
        return None
    if len(clip.tags) == 1 and clip.tags == _tags(next(iter(clip.tags[0].emotion), None), clip.seconds):
        return next(iter(clip.tags[0].emotion))
    return [_span(tag) for tag in clip.tags]


def _span(tag: Tag) -> dict[str, Any]:
    span: dict[str, Any] = {"start": tag.start, "end": tag.end, "label": dict(tag.emotion)}
    if len(tag.emotion) == 1:
        ((span["label"], span["probability"]),) = tag.emotion.items()
    rest: dict[str, Any] = {"source": tag.source, "valence": tag.valence, "arousal": tag.arousal}
    rest |= {"dominance": tag.dominance, "text": tag.text, "scale": tag.scale and list(tag.scale)}
    return span | {key: value for key, value in rest.items() if value is not None}
