"""The synthetic corpus on disk: its clips and the items about them."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpbench.audio import opus_bytes
from cpbench.data.synth import questions
from cpbench.data.synth.grammar import Part, Slot
from cpbench.data.synth.questions import Question, Spoken
from cpbench.data.synth.scripts import Script, Sizes, scripts
from cpbench.data.synth.voices import EMOTIONS, SAMPLING_RATE, Manner, speak

if TYPE_CHECKING:
    import numpy as np

_SLOTS: tuple[Slot, ...] = ("who", "what", "where", "when")
_JITTER = 0.05  # standard deviation of pitch, range and rate about the manner's, relative
_LEVEL_JITTER = 0.8  # decibels
_ONE_MENTION = 0.3  # the share of the other clips that CS asks about what one voice mentions, and about what none does


@dataclass(frozen=True)
class Take:
    """A clip as it came out: its samples, and when each sentence is spoken."""

    wave: np.ndarray  # float32 (T,), mono, 16 kHz
    spans: tuple[tuple[float, float], ...]  # seconds


def build(part: Part, folder: Path, *, seed: int = 0, sizes: Sizes | None = None, workers: int = 2) -> list[Path]:
    """Speak a part of the corpus into `folder` and write its questions; return the files of questions.

    `demo` gives `cpqa.jsonl` and `emotion.jsonl`, `train` one `items.jsonl` with the questions of both.
    """
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    planned = list(scripts(part, seed, sizes))
    with ThreadPoolExecutor(workers) as pool:  # espeak-ng is a process of its own, and Opus releases the lock
        takes = pool.map(lambda script: _record(script, part, folder), planned)
        clips = list(zip(planned, takes, strict=True))
    asked = {script.id: ask(script, part) for script, _ in clips}
    cpqa = [line for script, spans in clips for line in lines(script, spans, asked[script.id], part)]
    emotion = [
        line
        for script, spans in clips
        if len(script.spoken) == 1
        for line in lines(script, spans, [questions.listed_emotion(script.spoken[0])], part, suffix="L")
    ]
    if part == "train":
        return [_write(folder / "items.jsonl", cpqa)]
    return [_write(folder / "cpqa.jsonl", cpqa), _write(folder / "emotion.jsonl", emotion)]


def take(script: Script) -> Take:
    """Speak a script: its sentences one after the other, with pauses; the same samples every time."""
    import numpy as np

    draw = random.Random(f"take/{script.id}")
    pieces: list[np.ndarray] = []
    spans = []
    at = 0
    for number, spoken in enumerate(script.spoken):
        pause = draw.uniform(0.1, 0.25) if number == 0 else draw.uniform(0.2, 0.4)
        wave = _trimmed(speak(spoken.sentence.text, spoken.voice, _varied(EMOTIONS[spoken.emotion], draw)))
        quiet = np.zeros(round(pause * SAMPLING_RATE), np.float32)
        pieces += [quiet, wave]
        spans.append(((at + len(quiet)) / SAMPLING_RATE, (at + len(quiet) + len(wave)) / SAMPLING_RATE))
        at += len(quiet) + len(wave)
    pieces.append(np.zeros(round(0.1 * SAMPLING_RATE), np.float32))
    wave = np.concatenate(pieces)
    noise = np.random.default_rng(list(script.id.encode())).standard_normal(len(wave))
    return Take(np.clip(wave + 0.0005 * noise, -1, 1).astype(np.float32), tuple(spans))


def ask(script: Script, part: Part) -> list[Question]:
    """The questions about a clip: a few in the demo part; in the training part every kind that fits, and its words."""
    draw = random.Random(f"ask/{script.id}")
    asked = _ask_about_one(script, part, draw) if len(script.spoken) == 1 else list(_ask_about_two(script, part, draw))
    return [*asked, questions.words(script.spoken, draw)] if part == "train" else asked


def _ask_about_one(script: Script, part: Part, draw: random.Random) -> list[Question]:
    one = script.spoken[0]
    slots = draw.sample(_SLOTS, 4 if part == "train" else 2)
    asked = [*questions.content(script.spoken, slots, draw), questions.emotion(one, draw), questions.gender(one, draw)]
    return [*asked, questions.listed_emotion(one)] if part == "train" else asked


def _ask_about_two(script: Script, part: Part, draw: random.Random) -> Iterator[Question]:
    spoken = script.spoken
    yield from questions.content(spoken, draw.sample(_SLOTS, 3 if part == "train" else 1), draw)
    yield questions.number(spoken, draw)
    if spoken[0].sentence.thing != spoken[1].sentence.thing:
        for which in (0, 1):
            yield questions.emotion_of(spoken, which, draw)
            if spoken[0].voice.gender != spoken[1].voice.gender:
                yield questions.gender_of(spoken, which, draw)
    yield from _count_about_two(spoken, draw)


def _count_about_two(spoken: Sequence[Spoken], draw: random.Random) -> Iterator[Question]:
    """CS, left out for some clips so that "none", "one" and "two" are right equally often."""
    said = draw.choice(spoken).sentence.thing
    if len({one.voice for one in spoken if one.sentence.thing == said}) == 2:
        yield questions.number_of(spoken, said, draw)
    elif (chance := draw.random()) < 2 * _ONE_MENTION:
        yield questions.number_of(spoken, said if chance < _ONE_MENTION else questions.absent(spoken, draw), draw)


def lines(
    script: Script, spans: Sequence[tuple[float, float]], asked: Sequence[Question], part: Part, suffix: str = ""
) -> Iterator[dict[str, Any]]:
    """One line of items.jsonl a question."""
    about = {
        "audio": _file(script, part),
        "recording": script.recording,
        "speaker": "+".join(dict.fromkeys(one.voice.name for one in script.spoken)),
        "language": "en",
        "transcript": script.transcript,
        "emotion": _emotion(script, spans),
        "split": "train" if part == "train" else "test",
    }
    if len(genders := {one.voice.gender for one in script.spoken}) == 1:
        about["gender"] = genders.pop()
    for number, question in enumerate(asked):
        line: dict[str, Any] = {
            "id": f"{script.id}-{suffix or number}",
            "question": question.text,
            "references": [question.answer],
        }
        if question.type:
            line["type"] = question.type
        if question.options:
            line |= {"label": question.answer, "options": list(question.options)}
        yield {**line, **about}


def _emotion(script: Script, spans: Sequence[tuple[float, float]]) -> str | list[dict[str, Any]]:
    if len(script.spoken) == 1:
        return script.spoken[0].emotion
    return [
        {"start": round(start, 2), "end": round(end, 2), "label": one.emotion, "probability": 1.0}
        for one, (start, end) in zip(script.spoken, spans, strict=True)
    ]


def _record(script: Script, part: Part, folder: Path) -> tuple[tuple[float, float], ...]:
    made = take(script)
    path = folder / _file(script, part)
    if path.suffix == ".ogg":
        path.write_bytes(opus_bytes(made.wave, SAMPLING_RATE))
    else:
        import soundfile

        soundfile.write(path, made.wave, SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    return made.spans


def _file(script: Script, part: Part) -> str:
    """Opus in the demo, to be small; it takes 60 ms a clip, so three in four training clips are FLAC."""
    small = part == "demo" or int(script.recording[-4:]) % 4 == 0
    return f"clips/{script.id}.{'ogg' if small else 'flac'}"


def _varied(manner: Manner, draw: random.Random) -> Manner:
    """The manner as it happens to come out this time."""
    return dataclasses.replace(
        manner,
        pitch=manner.pitch * draw.gauss(1, _JITTER),
        range=manner.range * draw.gauss(1, _JITTER),
        rate=manner.rate * draw.gauss(1, _JITTER),
        decibels=manner.decibels + draw.gauss(0, _LEVEL_JITTER),
    )


def _trimmed(wave: np.ndarray) -> np.ndarray:
    """Without the silence that espeak-ng puts around a sentence."""
    import numpy as np

    loud = np.flatnonzero(np.abs(wave) > 0.002)
    return wave[loud[0] : loud[-1] + 1] if len(loud) else wave


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
