"""The main condition of a run against each of its others, on the same items, by question type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cpbench.comparison.pairs import About, corrected, difference, pair
from cpbench.comparison.sheets import Sheet
from cpbench.conditions import Kind, kind
from cpbench.records import Difference
from cpbench.stats.paired import ALPHA, EXACT

Shown = Literal["above", "below", "not_shown", "cannot_be_shown", "no_number"]
"""What a difference shows: the first is above the second, or below it; neither; nothing, since so few recordings allow
no significant test; or there is no number."""


@dataclass(frozen=True)
class Gap:
    """Two conditions of a run, a minus b, in one question type of a task."""

    task: str
    type: str  # a question type, or "all" where the items have none
    metric: str
    judge: str | None  # its name
    a: str
    b: str
    kind: Kind  # of b: what of the item the model still gets
    shown: Shown
    value_a: float | None = None
    value_b: float | None = None
    difference: float | None = None
    low: float | None = None  # of its 95 % interval, clustered by recording
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None  # over the conditions of this type
    p_least: float | None = None  # the smallest p of sign flips that so many recordings allow, before Holm
    smallest: float | None = None  # the smallest true difference that is found with a power of 80 %, Holm included
    n: int = 0
    recordings: int = 0
    lost: int = 0  # items without a usable answer on both sides
    tests: int = 1  # how many are corrected for each other
    method: str = ""
    leaked: bool = False
    why: str | None = None  # there is no number
    confounded: bool = False  # tags stand in one prompt and not in the other: it says nothing of the clip
    points: bool = False  # whether the metric runs to 100, or to 1


def gaps(sheet: Sheet, pairs: Sequence[tuple[str, str]] | None = None) -> list[Gap]:
    """Return the differences of pairs of conditions, corrected for each other (Holm).

    Without `pairs`: of the main condition (`Sheet.beside`) to each other one, except where only their tags differ.
    """
    others = [other for other in sheet.others if not sheet.differ_in_tags_only(sheet.main, other)]
    wanted = [(sheet.beside(other), other) for other in others] if pairs is None else list(pairs)
    found: dict[tuple[str, str], Difference | str] = {}
    for a, b in wanted:
        judge_id = sheet.judge.judge_id if sheet.judge else None
        about = About(sheet.task.name, sheet.type, a, b, judge_id, pairs=len(wanted))
        found[a, b] = difference(pair(sheet.columns[a], sheet.columns[b]), sheet.metric, about)
    made = {(one.a, one.b): one for one in corrected(one for one in found.values() if isinstance(one, Difference))}
    return [_gap(sheet, both, made.get(both, found[both]), len(made)) for both in wanted]


def _gap(sheet: Sheet, both: tuple[str, str], found: Difference | str, tests: int) -> Gap:
    name = sheet.judge.name if sheet.judge else None
    known = (sheet.task.name, sheet.type, sheet.metric.name, name, *both, kind(both[1]))
    points = sheet.metric.bounds[1] > 1
    confounded = not sheet.differ_in_tags_only(*both) and sheet.told(both[0]) != sheet.told(both[1])
    if isinstance(found, str):
        return Gap(*known, "no_number", why=found, confounded=confounded, points=points)
    estimate = found.estimate
    return Gap(
        *known,
        shown(found, tests),
        value_a=found.value_a,
        value_b=found.value_b,
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=found.p,
        p_holm=found.p_holm,
        p_least=least(estimate.clusters),
        smallest=found.smallest,
        n=estimate.n,
        recordings=estimate.clusters,
        lost=found.n_lost,
        tests=tests,
        method=estimate.method,
        leaked=found.leaked,
        confounded=confounded,
        points=points,
    )


def least(recordings: int) -> float:
    """The smallest two-sided p of sign flips of so many recordings.

    >>> least(4), least(1)
    (0.125, 1.0)
    """
    return 2.0 ** (1 - recordings) if recordings <= EXACT else 1e-4


def shown(found: Difference, tests: int) -> Shown:
    """What a difference shows at 5 %, of so many that are corrected for each other.

    `cannot_be_shown`: the signs of so few recordings cannot reach that level, whatever the answers.
    """
    if found.p_holm is None or tests * least(found.estimate.clusters) > ALPHA:
        return "cannot_be_shown"
    if found.p_holm > ALPHA:
        return "not_shown"
    return "above" if found.estimate.value > 0 else "below"
