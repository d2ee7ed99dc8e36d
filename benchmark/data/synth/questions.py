"""Questions about a synthetic clip, of all seven types, each in several wordings.

What a question says never narrows down its answer: a model that does not hear is left with the shares of the answers,
which are balanced within each type.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cpbench.data.synth.grammar import OBJECTS, Sentence, Slot
from cpbench.data.synth.voices import EMOTIONS, Voice
from cpbench.records import QType

GENDERS = ("male", "female")
NUMBERS = ("one", "two")
SHARED = ("none", "one", "two")
_LISTED = f"{', '.join(list(EMOTIONS)[:-1])} or {list(EMOTIONS)[-1]}"
_CONTENT: dict[Slot, tuple[str, ...]] = {
    "who": (
        "Who {past} the {thing}?",
        "Which person {past} the {thing}?",
        "What is the name of the one who {past} the {thing}?",
    ),
    "what": ("What did {name} {base}?", "Which thing did {name} {base}?", "What is it that {name} {past}?"),
    "where": (
        "Where did {name} {base} something?",
        "Where was {name}?",
        "In which place did {name} {base} the {thing}?",
    ),
    "when": (
        "When did {name} {base} something?",
        "When was it that {name} {past} the {thing}?",
        "At what time did {name} {base} it?",
    ),
}
_VOICE: dict[Literal["DE", "DG", "DS", "CE", "CG", "CS"], tuple[str, ...]] = {
    "DE": (
        "How does the speaker sound?",
        "What emotion does the speaker's voice convey?",
        "How does the person in this clip feel?",
        f"Which emotion does the voice express: {_LISTED}?",
    ),
    "DG": (
        "Is the speaker male or female?",
        "What is the gender of the speaker?",
        "Does the voice belong to a male or a female speaker?",
    ),
    "DS": (
        "How many speakers are there?",
        "How many different voices can be heard?",
        "How many people are talking in this clip?",
    ),
    "CE": (
        "How does the speaker sound when talking about the {thing}?",
        "What emotion is in the voice that mentions the {thing}?",
        "With which feeling is the {thing} spoken about?",
    ),
    "CG": (
        "Is the speaker who mentions the {thing} male or female?",
        "What is the gender of the person who talks about the {thing}?",
        "Does a male or a female voice speak of the {thing}?",
    ),
    "CS": (
        "How many different speakers mention the {thing}?",
        "How many of the people talk about the {thing}?",
        "How many voices speak of the {thing}?",
    ),
}


_WORDS = ("What is said in this clip?", "Write down what is said.", "What are the speaker's words?")


@dataclass(frozen=True)
class Spoken:
    """One sentence as spoken in a clip."""

    sentence: Sentence
    voice: Voice
    emotion: str


@dataclass(frozen=True)
class Question:
    """One question with its right answer."""

    type: QType | None  # None: speech recognition, which only the training part has
    text: str
    answer: str
    options: tuple[str, ...] = ()  # (): an open answer


def content(spoken: Sequence[Spoken], slots: Sequence[Slot], draw: random.Random) -> Iterator[Question]:
    """C: a slot of one of the sentences, asked so that only that sentence can be meant."""
    for wanted in slots:
        slot = wanted
        asked = draw.choice([one.sentence for one in spoken])
        others = [one.sentence for one in spoken if one.sentence is not asked]
        if slot == "who" and any((other.thing, other.past) == (asked.thing, asked.past) for other in others):
            slot = "what"
        words = {"name": asked.name, "past": asked.past, "base": asked.base, "thing": asked.thing}
        yield Question("C", draw.choice(_CONTENT[slot]).format(**words), asked.answer(slot))


def words(spoken: Sequence[Spoken], draw: random.Random) -> Question:
    """Speech recognition: no type of the benchmark's, but what teaches a model to read out what it hears."""
    return Question(None, draw.choice(_WORDS), " ".join(one.sentence.text for one in spoken))


def emotion(spoken: Spoken, draw: random.Random) -> Question:
    """DE: how the one voice of a clip sounds."""
    return Question("DE", draw.choice(_VOICE["DE"]), spoken.emotion, tuple(EMOTIONS))


def listed_emotion(spoken: Spoken) -> Question:
    """DE, with its options in the question: the emotion task."""
    return Question("DE", _VOICE["DE"][-1], spoken.emotion, tuple(EMOTIONS))


def gender(spoken: Spoken, draw: random.Random) -> Question:
    """DG: whose voice it is."""
    return Question("DG", draw.choice(_VOICE["DG"]), spoken.voice.gender, GENDERS)


def number(spoken: Sequence[Spoken], draw: random.Random) -> Question:
    """DS: how many voices are heard."""
    return Question("DS", draw.choice(_VOICE["DS"]), NUMBERS[len({one.voice for one in spoken}) - 1], NUMBERS)


def emotion_of(spoken: Sequence[Spoken], which: int, draw: random.Random) -> Question:
    """CE: how it sounds where one of two things is spoken about."""
    text = draw.choice(_VOICE["CE"]).format(thing=spoken[which].sentence.thing)
    return Question("CE", text, spoken[which].emotion, tuple(EMOTIONS))


def gender_of(spoken: Sequence[Spoken], which: int, draw: random.Random) -> Question:
    """CG: whose voice speaks of one of two things."""
    text = draw.choice(_VOICE["CG"]).format(thing=spoken[which].sentence.thing)
    return Question("CG", text, spoken[which].voice.gender, GENDERS)


def number_of(spoken: Sequence[Spoken], thing: str, draw: random.Random) -> Question:
    """CS: how many voices speak of a thing, be it none."""
    heard = {one.voice for one in spoken if one.sentence.thing == thing}
    return Question("CS", draw.choice(_VOICE["CS"]).format(thing=thing), SHARED[len(heard)], SHARED)


def absent(spoken: Sequence[Spoken], draw: random.Random) -> str:
    """A thing that nobody in the clip speaks of."""
    said = {one.sentence.thing for one in spoken}
    return draw.choice([thing for thing in OBJECTS if thing not in said])
