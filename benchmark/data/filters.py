"""What a written question must not be: one function a fault, each counted by its name.

A filter takes an item and says whether to drop it. None of them asks a model; `data/check.py` does that.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from cpbench.data.generate_pairs import Material, Segment
from cpbench.data.sentiment import AROUSED, NEGATIVE, POSITIVE, SLACK
from cpbench.formats.items import words_key
from cpbench.labels import extract_label, labels_named
from cpbench.lexicon import concept_of
from cpbench.records import Item

Filter = Callable[[Item], bool]
"""Whether an item is to be dropped."""

QUESTION = (3, 400)  # characters, at least and at most
ANSWER = (1, 1200)
EMOTIONS = (
    "anger", "boredom", "contempt", "disgust", "excitement", "fear", "frustration", "happiness", "sadness", "surprise",
)  # fmt: skip
"""By these names an emotion is looked for where the set has no labels of its own."""
GENDERS = ("male", "female")
NOT_POSITIVE, NOT_NEGATIVE = -0.2, 0.0
"""Valence below which an emotion cannot be positive, and from which it cannot be negative: the .4 and .5 of the
Interspeech paper's 0 to 1 (as summarised of it), on our scale from -1 to 1."""
NOT_AROUSED, NOT_SLACK = -0.5, 0.5
SAME = 0.8  # share of common 3-grams from which two questions about one clip are one

_PRESUMES = re.compile(
    r"\b(?:the|this|that|a|provided|given|above|following)\s+(?:\w+\s+)?"
    r"(?:transcript|transcription|text|passage|excerpt|metadata|annotations?|captions?|subtitles?)\b"
    r"|\btranscri(?:pt|ption|bed)\b|\bas (?:it is )?written\b|\b(?:emotion|time)[ -]?(?:tags?|stamps?|labels?)\b"
    r"|\b(?:valence|arousal|dominance)\b|\b(?:emotion|probability) scores?\b"
    r"|\b(?:im|laut|gemäß|aus dem|nach dem)\s+(?:\w+\s+)?(?:transkript|text|textausschnitt)\b|\btranskript\w*"
    r"|(?:根据|按照|依据|在)(?:上述|以上|这段|该|给定的)?(?:文本|文字|转录|转写|逐字稿|字幕|段落)|转录文本|效价|唤醒度",
    re.IGNORECASE,
)


def bad_form(item: Item) -> bool:
    """No question or answer of a usable length, or the word that stands for a sound among them."""
    lengths = ((len(item.question.strip()), QUESTION), (len(item.references[0].strip()), ANSWER))
    return any(not least <= length <= most for length, (least, most) in lengths) or any(
        "<audio>" in text or "\ufffd" in text for text in (item.question, *item.references)
    )


def unknown_type(item: Item) -> bool:
    """No type of the benchmark's. Speech recognition, which has none, is never generated."""
    return item.type is None


def answer_against_label(item: Item) -> bool:
    """The answer names another option than its label."""
    if item.label is None or not item.options:
        return False
    return extract_label(item.references[0], item.options) not in (None, item.label)


def leaks_label(item: Item) -> bool:
    """The question names the answer's emotion, gender or number, and does not list several to choose from."""
    options = _asked(item)
    right = {item.label} if item.label is not None else set(labels_named(item.references[0], options))
    named = labels_named(item.question, options) if options else ()
    return len(named) == 1 and named[0] in right


def presumes_transcript(item: Item) -> bool:
    """The question speaks of a text or of annotations, which whoever hears the clip has never seen."""
    return _PRESUMES.search(item.question) is not None


def in_transcript(item: Item) -> bool:
    """The words alone say the label of a question about the voice."""
    if item.type in (None, "C") or item.label is None:
        return False
    words = " ".join(clip.transcript or "" for clip in item.clips)
    if item.type in ("DE", "CE"):
        return item.label in labels_named(words, item.options or EMOTIONS)
    return f" {words_key(item.label)} " in f" {words_key(words)} "


