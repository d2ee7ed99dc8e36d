"""Does the model listen, and do the words suffice: what a type's differences add up to, and never more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cpbench.comparison.gaps import Gap, Shown, gaps
from cpbench.comparison.sheets import Sheet
from cpbench.conditions import Kind, kind

Hearing = Literal["listens", "not shown", "cannot be shown", "not asked"]
Words = Literal["words suffice", "above the words", "not shown", "cannot be shown", "not asked"]
MARGIN, RETAINED = 0.05, 0.1
"""Words suffice where the 95 % interval has the clip add less to them than this share of the metric's range, or this
share of what they give themselves, whichever is more."""


@dataclass(frozen=True)
class Verdict:
    """What is shown of one question type."""

    task: str
    type: str
    metric: str
    judge: str | None
    hearing: Hearing
    words: Words
    against: Kind | None  # the kind of condition that the hearing was decided by
    floor: tuple[Gap, ...] = ()  # the words against the conditions in which nobody says them


def verdict(sheet: Sheet, found: Sequence[Gap]) -> Verdict:
    """Return what a sheet's gaps (main against each condition) show.

    Hearing is decided by another clip in the item's place where the run has that, since a model may do worse in silence
    merely because silence is strange to it; else by silence. The words suffice where they lift the score above every
    condition in which they are not said, and the clip adds little to them (`margin`), or nothing.
    """
    by_kind: dict[Kind, list[Gap]] = {}
    for gap in found:
        by_kind.setdefault(gap.kind, []).append(gap)
    against: Kind | None = next((each for each in ("other", "silent") if _measured(by_kind.get(each, ()))), None)
    name = sheet.judge.name if sheet.judge else None
    hearing: Hearing = "not asked" if against is None else _hearing(_measured(by_kind[against]))
    floor = _floor(sheet)
    words = _words(_measured(by_kind.get("words", ())), floor)
    return Verdict(sheet.task.name, sheet.type, sheet.metric.name, name, hearing, words, against, tuple(floor))


def _measured(found: Sequence[Gap]) -> list[Gap]:
    return [gap for gap in found if gap.shown != "no_number" and not gap.confounded]


def _all(found: Sequence[Gap], shown: Shown) -> bool:
    return bool(found) and all(gap.shown == shown for gap in found)


def _hearing(found: Sequence[Gap]) -> Hearing:
    if _all(found, "above"):
        return "listens"
    return "cannot be shown" if _all(found, "cannot_be_shown") else "not shown"


def _floor(sheet: Sheet) -> list[Gap]:
    """The words alone against each condition in which the item's words are not to be had."""
    spoken = [one for one in sheet.others if kind(one) == "words"]
    unspoken = [one for one in sheet.others if kind(one) in ("silent", "other")]
    return _measured(gaps(sheet, [(a, b) for a in spoken for b in unspoken]))


def _words(found: Sequence[Gap], floor: Sequence[Gap]) -> Words:
    if not found:
        return "not asked"
    if _all(found, "above"):
        return "above the words"
    if _all(floor, "above") and all(_adds_little(gap, margin(floor)) for gap in found):
        return "words suffice"
    return "cannot be shown" if _all([*found, *floor], "cannot_be_shown") else "not shown"


def margin(floor: Sequence[Gap]) -> float:
    """What counts as little, in the metric's own unit: `floor` is what the words give, at least one difference."""
    gained = min(gap.difference or 0.0 for gap in floor)
    return max(MARGIN * (100 if floor[0].points else 1), RETAINED * gained)


def _adds_little(gap: Gap, little: float) -> bool:
    return gap.shown == "below" or (gap.shown == "not_shown" and gap.high is not None and gap.high < little)
