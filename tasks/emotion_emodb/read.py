"""EmoDB: files named by speaker, sentence, emotion letter and version, as in 03a01Fa.wav; below any folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cpbench.audio import clip
from cpbench.records import Item
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus
from cpbench.tasks.folders import emotion_item, named_files

NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])(?P<version>[a-z])")
EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
GENDERS = dict.fromkeys(("03", "10", "11", "12", "15"), "male") | dict.fromkeys(
    ("08", "09", "13", "14", "16"), "female"
)
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


@corpus
def recordings(folder: Path, card: Card) -> Iterator[Item]:
    for path, name in named_files(folder, NAME, card):
        heard = clip(
            path,
            recording=f"speaker{name['speaker']}",
            speaker=name["speaker"],
            gender=GENDERS.get(name["speaker"]),
            transcript=SENTENCES.get(name["sentence"]),
        )
        yield emotion_item(card, heard, id=path.stem, label=EMOTIONS[name["emotion"]], words=name["sentence"])
