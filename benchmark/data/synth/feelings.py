"""Sentences whose words name a feeling, for where words and voice contradict each other.

The corpus itself never names a feeling. These sentences do: as text they tell a language model what the words mean,
and spoken in another emotion's manner they ask whether a model goes by the words or by the voice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cpbench.data.synth.grammar import NAMES, OBJECTS, PLACES, Part
from cpbench.data.synth.questions import Spoken
from cpbench.data.synth.scripts import Script
from cpbench.data.synth.voices import EMOTIONS, voices

FEELINGS = {
    "anger": ("angry", "furious", "annoyed"),
    "fear": ("afraid", "scared", "nervous"),
    "happiness": ("happy", "glad", "cheerful"),
    "sadness": ("sad", "unhappy", "gloomy"),
}
"""What the words can say, each in three words; nothing in the words says "neutral"."""
_FRAMES = (
    "I feel {feeling} about the {thing} {place}.",
    "{name} makes me {feeling} {place}.",
    "I am {feeling} because {name} took the {thing}.",
)


@dataclass(frozen=True)
class Confession:
    """A sentence that names a feeling."""

    text: str
    feeling: str  # the emotion that its words name
    thing: str


def confessions(draw: random.Random) -> Iterator[Confession]:
    """Draw sentences without end, each feeling equally often."""
    while True:
        for feeling in draw.sample(tuple(FEELINGS), len(FEELINGS)):
            thing = draw.choice(OBJECTS)
            words = {"feeling": draw.choice(FEELINGS[feeling]), "thing": thing}
            text = draw.choice(_FRAMES).format(**words, name=draw.choice(NAMES), place=draw.choice(PLACES))
            yield Confession(text, feeling, thing)


def conflicts(part: Part, seed: int, count: int) -> list[tuple[Script, Confession]]:
    """Sentences spoken in an emotion that their words do not name, by the voices of a part: the same for a seed."""
    draw = random.Random(f"cpbench-conflict/{part}/{seed}")
    said = confessions(draw)
    return [_spoken(next(said), f"{part}-f{number:04d}", voices(part), draw) for number in range(count)]


def _spoken(words: Confession, name: str, people: Sequence, draw: random.Random) -> tuple[Script, Confession]:  # type: ignore[type-arg]
    manner = draw.choice([emotion for emotion in EMOTIONS if emotion != words.feeling])
    return Script(f"{name}-0", name, (Spoken(words, draw.choice(people), manner),)), words
