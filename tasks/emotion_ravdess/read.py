"""RAVDESS: files named by modality, channel, emotion, intensity, statement, repetition and actor; below any folder.

Only speech (channel 01) as audio alone (modality 03) is read: the sung files have fewer emotions. The two statements
are no sample of sentences, so nothing is clustered by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cpbench.audio import clip
from cpbench.records import Item
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus
from cpbench.tasks.folders import emotion_item, named_files

NAME = re.compile(r"03-01-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])-0[12]-(?P<actor>\d\d)")
EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


@corpus
def recordings(folder: Path, card: Card) -> Iterator[Item]:
    for path, name in named_files(folder, NAME, card):
        heard = clip(
            path,
            recording=f"actor{name['actor']}",
            speaker=name["actor"],
            gender="male" if int(name["actor"]) % 2 else "female",
            transcript=STATEMENTS[name["statement"]],
        )
        yield emotion_item(card, heard, id=path.stem, label=EMOTIONS[name["emotion"]])
