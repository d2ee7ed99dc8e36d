"""IEMOCAP, in two forms: the question rows of AudioBench, and the corpus as its owner distributes it.

    Session1/dialog/EmoEvaluation/Ses01F_impro01.txt     [6.2901 - 8.2357]  Ses01F_impro01_F000  neu  [2.5, 2.5, 2.5]
    Session1/dialog/transcriptions/Ses01F_impro01.txt    Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
    Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

The two are different selections of turns, and so have different fingerprints. Of the distributed form, the turns are
read whose label is one of the task's seven; the others, and those on which the raters did not agree, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cpbench.audio import clip
from cpbench.formats import hub
from cpbench.records import Item, Tag
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus
from cpbench.tasks.folders import emotion_item, wrong_layout
from cpbench.tasks.rows import emotion_rows, is_data_set

NAME = re.compile(r"(?P<recording>Ses\d\d[FM]_(?:impro|script)\w+?)_[FM]\w*\d")
TURN = re.compile(
    r"\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\t(?P<id>(?P<dialogue>Ses\w+)_(?P<voice>[FM])\w*\d)\t(?P<label>\w+)\t"
    r"\[(?P<valence>[\d.]+), (?P<arousal>[\d.]+), (?P<dominance>[\d.]+)\]"
)
SPOKEN = re.compile(r"(?P<id>Ses\w+) \[[\d.]+-[\d.]+\]: ?(?P<words>.*)")
LABELS = {
    "fru": "frustration",
    "ang": "anger",
    "exc": "excited",
    "neu": "neutral",
    "hap": "happiness",
    "sur": "surprise",
    "sad": "sad",
}


@corpus
def turns(folder: Path, card: Card) -> Iterator[Item]:
    evaluated = sorted(folder.rglob("dialog/EmoEvaluation/Ses*.txt"))
    if evaluated:
        return (item for file in evaluated for item in _dialogue(file, card))
    if is_data_set(folder):
        return emotion_rows(hub.rows(folder), card, recording=NAME)
    raise wrong_layout(folder, card)


def _dialogue(file: Path, card: Card) -> Iterator[Item]:
    """One dialogue's turns, in the order of the file."""
    session = file.parents[2]
    spoken = _spoken(session / "dialog" / "transcriptions" / file.name)
    for turn in TURN.finditer(file.read_text(encoding="utf-8", errors="replace")):
        if (label := LABELS.get(turn["label"])) is None:
            continue
        start, end = float(turn["start"]), float(turn["end"])
        valence, arousal, dominance = (_centred(float(turn[key])) for key in ("valence", "arousal", "dominance"))
        tag = Tag(0.0, end - start, "gold", {label: 1.0}, valence, arousal, dominance)
        heard = clip(
            session / "sentences" / "wav" / turn["dialogue"] / f"{turn['id']}.wav",
            recording=turn["dialogue"],
            speaker=f"{turn['dialogue'][:5]}{turn['voice']}",
            gender="female" if turn["voice"] == "F" else "male",
            transcript=spoken.get(turn["id"]),
        )
        yield emotion_item(card, heard, id=turn["id"], label=label, tag=tag)


def _spoken(file: Path) -> dict[str, str]:
    """Turn -> words; the transcriptions are not needed to ask the question."""
    if not file.is_file():
        return {}
    return {turn["id"]: turn["words"].strip() for turn in SPOKEN.finditer(file.read_text("utf-8", "replace"))}


def _centred(value: float) -> float:
    """From the raters' 1 to 5 to -1 to 1; a few means lie beyond their scale."""
    return max(-1.0, min(1.0, (value - 3) / 2))
