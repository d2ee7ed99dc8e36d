"""The data line: one question with its answer, as `cpbench data generate` writes it and `cpbench train` reads it.

    {"messages": [{"role": "user", "content": "<audio>How does she sound?"}, {"role": "assistant", "content": "Sad."}],
     "audios": ["clips/a.wav"],
     "cpbench": {"id": "a-1", "type": "DE", "split": "train", "speaker": "04", "transcript": "It is over.",
                 "emotion": "sadness", "vad": {"valence": -0.6, "arousal": -0.4, "dominance": null, "scale": [-1, 1]},
                 "annotator": "gold", "generator": null, "prompt_hash": null, "license": null, "recording": "04", ...,
                 "tags": [{"start": 0.0, "end": 2.1, "source": "gold", "labels": ["sadness"], "probabilities": [1.0],
                           "valence": null, "arousal": null, "dominance": null, "text": null,
                           "scale": null}]}}

ms-swift and LLaMA-Factory take it as it stands: every key stands in every line, and holds one kind of value, for
`datasets` infers one schema for the file. The question is without tags: the condition adds them when a variant is
trained. `emotion` and `vad` sum up `tags` for people and for other programs; where a line has no `tags`, they are read
instead. A line about several clips has `clips`, one object each, instead of the keys of one clip.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import pydantic

from cpbench.audio import clip
from cpbench.errors import UsageError, UserError
from cpbench.formats._files import Located, path_from, path_in, read_objects, write_objects
from cpbench.formats.items import Level, Share, Text
from cpbench.records import QTYPES, Clip, Item, QType, Tag

AUDIO = "<audio>"
"""Stands in the user's content once for each sound."""
ORIGIN = ("annotator", "generator", "prompt_hash", "license")
LEVELS = ("valence", "arousal", "dominance")
_LOOKED_AT = 20  # lines in which at least one audio file should be there
_REMEMBERED = 4096  # clips whose bytes are not hashed again

Levels: TypeAlias = Annotated[list[float], pydantic.Field(min_length=2, max_length=2)]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)


class Vad(_Strict):
    """Valence, arousal, dominance on a scale from its first to its second value."""

    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    scale: Levels = [-1.0, 1.0]

    def on_unit_scale(self, level: float | None) -> float | None:
        """A level of this scale on the one from -1 to 1."""
        low, high = self.scale
        return level if level is None or (low, high) == (-1, 1) else 2 * (level - low) / (high - low) - 1


class Timed(_Strict):
    """One tag: how the voice sounds between two times (seconds)."""

    start: Annotated[float, pydantic.Field(ge=0)]
    end: float
    source: Text
    labels: list[Text] = []
    probabilities: list[Share] = []
    valence: Level = None
    arousal: Level = None
    dominance: Level = None
    text: str | None = None
    scale: Levels | None = None

    @pydantic.model_validator(mode="after")
    def _one_probability_a_label(self) -> Timed:
        if len(self.labels) != len(self.probabilities):
            raise ValueError(f"{len(self.labels)} labels with {len(self.probabilities)} probabilities")
        return self


class About(_Strict):
    """What is known of one clip."""

    speaker: Text | None = None
    gender: Text | None = None
    recording: Text | None = None
    transcript: str | None = None
    emotion: Text | None = None
    vad: Vad | None = None
    tags: list[Timed] | None = None


class Extra(About):
    """The object `cpbench` of a line."""

    model_config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    id: Text
    type: QType | None = None
    split: Text = "train"
    annotator: Text | None = None
    generator: Text | None = None
    prompt_hash: Text | None = None
    license: Text | None = None
    language: Text | None = None
    label: Text | None = None
    options: list[Text] = []
    lure: Text | None = None
    words: Text | None = None
    prompt: str = ""
    references: list[Text] | None = None  # where there is more than one
    origin: dict[str, str] = {}  # what else is known of where it is from
    clips: list[About] | None = None


class _Message(pydantic.BaseModel):
    role: str
    content: str


class Line(pydantic.BaseModel):
    """A line; keys of other programs beside ours are left alone."""

    messages: list[_Message]
    audios: Annotated[list[Text], pydantic.Field(min_length=1)]
    cpbench: Extra


def read(path: Path, *, task: str) -> Iterator[Item]:
    """Read the items one at a time, in the file's order; a clip that cannot be read is kept (decoding will say why).

    Raises UserError with file and line for what is no data line, for a doubled id, and where no audio file is there.
    """
    return checked_audio(path, _items(path, task))


