"""What one would ask of a miniature first, each answered by an interval, in words that say no more than it shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cpbench.miniature.findings import Addition, Conflict, Learned, Row, Told
from cpbench.miniature.plan import TUNED, Tuned
from cpbench.pages import number
from cpbench.records import Estimate


@dataclass(frozen=True)
class Way:
    """All that came out of one way of tuning."""

    tuned: Tuned
    rows: Sequence[Row]
    additions: Sequence[Addition]
    told: Sequence[Told]
    conflicts: Sequence[Conflict]
    control: Addition | None  # S30 minus the control

    @property
    def name(self) -> str:
        return TUNED[self.tuned]


@dataclass(frozen=True)
class Question:
    """A question that a difference answers, in points: one answer a way of tuning."""

    asks: str
    paper: str  # what the source paper reports; a dash where it reports nothing
    answers: tuple[Estimate | None, ...]


def questions(ways: Sequence[Way]) -> list[Question]:
    """The questions of the source paper, and of whoever would believe the answers."""
    found: list[tuple[str, str, list[Estimate | None]]] = [
        (f"S30 − S10, all questions: {_IMPLICIT}?", "+15.75 (+38.41 %)", [_gain(one, "S30") for one in ways]),
        ("S32 − S10, all questions: with tags in the prompt as well?", "+18.87 (+46.02 %)", _all(ways, "S32")),
        ("explicit − S10, all questions: do tags in the prompt alone help?", _DASH, _all(ways, "explicit")),
        ("S20 − S10, direct emotion questions (DE)", _DASH, [_added(one, "S20", "S10", "DE") for one in ways]),
        (
            "S30 − S20, direct emotion questions (DE): do they fall with contextual questions?",
            "they fell: IEMOCAP 50.76 to 45.7",
            [_added(one, "S30", "S20", "DE") for one in ways],
        ),
        ("S30 − S20, contextual emotion questions (CE)", _DASH, [_added(one, "S30", "S20", "CE") for one in ways]),
        ("S32 without its tags, all questions", _DASH, [_told(one, "S32", "audio") for one in ways]),
        ("S32 with wrong tags, all questions", _DASH, [_told(one, "S32", "tags:wrong") for one in ways]),
        ("S30, words against voice: answers by the voice − by the words", _DASH, [_voice(one, "S30") for one in ways]),
        ("S30 − control, DE: is anything learned of the voice?", _DASH, [_control(one, "DE") for one in ways]),
        ("S30 − control, CE", _DASH, [_control(one, "CE") for one in ways]),
    ]
    return [Question(asks, paper, tuple(answers)) for asks, paper, answers in found if any(answers)]


_DASH = number(None)
_IMPLICIT = "do generated questions help"


def _gain(way: Way, name: str) -> Estimate | None:
    return next((row.gains.get("all") for row in way.rows if row.system.name == name), None)


def _all(ways: Iterable[Way], name: str) -> list[Estimate | None]:
    return [_gain(way, name) for way in ways]


def _added(way: Way, a: str, b: str, part: str) -> Estimate | None:
    return next((one.changes.get(part) for one in way.additions if (one.a.name, one.b.name) == (a, b)), None)


def _told(way: Way, name: str, condition: str) -> Estimate | None:
    mine = (one for one in way.told if (one.system.name, one.condition) == (name, condition))
    return next((one.changes.get("all") for one in mine), None)


def _voice(way: Way, name: str) -> Estimate | None:
    return next((percent(one.difference) for one in way.conflicts if one.system.name == name), None)


def _control(way: Way, part: str) -> Estimate | None:
    return None if way.control is None else way.control.changes.get(part)


def percent(share: Estimate) -> Estimate:
    """A share, or a difference of two, in percent.

    >>> percent(Estimate(0.25, 0.125, 0.375, 0.05, 5, 5, "t")).high
    37.5
    """
    low, high, se = (None if value is None else 100 * value for value in (share.low, share.high, share.se))
    return dataclasses.replace(share, value=100 * share.value, low=low, high=high, se=se)


def of_learned(found: Sequence[Learned]) -> Iterator[str]:
    """In how many trainings true emotions beat emotions that were dealt out, by an interval that excludes 0."""
    by_way: Mapping[Tuned, list[Learned]] = {way: [one for one in found if one.tuned == way] for way in TUNED}
    for tuned, mine in by_way.items():
        if mine:
            parts = []
            for part in ("DE", "CE"):
                each = [one for several in mine for one in several.differences if one.slice == part]
                won = sum(one.estimate.low is not None and one.estimate.low > 0 for one in each)
                parts.append(f"in {won} of {len(each)} seeds on {part}")
            yield f"{TUNED[tuned]}: {', '.join(parts)}"


def verdict(change: Estimate) -> str:
    """What a difference's interval shows.

    >>> verdict(Estimate(-3.0, -5.0, -1.0, 0.7, 5, 5, "t")), verdict(Estimate(-3.0, None, None, None, 1, 1, "none"))
    ('lower', 'one seed: no interval')
    >>> verdict(Estimate(3.0, -1.0, 7.0, 1.4, 5, 5, "t"))
    'no difference is shown'
    """
    if change.low is None or change.high is None:
        return "one seed: no interval"
    return "higher" if change.low > 0 else "lower" if change.high < 0 else "no difference is shown"


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, as a page has it.

    >>> signed(1.26), signed(-0.04), signed(-2.0)
    ('+1.3', '0.0', '\N{MINUS SIGN}2.0')
    """
    text = number(value, digits)
    return f"+{text}" if float(f"{value:.{digits}f}") > 0 else text
