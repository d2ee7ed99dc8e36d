"""Questions by templates: offline, the same ones for the same seed. And the baseline rows, which nothing generates.

Baseline rows (their generator is null) are what is known of a clip anyway: its words, its gender, its emotion. The
templates put words and voice together as far as tags with times allow; a language model writes better questions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from cpbench.data.generate_pairs import Known, Material, Pair, Segment, content_words
from cpbench.labels import labels_named
from cpbench.records import QType

VERSION = 1
GENERATOR = f"templates@{VERSION}"
"""The generator of these rows."""

_ADJECTIVES: Mapping[str, str] = {
    "anger": "angry",
    "annoyance": "annoyed",
    "boredom": "bored",
    "calmness": "calm",
    "contempt": "contemptuous",
    "disgust": "disgusted",
    "excitement": "excited",
    "fear": "afraid",
    "frustration": "frustrated",
    "happiness": "happy",
    "joy": "joyful",
    "sadness": "sad",
    "surprise": "surprised",
}
_WORDS = ("What is said in this clip?", "Write down what is said.", "What are the speaker's words?")
_EMOTION = (
    "How does the speaker sound?",
    "What emotion does the speaker's voice convey?",
    "How does the person in this clip feel?",
    "Which feeling is in the voice?",
)
_GENDER = (
    "Is the speaker male or female?",
    "What is the gender of the speaker?",
    "Does the voice belong to a man or a woman?",
)
_NUMBER = (
    "How many speakers are there?",
    "How many different voices can be heard?",
    "How many people are talking in this clip?",
)
_LATER = (
    'What does the speaker say after "{start}"?',
    'How does the utterance that begins with "{start}" go on?',
    'Which words follow "{start}"?',
)
_MENTIONED = (
    'Is the word "{word}" spoken in this clip?',
    'Does anybody say "{word}"?',
    'Can you hear the word "{word}"?',
)
_CHANGE = (
    "How does the feeling in the voice change in the course of the clip?",
    "Does the emotion of the voice stay the same from beginning to end?",
    "Which way do the emotions in the clip go?",
)
_ENERGY = (
    "How much energy is in the voice?",
    "Is the voice excited or subdued?",
    "How lively is the manner of speaking?",
)
_EMOTION_AT = (
    'How does the speaker sound when saying "{word}"?',
    'What emotion is in the voice that mentions "{word}"?',
    'With which feeling is "{word}" spoken?',
    'Which emotion accompanies the words about "{word}"?',
)
_STRONGEST = (
    "What is being said where the voice is most agitated?",
    "Which words are spoken with the most energy?",
    "Where the voice is liveliest, what is it saying?",
)
_GENDER_AT = (
    'Is the person who says "{word}" male or female?',
    'What is the gender of the speaker who mentions "{word}"?',
    "Does a man's or a woman's voice say \"{word}\"?",
)
_NUMBER_AT = (
    'How many of the speakers mention "{word}"?',
    'How many different voices say "{word}"?',
    'How many people in the clip speak of "{word}"?',
)
_SHARED = ("none", "one", "two")
_NUMBERS = ("one", "two", "three", "four")
_HIGH, _LOW = 0.33, -0.33  # thirds of the scale from -1 to 1
_CLEAR = 0.2  # a difference of arousal between two stretches that can be heard


def baseline(material: Material, known: Known, seed: int) -> Iterator[Pair]:
    """Speech recognition, gender and emotion questions, as far as the clip's facts are known."""
    draw = _draw(material, seed, "baseline")
    if material.transcript:
        yield Pair(None, draw.choice(_WORDS), material.transcript)
    if material.clip.gender and len(known.genders) > 1:
        yield _gender(draw.choice(_GENDER), "DG", material, known)
    if (emotion := material.emotion) is not None and len(known.emotions) > 1:
        yield Pair("DE", draw.choice(_EMOTION), said(emotion), emotion, known.emotions)


def by_templates(material: Material, known: Known, types: Collection[str], seed: int) -> list[Pair]:
    """Every question that the templates can ask of a clip, in an order drawn by the clip's bytes and the seed."""
    draw = _draw(material, seed, "templates")
    made = [pair for kind in _KINDS if kind in types for pair in _KINDS[kind](material, known, draw)]
    draw.shuffle(made)
    return made


def said(emotion: str) -> str:
    """An emotion as an answer.

    >>> said("sadness"), said("neutral"), said("awe")
    ('The speaker sounds sad.', 'The speaker sounds neutral.', 'The voice conveys awe.')
    """
    if emotion.casefold() in _ADJECTIVES or emotion.casefold() in (*_ADJECTIVES.values(), "neutral"):
        return f"The speaker sounds {_ADJECTIVES.get(emotion.casefold(), emotion)}."
    return f"The voice conveys {emotion}."


def _content(material: Material, known: Known, draw: random.Random) -> Iterator[Pair]:
    """C: how the words go on, and whether a word is among them."""
    for sentence in draw.sample(material.sentences, min(2, len(material.sentences))):
        words = sentence.split()
        if len(words) >= 5:
            at = draw.randint(2, len(words) - 2)
            yield Pair("C", draw.choice(_LATER).format(start=" ".join(words[:at])), " ".join(words[at:]))
    here = {word.casefold() for word in content_words(material.transcript)}
    absent = [word for word in known.words if word.casefold() not in here]
    if here and absent:
        spoken = draw.random() < 0.5
        word = draw.choice(content_words(material.transcript) if spoken else absent)
        answer = "yes" if spoken else "no"
        yield Pair("C", draw.choice(_MENTIONED).format(word=word), answer, answer, ("yes", "no"))