def against_levels(item: Item) -> bool:
    """The label's emotion contradicts valence or arousal wherever it is annotated, or else in the whole clip."""
    concept = concept_of(item.label.casefold()) if item.label is not None and item.type in ("DE", "CE") else None
    if concept is None:
        return False
    segments = [segment for clip in item.clips for segment in Material(clip).segments]
    own = [segment for segment in segments if segment.top == item.label] or segments
    measured = [segment for segment in own if segment.valence is not None or segment.arousal is not None]
    return bool(measured) and all(_contradicts(concept, segment) for segment in measured)


FILTERS: Mapping[str, Filter] = {
    "form and length": bad_form,
    "no such type": unknown_type,
    "answer against its label": answer_against_label,
    "label in the question": leaks_label,
    "presumes a transcript": presumes_transcript,
    "label in the transcript": in_transcript,
    "label against valence or arousal": against_levels,
}
"""Tried in this order; the first that fits is counted."""
NEAR, TOO_OFTEN = "nearly the same again", "too often in the set"


@dataclass
class Sieve:
    """The filters over a stream of items, clip by clip, with what each has dropped.

    `most` is how often the same question with the same answer may come in the whole set; None: as often as it does.
    Kept of what was seen: eight bytes a question with `most`, and the questions of the clip in hand.
    """

    most: int | None = None
    seen: Counter[str] = field(default_factory=Counter)  # by generator
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (generator, filter)
    _often: Counter[bytes] = field(default_factory=Counter, repr=False)

    def sift(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items of one clip that are to be kept. Baseline rows are facts: they pass, and stand for what repeats."""
        kept: list[Item] = []
        for item in items:
            generator = item.origin.get("generator", "")
            self.seen[generator] += 1
            fault = self._fault(item, kept) if generator else None
            if fault is not None:
                self.dropped[generator, fault] += 1
                continue
            kept.append(item)
            yield item

    def drop(self, item: Item, why: str) -> None:
        """Count one that was dropped elsewhere."""
        self.dropped[item.origin.get("generator", ""), why] += 1

    def _fault(self, item: Item, kept: Sequence[Item]) -> str | None:
        found = next((name for name, drops in FILTERS.items() if drops(item)), None)
        if found is None and any(nearly_same(item, other) for other in kept):
            found = NEAR
        if found is None and self.most is not None:
            key = _signature(item)
            self._often[key] += 1
            found = TOO_OFTEN if self._often[key] > self.most else None
        return found


def nearly_same(a: Item, b: Item) -> bool:
    """Whether two questions about one clip are the same but for a word or two: by their common 3-grams of letters.

    What stands in quotation marks is what is asked about, so two questions that quote different words differ.
    """
    if _quoted(a.question) != _quoted(b.question):
        return False
    return _likeness(_grams(a.question), _grams(b.question)) >= SAME


def _asked(item: Item) -> tuple[str, ...]:
    """The options that the question is about."""
    if item.type in ("DE", "CE"):
        return item.options or EMOTIONS
    if item.type in ("DG", "CG"):
        return item.options or GENDERS
    return item.options if item.type in ("DS", "CS") else ()


def _contradicts(concept: str, segment: Segment) -> bool:
    valence, arousal = segment.valence, segment.arousal
    by_valence = valence is not None and (
        (concept in POSITIVE and valence < NOT_POSITIVE) or (concept in NEGATIVE and valence >= NOT_NEGATIVE)
    )
    by_arousal = arousal is not None and (
        (concept in AROUSED and arousal < NOT_AROUSED) or (concept in SLACK and arousal > NOT_SLACK)
    )
    return by_valence or by_arousal


def _quoted(question: str) -> tuple[str, ...]:
    return tuple(words_key(found) for found in re.findall(r'["“„«](.+?)["”“»]', question))


def _grams(text: str) -> frozenset[str]:
    plain = f" {words_key(text)} "
    return frozenset(plain[at : at + 3] for at in range(max(1, len(plain) - 2)))


def _likeness(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b)


def _signature(item: Item) -> bytes:
    """The question with its answer, whatever the order of its words and its punctuation."""
    said = sorted(words_key(item.question).split()), words_key(item.references[0])
    return blake2b(unicodedata.normalize("NFKC", str(said)).encode(), digest_size=8).digest()
