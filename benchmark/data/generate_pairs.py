"""A question with its answer as it is written, and what of a clip is known to whoever writes it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cpbench.formats.items import words_key
from cpbench.records import Clip, QType, Tag

_SENTENCE = re.compile(r"[^.!?。!?…]+[.!?。!?…]*[\"'»”]*\s*")
_WORD = re.compile(r"[^\W\d_]{2,}(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class Pair:
    """A question and its answer, before anything has looked at them."""

    type: QType | str | None  # None: speech recognition; a text that is no type: what a generator made up
    question: str
    answer: str
    label: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Segment:
    """A stretch of a clip with what all annotators say of it together."""

    start: float
    end: float
    text: str | None = None
    emotion: dict[str, float] = field(default_factory=dict)
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None

    @property
    def top(self) -> str | None:
        """The most probable emotion; None where nobody said one."""
        return max(self.emotion, key=lambda label: self.emotion[label]) if self.emotion else None


@dataclass(frozen=True)
class Known:
    """What is known of the whole set of clips: the labels that answers are chosen from, and some words of it."""

    emotions: tuple[str, ...] = ()
    genders: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # content words, in the order of the file; no more than MOST_WORDS


MOST_WORDS = 2000


@dataclass(frozen=True)
class Material:
    """A clip as a writer of questions sees it."""

    clip: Clip

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The clip's tags by stretch: those of equal times are one, their emotions and levels averaged.

        Where no tag has words and there are as many sentences as stretches, or one stretch, the words are shared out.
        """
        stretches: dict[tuple[float, float], list[Tag]] = defaultdict(list)
        for tag in self.clip.tags:
            stretches[round(tag.start, 2), round(tag.end, 2)].append(tag)
        made = [_segment(start, end, tags) for (start, end), tags in sorted(stretches.items())]
        return tuple(self._with_words(made))

    @property
    def transcript(self) -> str:
        return (self.clip.transcript or "").strip()

    @property
    def sentences(self) -> list[str]:
        return [sentence.strip() for sentence in _SENTENCE.findall(self.transcript) if words_key(sentence)]

    @property
    def speakers(self) -> tuple[str, ...]:
        """The voices of the clip: `a+b` are two."""
        return tuple(dict.fromkeys((self.clip.speaker or "").split("+"))) if self.clip.speaker else ()

    @property
    def emotion(self) -> str | None:
        """The one emotion of the whole clip; None where its stretches differ."""
        tops = {segment.top for segment in self.segments if segment.top is not None}
        return tops.pop() if len(tops) == 1 else None

    @property
    def annotators(self) -> str:
        return "+".join(sorted({tag.source for tag in self.clip.tags}))

    def _with_words(self, segments: Sequence[Segment]) -> Iterable[Segment]:
        if any(segment.text for segment in segments) or not self.transcript:
            return segments
        said = [self.transcript] if len(segments) == 1 else self.sentences
        if len(said) != len(segments):
            return segments
        pairs = zip(segments, said, strict=True)
        return [Segment(**{**vars(segment), "text": text}) for segment, text in pairs]


def content_words(text: str) -> list[str]:
    """The longer words of a text, each once, in its order: what a question can point at.

    >>> content_words("Anna bought the camera, the CAMERA, at noon.")
    ['Anna', 'bought', 'camera', 'noon']
    """
    found: dict[str, str] = {}
    for word in _WORD.findall(text):
        if len(word) >= 4:
            found.setdefault(word.casefold(), word)
    return list(found.values())


def look_over(clips: Iterable[Clip]) -> Known:
    """What all clips together tell; one at a time in memory."""
    emotions, genders, words = set[str](), set[str](), dict[str, None]()
    for clip in clips:
        material = Material(clip)
        emotions |= {segment.top for segment in material.segments if segment.top is not None}
        genders |= {clip.gender} if clip.gender else set()
        if len(words) < MOST_WORDS:
            words |= dict.fromkeys(content_words(material.transcript))
    return Known(tuple(sorted(emotions)), tuple(sorted(genders)), tuple(words)[:MOST_WORDS])


def _segment(start: float, end: float, tags: Sequence[Tag]) -> Segment:
    emotional = [tag for tag in tags if tag.emotion]
    emotion: dict[str, float] = {}
    for tag in emotional:
        for label, share in tag.emotion.items():
            emotion[label] = emotion.get(label, 0.0) + share / len(emotional)
    levels = {name: _mean(getattr(tag, name) for tag in tags) for name in ("valence", "arousal", "dominance")}
    text = next((tag.text for tag in tags if tag.text and tag.text.strip()), None)
    return Segment(start, end, text, emotion, **levels)


def _mean(levels: Iterable[float | None]) -> float | None:
    known = [level for level in levels if level is not None]
    return sum(known) / len(known) if known else None