def _directly(material: Material, known: Known, draw: random.Random) -> Iterator[Pair]:
    """DE: how the feeling changes, and by the dimensional signal how much energy is in the voice."""
    tops = [segment.top for segment in material.segments if segment.top is not None]
    if len(material.speakers) <= 1 and len(tops) > 1:
        course = [top for at, top in enumerate(tops) if at == 0 or top != tops[at - 1]]
        answer = f"It stays the same: {course[0]}." if len(course) == 1 else f"It goes from {', then '.join(course)}."
        yield Pair("DE", draw.choice(_CHANGE), answer.replace(", then ", " to ", 1))
    levels = [segment.arousal for segment in material.segments if segment.arousal is not None]
    if levels and len({_level(level) for level in levels}) == 1:
        label = _level(levels[0])
        yield Pair("DE", draw.choice(_ENERGY), f"The voice has {label} energy.", label, ("high", "moderate", "low"))


def _level(arousal: float) -> str:
    return "high" if arousal > _HIGH else "low" if arousal < _LOW else "moderate"


def _number(material: Material, known: Known, draw: random.Random) -> Iterator[Pair]:
    """DS: where the clip's speakers are known."""
    if 1 <= len(material.speakers) <= len(_NUMBERS):
        label = _NUMBERS[len(material.speakers) - 1]
        yield Pair("DS", draw.choice(_NUMBER), label, label, _NUMBERS[:2] if label in _NUMBERS[:2] else _NUMBERS)


def _emotion_at(material: Material, known: Known, draw: random.Random) -> Iterator[Pair]:
    """CE: the feeling where something is said, and what is said where the voice is most agitated."""
    if len(known.emotions) > 1:
        for segment, word in _pointed(material, draw, known.emotions):
            if segment.top is not None:
                question = draw.choice(_EMOTION_AT).format(word=word)
                yield Pair("CE", question, said(segment.top), segment.top, known.emotions)
    ranked = sorted(
        (segment for segment in material.segments if segment.arousal is not None and segment.text),
        key=lambda segment: -(segment.arousal or 0.0),
    )
    if len(ranked) > 1 and (ranked[0].arousal or 0) - (ranked[1].arousal or 0) >= _CLEAR:
        yield Pair("CE", draw.choice(_STRONGEST), str(ranked[0].text).strip())


def _gender_at(material: Material, known: Known, draw: random.Random) -> Iterator[Pair]:
    """CG: the gender of whoever says something; only where the whole clip's gender is known."""
    if material.clip.gender and len(known.genders) > 1:
        for _, word in _pointed(material, draw, known.genders)[:1]:
            yield _gender(draw.choice(_GENDER_AT).format(word=word), "CG", material, known)


def _number_at(material: Material, known: Known, draw: random.Random) -> Iterator[Pair]:
    """CS: how many speak of something; only where each of two speakers has one stretch with words."""
    texts = [str(segment.text) for segment in material.segments if segment.text]
    if len(material.speakers) != 2 or len(texts) != 2 or len(material.segments) != 2:
        return
    first, second = ({word.casefold() for word in content_words(text)} for text in texts)
    spelt = {word.casefold(): word for text in texts for word in content_words(text)}
    groups: dict[str, Sequence[str]] = {
        "two": sorted(first & second),
        "one": sorted(first ^ second),
        "none": [word for word in known.words if word.casefold() not in first | second],
    }
    possible = [label for label, words in groups.items() if words]
    label = draw.choice(possible)
    word = draw.choice(groups[label])
    yield Pair("CS", draw.choice(_NUMBER_AT).format(word=spelt.get(word, word)), label, label, _SHARED)


_KINDS: Mapping[QType, Callable[[Material, Known, random.Random], Iterator[Pair]]] = {
    "C": _content,
    "DE": _directly,
    "DS": _number,
    "CE": _emotion_at,
    "CG": _gender_at,
    "CS": _number_at,
}
"""What the templates can ask, by type. DG is a baseline row."""
TYPES: tuple[str, ...] = tuple(_KINDS)


def _pointed(material: Material, draw: random.Random, options: Sequence[str]) -> list[tuple[Segment, str]]:
    """Up to two stretches, each with a word that is spoken there only and names none of the options."""
    texts = [(segment, content_words(segment.text)) for segment in material.segments if segment.text]
    spoken = [word.casefold() for _, words in texts for word in words]
    found = []
    for segment, words in texts:
        alone = [w for w in words if spoken.count(w.casefold()) == 1 and not labels_named(w, options)]
        if alone:
            found.append((segment, draw.choice(alone)))
    return draw.sample(found, min(2, len(found)))


def _gender(question: str, kind: QType, material: Material, known: Known) -> Pair:
    gender = str(material.clip.gender)
    return Pair(kind, question, f"The speaker is {gender}.", gender, known.genders)


def _draw(material: Material, seed: int, purpose: str) -> random.Random:
    return random.Random(f"{purpose}/{seed}/{material.clip.sha256}")
