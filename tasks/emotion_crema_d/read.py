"""CREMA-D: files named by actor, sentence, emotion and level, as in 1001_DFA_ANG_XX.wav; below any folder.

The genders of the actors stand in the set's VideoDemographics.csv; without that file they are not known.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from cpbench.audio import clip
from cpbench.records import Item
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus
from cpbench.tasks.folders import emotion_item, named_files

NAME = re.compile(
    r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<level>LO|MD|HI|XX?)"
)
EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
ACTORS = "VideoDemographics.csv"


@corpus
def recordings(folder: Path, card: Card) -> Iterator[Item]:
    genders = _genders(folder)
    for path, name in named_files(folder, NAME, card):
        heard = clip(
            path,
            recording=f"actor{name['actor']}",
            speaker=name["actor"],
            gender=genders.get(name["actor"]),
            transcript=SENTENCES.get(name["sentence"]),
        )
        yield emotion_item(card, heard, id=path.stem, label=EMOTIONS[name["emotion"]], words=name["sentence"])


def _genders(folder: Path) -> dict[str, str]:
    """Of the file that lies in the folder, or beside it where the folder is AudioWAV."""
    file = next((place for place in (folder / ACTORS, folder.parent / ACTORS) if place.is_file()), None)
    if file is None:
        return {}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return {row["ActorID"]: row["Sex"].lower() for row in csv.DictReader(lines)}
