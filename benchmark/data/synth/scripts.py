"""Who says what in which clip: the corpus on paper, before anything is spoken.

A script is one sentence, or two; each of its clips speaks the same words with other voices and other emotions, so the
words tell nothing about the voice. The script is the clip's `recording`: the unit that intervals are clustered by.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cpbench.data.synth.grammar import PLACES, Part, Sentence, held_out, sentences
from cpbench.data.synth.questions import Spoken
from cpbench.data.synth.voices import EMOTIONS, Voice, voices

Cast = Literal["solo", "mixed", "same_gender"]
"""Of a clip of two sentences: one voice speaks both, a man and a woman speak one each, or two of one gender do."""
_CASTS: tuple[Cast, ...] = ("solo", "mixed", "solo", "mixed", "solo", "mixed", "solo", "same_gender")
_SHARED_THING = {"solo": 0.25, "mixed": 0.5, "same_gender": 0.6}  # else few clips would be left for CE and CG


@dataclass(frozen=True)
class Sizes:
    """How many scripts of one and of two sentences a part has, and how many clips are made of each."""

    single: int
    single_clips: int
    double: int
    double_clips: int


SIZES: dict[Part, Sizes] = {"train": Sizes(1800, 1, 2200, 1), "demo": Sizes(24, 3, 44, 2)}


@dataclass(frozen=True)
class Script:
    """One clip to be spoken."""

    id: str
    recording: str
    spoken: tuple[Spoken, ...]

    @property
    def transcript(self) -> str:
        return " ".join(one.sentence.text for one in self.spoken)


def scripts(part: Part, seed: int, sizes: Sizes | None = None) -> Iterator[Script]:
    """All clips of a part, in order; the same for the same seed."""
    sizes = sizes or SIZES[part]
    draw = random.Random(f"cpbench-synth/{part}/{seed}")
    said = sentences(part, draw)
    feelings, people = _rounds(tuple(EMOTIONS), draw), _rounds(voices(part), draw)
    for number in range(sizes.single):
        sentence = next(said)
        for take in range(sizes.single_clips):
            spoken = Spoken(sentence, next(people), next(feelings))
            yield Script(f"{part}-s{number:04d}-{take}", f"{part}-s{number:04d}", (spoken,))
    for number in range(sizes.double):
        pair = _two(said)
        for take in range(sizes.double_clips):
            cast = _CASTS[(number * sizes.double_clips + take) % len(_CASTS)]
            words = _same_thing(pair, part) if draw.random() < _SHARED_THING[cast] else pair
            spoken_two = _cast(words, cast, voices(part), draw)
            yield Script(f"{part}-d{number:04d}-{take}", f"{part}-d{number:04d}", spoken_two)


def _rounds(values: Sequence, draw: random.Random) -> Iterator:  # type: ignore[type-arg]
    """The values in a new order each round, without end: drawn at random, and all equally often."""
    while True:
        yield from draw.sample(values, len(values))


def _two(said: Iterator[Sentence]) -> tuple[Sentence, Sentence]:
    """Two sentences that share neither person nor thing: a question can tell them apart."""
    first, second = next(said), next(said)
    while first.name == second.name or first.thing == second.thing:
        second = next(said)
    return first, second


def _same_thing(pair: tuple[Sentence, Sentence], part: Part) -> tuple[Sentence, Sentence]:
    """The pair about the first one's thing, the second one moved to where it still belongs to its part.

    Unchanged where there is no such place.
    """
    first, second = pair
    for place in (second.place, *PLACES):
        if held_out(second.name, first.thing, place) == (part == "demo"):
            return first, dataclasses.replace(second, thing=first.thing, place=place)
    return pair


def _cast(
    words: tuple[Sentence, Sentence], cast: Cast, people: Sequence[Voice], draw: random.Random
) -> tuple[Spoken, ...]:
    """Give two sentences their voices, and two different emotions."""
    first = draw.choice(people)
    if cast == "solo":
        second = first
    else:
        second = draw.choice(
            [one for one in people if one != first and (one.gender != first.gender) == (cast == "mixed")]
        )
    feelings = draw.sample(tuple(EMOTIONS), 2)
    return Spoken(words[0], first, feelings[0]), Spoken(words[1], second, feelings[1])