def write(items: Iterable[Item], path: Path) -> None:
    """Write items in the form that `read` takes, whole or not at all.

    Audio is named by a path relative to the file where it lies below the file's folder, else by its absolute path.
    Raises UserError for an item without an answer, or whose question holds `<audio>`.
    """
    folder = path.absolute().parent
    write_objects((line_of(item, folder) for item in items), path)


def line_of(item: Item, folder: Path) -> dict[str, Any]:
    """An item as the line of a file in `folder`."""
    answer = answer_of(item)
    about = [_about(one) for one in item.clips]
    known: dict[str, Any] = {
        "id": item.id,
        "type": item.type,
        "split": item.split,
        **(about[0] if len(about) == 1 else {}),
        **{key: item.origin.get(key) for key in ORIGIN},
        "language": item.language,
        "label": item.label,
        "options": list(item.options),
        "lure": item.lure,
        "words": item.words,
        "prompt": item.prompt,
        "references": list(item.references) if len(item.references) > 1 else None,
    }
    rest = {key: value for key, value in item.origin.items() if key not in ORIGIN}
    known |= ({"origin": rest} if rest else {}) | ({"clips": about} if len(about) > 1 else {})
    return {
        "messages": [
            {"role": "user", "content": AUDIO * len(item.clips) + item.question},
            {"role": "assistant", "content": answer},
        ],
        "audios": [path_from(folder, one.path) for one in item.clips],
        "cpbench": known,
    }


def answer_of(item: Item) -> str:
    """What an item teaches to answer. Raises UserError where there is none, and where `<audio>` is in its question."""
    if not item.references:
        raise UserError("an item without an answer cannot be trained on:", value=item.id)
    if AUDIO in item.question:
        raise UserError(f"the question of {item.id} holds {AUDIO}, which stands for a sound:", value=item.question)
    return item.references[0]


def checked_audio(path: Path, items: Iterator[Item]) -> Iterator[Item]:
    """The items; raises UserError at once where none of the first ones has its audio file."""
    first = list(islice(items, _LOOKED_AT))
    clips = [one for item in first for one in item.clips]
    if clips and not any(Path(one.path).is_file() for one in clips):
        raise UserError(
            f"{path}: none of the audio files of its first {len(first)} questions is there, the first being",
            value=clips[0].path,
            mend="paths relative to the folder of the file, or absolute ones",
        )
    return chain(first, items)


def overall(tags: Iterable[Tag]) -> tuple[str | None, dict[str, Any] | None]:
    """A clip's tags in short: the emotion with the greatest share of time, and the mean levels over time.

    >>> overall([Tag(0, 1, "gold", {"joy": 1.0}, valence=0.5), Tag(1, 4, "gold", {"anger": 0.9}, valence=-0.5)])
    ('anger', {'valence': -0.25, 'arousal': None, 'dominance': None, 'scale': [-1, 1]})
    """
    timed = [(max(tag.end - tag.start, 1e-9), tag) for tag in tags]
    emotions: dict[str, float] = {}
    for seconds, tag in timed:
        for label, share in tag.emotion.items():
            emotions[label] = emotions.get(label, 0.0) + seconds * share
    levels: dict[str, Any] = {}
    for name in LEVELS:
        known = [(seconds, getattr(tag, name)) for seconds, tag in timed if getattr(tag, name) is not None]
        weight = sum(seconds for seconds, _ in known)
        levels[name] = round(sum(s * level for s, level in known) / weight, 4) if known else None
    top = max(emotions, key=lambda label: emotions[label]) if emotions else None
    return top, ({**levels, "scale": [-1, 1]} if any(level is not None for level in levels.values()) else None)


def _items(path: Path, task: str) -> Iterator[Item]:
    seen: dict[str, str] = {}
    clips = ClipsOf(path.absolute().parent)
    for where, value in read_objects(path):
        item = _item(where, _parse((where, value)), clips, task)
        if item.id in seen:
            raise UserError(f"{where}: the id was already on {seen[item.id].rpartition(', ')[2]}:", value=item.id)
        seen[item.id] = where
        yield item


