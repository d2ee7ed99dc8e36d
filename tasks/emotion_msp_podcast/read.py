"""MSP-Podcast: Labels/labels_consensus.csv, Audios/MSP-PODCAST_0001_0008.wav, Transcripts/MSP-PODCAST_0001_0008.txt.

One split of it, named in the YAML, and of that the turns with one of the eight emotions; those labelled "other", or
without agreement, are left out. The podcast is the first number of the name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cpbench.audio import clip
from cpbench.errors import UsageError
from cpbench.records import Item, Tag
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus
from cpbench.tasks.folders import emotion_item, wrong_layout

NAME = re.compile(r"(?P<podcast>MSP-PODCAST_\w+?)_\d+\w*\.wav")
EMOTIONS = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
}


@corpus
def turns(folder: Path, card: Card) -> Iterator[Item]:
    lines = next(iter(sorted(folder.rglob("labels_consensus.csv"))), None)
    if lines is None or not (lines.parents[1] / "Audios").is_dir():
        raise wrong_layout(folder, card)
    with lines.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = sorted({row["Split_Set"] for row in rows})
    if card.select["Split_Set"] not in splits:
        raise UsageError(f"{lines} has no split", value=card.select["Split_Set"], allowed=splits)
    for row in rows:
        if row["Split_Set"] == card.select["Split_Set"] and row["EmoClass"] in EMOTIONS:
            yield _turn(row, lines.parents[1], card)


def _turn(row: Mapping[str, str], root: Path, card: Card) -> Item:
    stem, label = Path(row["FileName"]).stem, EMOTIONS[row["EmoClass"]]
    name = NAME.fullmatch(row["FileName"])
    words = root / "Transcripts" / f"{stem}.txt"
    speaker = row["SpkrID"]
    heard = clip(
        root / "Audios" / row["FileName"],
        recording=name["podcast"] if name else stem,
        speaker=None if speaker == "Unknown" else speaker,
        gender={"male": "male", "female": "female"}.get(row["Gender"].lower()),
        transcript=words.read_text("utf-8").strip() if words.is_file() else None,
    )
    valence, arousal, dominance = (_centred(row[key]) for key in ("EmoVal", "EmoAct", "EmoDom"))
    tag = Tag(0.0, heard.seconds or 0.0, "gold", {label: 1.0}, valence, arousal, dominance)
    return emotion_item(card, heard, id=stem, label=label, tag=tag)


def _centred(value: str) -> float:
    """From the raters' 1 to 7 to -1 to 1."""
    return (float(value) - 4) / 3
