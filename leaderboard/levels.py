"""How far an entry's numbers can be believed: what anybody but its author has done to see that they hold.

    L0  claimed             its description alone: listed, not ranked, and its numbers are not shown
    L1  re-scored           every score was computed again from its answers and judgements
    L2  re-judged           the board's maintainer had a random sample of its answers judged again, and it held
    L3  inference repeated  the maintainer ran the system, and its answers held

Levels follow from the history alone. A later check that did not hold takes away what an earlier one gave.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cpbench.leaderboard.history import Event

Level = Literal[0, 1, 2, 3]
NAMES: dict[Level, str] = {0: "claimed", 1: "re-scored", 2: "re-judged", 3: "inference repeated"}
LIMIT = (
    "With public references only L3, or a hidden split, detects answers that were written from the references: "
    "re-scoring and re-judging take the answers as they are."
)


@dataclass(frozen=True)
class Standing:
    """What the history says of an entry."""

    level: Level
    withdrawn: Event | None = None
    failed: tuple[Event, ...] = ()  # the last check of a kind, where it did not hold

    @property
    def name(self) -> str:
        return NAMES[self.level]


def standing(events: Iterable[Event]) -> Standing:
    """The standing of one entry, from its events in the order of their times."""
    level: Level = 1
    last: dict[str, Event] = {}
    for one in events:
        last[one.what] = one
    if (added := last.get("added")) is None or added.facts.get("claimed"):
        level = 0
    checks = [last[what] for what in ("rejudged", "repeated") if what in last]
    if level and _held(last.get("rejudged")):
        level = 2
    if level and _held(last.get("repeated")):
        level = 3
    return Standing(level, last.get("withdrawn"), tuple(one for one in checks if not _held(one)))


def _held(one: Event | None) -> bool:
    return one is not None and one.facts.get("held") is True
