"""MELD, in two forms: the question rows of AudioBench, and the published test_sent_emo.csv with a file an utterance.

    test_sent_emo.csv                         Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,...
    output_repeated_splits_test/dia0_utt0.mp4

The published files are videos, which are not decoded here: their sound has to lie beside them, or below the folder, as
dia0_utt0.wav.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from cpbench.audio import clip
from cpbench.audio.clips import SUFFIXES
from cpbench.errors import UserError
from cpbench.formats import hub
from cpbench.records import Item
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus
from cpbench.tasks.folders import emotion_item, one_of, wrong_layout
from cpbench.tasks.rows import emotion_rows, is_data_set

NAME = re.compile(r"(?P<recording>dia\d+)_utt\d+")
LINES = "test_sent_emo.csv"


@corpus
def utterances(folder: Path, card: Card) -> Iterator[Item]:
    lines = sorted(folder.rglob(LINES))
    if lines:
        return _published(lines[0], folder, card)
    if is_data_set(folder):
        return emotion_rows(hub.rows(folder), card, recording=NAME)
    raise wrong_layout(folder, card)


def _published(lines: Path, folder: Path, card: Card) -> Iterator[Item]:
    sounds = _sounds(folder, card)
    with lines.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            dialogue = f"dia{row['Dialogue_ID']}"
            id = f"{dialogue}_utt{row['Utterance_ID']}"
            heard = clip(
                sounds.get(id, lines.parent / f"{id}.wav"),
                recording=dialogue,
                speaker=row["Speaker"],
                transcript=row["Utterance"],
            )
            yield emotion_item(card, heard, id=id, label=_label(row["Emotion"], card))


def _sounds(folder: Path, card: Card) -> dict[str, Path]:
    """Utterance -> its file, of the test split where the folder holds all three: their names are the same."""
    files = [path for path in sorted(folder.rglob("dia*_utt*")) if NAME.fullmatch(path.stem)]
    sounds: dict[str, list[Path]] = {}
    for path in files:
        if path.suffix.lower() in SUFFIXES and not {"train", "dev"} & set(
            re.split(r"[\W_]+", str(path.parent).lower())
        ):
            sounds.setdefault(path.stem, []).append(path)
    if not sounds and (videos := [path for path in files if path.suffix == ".mp4"]):
        raise UserError(
            f"{card.name}: {folder} holds {len(videos)} videos and no sound",
            mend='for f in *.mp4; do ffmpeg -i "$f" -vn -ac 1 -ar 16000 "${f%.mp4}.wav"; done',
        )
    if not sounds:
        raise wrong_layout(folder, card)
    return {id: one_of(paths, card) for id, paths in sounds.items()}


def _label(word: str, card: Card) -> str:
    if (label := word.strip().lower()) not in card.labels:
        raise UserError(f"{card.name}: unknown emotion in {LINES}:", value=word, allowed=card.labels)
    return label