class ClipsOf:
    """The clips that a file in `folder` names; the bytes of each are hashed once (of the last few thousand)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Clip] = {}

    def __call__(self, name: str) -> Clip:
        if name not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[name] = clip(path_in(self.folder, name))
        return self._known[name]


def _parse(located: Located) -> Line:
    where, value = located
    try:
        return Line.model_validate(value)
    except pydantic.ValidationError as error:
        raise _explain(where, error) from None


def _explain(where: str, error: pydantic.ValidationError) -> UserError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return UsageError(f"{where}: unknown key in cpbench", value=first["loc"][-1], allowed=Extra.model_fields)
    if first["loc"][-1] == "type":
        return UsageError(f"{where}: unknown question type", value=first["input"], allowed=QTYPES)
    if first["type"] == "missing":
        return UserError(f"{where}: the key {place!r} is missing")
    return UserError(f"{where}: {place}: {first['msg']}, not", value=str(first["input"])[:80])


def _item(where: str, line: Line, clips: ClipsOf, task: str) -> Item:
    extra = line.cpbench
    known = extra.clips or [extra]
    if len(known) != len(line.audios):
        raise UserError(f"{where}: {len(line.audios)} audios, and clips of", value=len(known))
    question, answer = _asked(where, line)
    origin = {key: getattr(extra, key) for key in ORIGIN} | extra.origin
    return Item(
        extra.id,
        task,
        tuple(_clip(clips(audio), about, extra) for audio, about in zip(line.audios, known, strict=True)),
        question,
        tuple(extra.references) if extra.references else (answer,),
        prompt=extra.prompt,
        language=extra.language,
        type=extra.type,
        label=extra.label,
        options=tuple(extra.options),
        lure=extra.lure,
        words=extra.words,
        split=extra.split,
        origin={key: value for key, value in origin.items() if value is not None},
    )


def _asked(where: str, line: Line) -> tuple[str, str]:
    """The question and its answer. The sounds stand before the words, as `write` puts them."""
    roles = [message.role for message in line.messages]
    if roles != ["user", "assistant"]:
        raise UserError(f"{where}: a data line has one question and one answer, not", value=", ".join(roles))
    asked, answer = (message.content for message in line.messages)
    tags = AUDIO * len(line.audios)
    question = asked.removeprefix(tags)
    if question == asked or AUDIO in question:
        raise UserError(f"{where}: the question should begin with {tags}, and is", value=asked[:80])
    if not question.strip() or not answer.strip():
        raise UserError(f"{where}: an empty {'answer' if question.strip() else 'question'}")
    return question, answer


def _clip(plain: Clip, about: About, extra: Extra) -> Clip:
    return dataclasses.replace(
        plain,
        recording=about.recording or about.speaker or plain.recording,
        speaker=about.speaker,
        gender=about.gender,
        transcript=about.transcript,
        tags=_tags(about, plain.seconds, extra.annotator or "gold"),
    )


def _tags(about: About, seconds: float | None, source: str) -> tuple[Tag, ...]:
    if about.tags:
        return tuple(_tag(timed) for timed in about.tags)
    if about.emotion is None and about.vad is None:
        return ()
    emotion: Mapping[str, float] = {about.emotion: 1.0} if about.emotion else {}
    vad = about.vad or Vad()
    valence, arousal, dominance = (vad.on_unit_scale(getattr(vad, name)) for name in LEVELS)
    scale = None if vad.scale == [-1, 1] else (vad.scale[0], vad.scale[1])
    tag = Tag(0.0, seconds or 0.0, source, emotion, valence, arousal, dominance, scale=scale)
    return (tag,)


def _tag(timed: Timed) -> Tag:
    emotion = dict(zip(timed.labels, timed.probabilities, strict=True))
    scale = (timed.scale[0], timed.scale[1]) if timed.scale is not None else None
    return Tag(timed.start, timed.end, timed.source, emotion, timed.valence, timed.arousal, timed.dominance,
               timed.text, scale)  # fmt: skip


def _about(one: Clip) -> dict[str, Any]:
    emotion, vad = overall(one.tags)
    known: dict[str, Any] = {"speaker": one.speaker, "gender": one.gender, "recording": one.recording}
    known |= {"transcript": one.transcript, "emotion": emotion, "vad": vad}
    return known | {"tags": [_timed(tag) for tag in one.tags]}


def _timed(tag: Tag) -> dict[str, Any]:
    return {
        "start": tag.start,
        "end": tag.end,
        "source": tag.source,
        "labels": list(tag.emotion),
        "probabilities": list(tag.emotion.values()),
        "valence": tag.valence,
        "arousal": tag.arousal,
        "dominance": tag.dominance,
        "text": tag.text,
        "scale": None if tag.scale is None else list(tag.scale),
    }
