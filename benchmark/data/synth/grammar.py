"""The sentences of the synthetic corpus: who did what to which thing, where and when.

Every slot is drawn independently of the others, so that no slot can be guessed from a question that names another.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Part = Literal["train", "demo"]
Slot = Literal["who", "what", "where", "when"]

NAMES = (
    "Anna", "Peter", "Julia", "Robert", "Emma", "Thomas", "Sophie", "David",
    "Linda", "Oscar", "Nicole", "Martin", "Claire", "Simon", "Rachel", "George",
)  # fmt: skip
VERBS = (
    ("bought", "buy"), ("found", "find"), ("lost", "lose"), ("sold", "sell"),
    ("painted", "paint"), ("repaired", "repair"), ("dropped", "drop"), ("borrowed", "borrow"),
)  # fmt: skip
OBJECTS = (
    "camera", "bicycle", "umbrella", "guitar", "lamp", "suitcase", "carpet", "mirror", "piano", "blanket",
    "teapot", "ladder", "clock", "jacket", "basket", "hammer", "necklace", "radio", "sofa", "violin",
)  # fmt: skip
PLACES = (
    "in the kitchen", "at the station", "in the garden", "at the museum", "on the bridge", "in the library",
    "at the airport", "in the forest", "at the market", "on the beach", "in the office", "at the hotel",
    "in the village", "at the theatre",
)  # fmt: skip
TIMES = (
    "on Monday", "on Tuesday", "on Wednesday", "on Friday", "on Sunday", "last week", "this morning", "yesterday",
    "at midnight", "in August", "in winter", "after dinner",
)  # fmt: skip
_HELD_OUT = 6  # one combination of name, thing and place in this many is never spoken in the training part


@dataclass(frozen=True)
class Sentence:
    """One thing that happened."""

    name: str
    past: str
    base: str
    thing: str
    place: str
    time: str
    time_first: bool

    @property
    def text(self) -> str:
        if self.time_first:
            return f"{self.time[0].upper()}{self.time[1:]}, {self.name} {self.past} the {self.thing} {self.place}."
        return f"{self.name} {self.past} the {self.thing} {self.place} {self.time}."

    def answer(self, slot: Slot) -> str:
        return {"who": self.name, "what": f"the {self.thing}", "where": self.place, "when": self.time}[slot]


def held_out(name: str, thing: str, place: str) -> bool:
    """Whether this combination belongs to the demo part: then no training sentence joins the three.

    So every demo sentence is new, though each of its words, and each pair of them, may be known.
    """
    return hashlib.sha256(f"{name}/{thing}/{place}".encode()).digest()[0] % _HELD_OUT == 0


def sentences(part: Part, draw: random.Random) -> Iterator[Sentence]:
    """Draw sentences of a part without end; none comes twice within the last few hundred."""
    seen: list[str] = []
    while True:
        name, thing, place = draw.choice(NAMES), draw.choice(OBJECTS), draw.choice(PLACES)
        past, base = draw.choice(VERBS)
        sentence = Sentence(name, past, base, thing, place, draw.choice(TIMES), draw.random() < 0.4)
        if held_out(name, thing, place) != (part == "demo") or sentence.text in seen:
            continue
        seen = [*seen[-300:], sentence.text]
        yield sentence
