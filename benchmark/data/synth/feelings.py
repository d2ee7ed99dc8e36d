"""Sentences whose words name a feeling, for where words and voice contradict each other.

The corpus itself never names a feeling. These sentences do: as text they tell a language model what the words mean,
and spoken in another emotion's manner they ask whether a model goes by the words or by the voice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpbench.audio import clip
from cpbench.data.synth import questions
from cpbench.data.synth.corpus import take
from cpbench.data.synth.grammar import NAMES, OBJECTS, PLACES, Part
from cpbench.data.synth.questions import Spoken
from cpbench.data.synth.scripts import Script
from cpbench.data.synth.voices import EMOTIONS, SAMPLING_RATE, Voice, voices
from cpbench.records import Clip, Tag

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


@dataclass(frozen=True)
class Conflict:
    """A clip whose words name another feeling than its voice has."""

    clip: Clip  # its gold tag is the voice's emotion
    feeling: str  # what the words name
    emotion: str  # what the voice has
    question: str  # how the speaker sounds, in one of the corpus's wordings


def conflicts(part: Part, folder: Path, *, count: int, seed: int = 0) -> Iterator[Conflict]:
    """Speak sentences in an emotion that their words do not name, by the voices of a part: the same for a seed."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(f"cpbench-conflict/{part}/{seed}")
    said = confessions(draw)
    for number in range(count):
        words = next(said)
        script = _script(words, f"{part}-f{number:04d}", voices(part), draw)
        made, (spoken,), path = take(script), script.spoken, folder / f"{script.id}.flac"
        soundfile.write(path, made.wave, SAMPLING_RATE, format="FLAC", subtype="PCM_16")
        tags = tuple(Tag(start, end, "gold", {spoken.emotion: 1.0}) for start, end in made.spans)
        known = {"speaker": spoken.voice.name, "gender": spoken.voice.gender, "transcript": words.text}
        yield Conflict(
            clip(path, recording=script.recording, tags=tags, **known),
            words.feeling,
            spoken.emotion,
            questions.emotion(spoken, draw).text,
        )


def _script(words: Confession, name: str, people: Sequence[Voice], draw: random.Random) -> Script:
    manner = draw.choice([emotion for emotion in EMOTIONS if emotion != words.feeling])
    spoken = Spoken(words, draw.choice(people), manner)  # type: ignore[arg-type]  # only its text is spoken
    return Script(f"{name}-0", name, (spoken,))
