"""What differences mean, in words: who is better, what the set could have shown, ranks as intervals, and the gate.

A system is better where p, corrected for all pairs of systems, is at most .05. Everything else is "no difference
shown", which is not "no difference": beside it stands how large one would have to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cpbench.comparison.pairs import NoDifference
from cpbench.metrics import find_metrics
from cpbench.records import Difference
from cpbench.stats.paired import ALPHA, DRAWS

COVERED = 0.99  # of the items that both were asked: under this a gate gives no verdict (JUDGE, 1)
LEAST = 1 / (1 + DRAWS)  # the smallest p of drawn patterns
Kind = tuple[str, str, str, str | None]  # a task, a slice, a metric, a judge


@dataclass(frozen=True)
class Rank:
    """The places that a system may have: all that no significant difference excludes."""

    task: str
    slice: str
    metric: str
    judge_id: str | None
    system: str
    best: int  # 1 + the number of systems that are significantly better
    worst: int  # of all systems, less those that are significantly worse


@dataclass(frozen=True)
class Gate:
    """Whether the last run may pass for no worse than the first."""

    outcome: Literal["passed", "regression", "insufficient"]
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 passed, 3 a gate said no, 4 no verdict."""
        return {"passed": 0, "regression": 3, "insufficient": 4}[self.outcome]


def kind(one: Difference) -> Kind:
    """Return what a difference is measured by: those of one kind differ in their systems only."""
    return one.task, one.slice, one.metric, one.judge_id


def points(value: float, metric: str) -> float:
    """Return a value of this metric in points, of which the metric's range has 100.

    >>> points(0.031, "accuracy"), points(3.1, "judge_score")
    (3.1, 3.1)
    """
    bottom, top = find_metrics([metric])[0].bounds
    return 100 * value / (top - bottom)


def better(one: Difference) -> Literal["a", "b"] | None:
    """Return the side that is significantly better, after the correction where there is one; None: neither is shown."""
    p = one.p if one.p_holm is None else one.p_holm
    if p is None or p > ALPHA or one.estimate.value == 0:
        return None
    up = find_metrics([one.metric])[0].higher_is_better
    return "a" if (one.estimate.value > 0) == up else "b"


def verdict(one: Difference, pairs: int = 1) -> str:
    """Return what a difference means, in words. `pairs` of systems were compared beside each other."""
    side = better(one)
    if side is not None:
        return f"{one.a if side == 'a' else one.b} better"
    if (why := undecidable(one, pairs)) is not None:
        return f"no verdict: {why}"
    if one.p_least == 1.0:
        return "no difference: equal in every recording"
    if one.p_least is not None and one.p_least > ALPHA / pairs:
        return f"no difference shown: the two differ in too few of {one.estimate.clusters} recordings"
    shows = "" if one.smallest is None else f"; this set shows {points(one.smallest, one.metric):.1f} points or more"
    return f"no difference shown{shows}"


def undecidable(one: Difference, pairs: int = 1) -> str | None:
    """Return why no difference of any size could be significant here; None where one could."""
    recordings = one.estimate.clusters
    if one.p is None:
        return "only 1 recording"
    least, level = max(0.5 ** (recordings - 1), LEAST), ALPHA / pairs
    if least <= level:
        return None
    needed = f", and each of {pairs} pairs needs {level:.3g}" if pairs > 1 else ""
    return f"{recordings} recordings allow no p under {least:.3g}{needed}"


def ranks(differences: Iterable[Difference]) -> list[Rank]:
    """Return every system's rank as an interval, for each task, slice, metric and judge (JUDGE, 4)."""
    families: dict[Kind, list[Difference]] = {}
    for one in differences:
        families.setdefault(kind(one), []).append(one)
    found = []
    for family, members in families.items():
        systems = list(dict.fromkeys(name for one in members for name in (one.a, one.b)))
        beaten = [(one.b, one.a) if better(one) == "a" else (one.a, one.b) for one in members if better(one)]
        for name in systems:
            above, below = (sum(pair[side] == name for pair in beaten) for side in (0, 1))
            found.append(Rank(*family, name, 1 + above, len(systems) - below))
    return found


def gate(
    differences: Sequence[Difference | NoDifference],
    main: Mapping[str, tuple[str, str | None]],
    *,
    first: str,
    last: str,
    asked: Mapping[str, int],
) -> Gate:
    """Return whether `last` is significantly worse than `first` in the main metric of a task.

    `main` gives each task's metric and judge; `asked` how many items of each task the two were asked, at least. What
    cannot be told never passes: a task that only one has, a metric without a value, so few recordings that no p could
    be significant, or less than 99 % of what was asked with a usable answer on both sides. A regression goes before all
    of that.
    """
    regressions, gaps = [], []
    pairs = len({(one.a, one.b) for one in differences if isinstance(one, Difference)})
    for task, (metric, judge_id) in main.items():
        one = next((each for each in differences if _is_main(each, task, metric, judge_id, (first, last))), None)
        if one is None:
            gaps.append(f"{task}: {metric} was not compared between {first} and {last}")
        elif isinstance(one, NoDifference):
            gaps.append(f"{task}: no {metric}: {one.why}")
        elif better(one) == "a":
            fall = points(abs(one.estimate.value), metric)
            regressions.append(f"{task}: {last} is {fall:.1f} points of {metric} worse than {first}")
        else:
            gaps += _gaps(one, pairs, asked.get(task, 0))
    if regressions:
        return Gate("regression", (*regressions, *gaps))
    if gaps or not main:
        return Gate("insufficient", tuple(gaps) or ("no task has a metric that could be compared",))
    return Gate("passed", ())


def _gaps(one: Difference, pairs: int, asked: int) -> list[str]:
    found = []
    if (why := undecidable(one, pairs)) is not None:
        found.append(f"{one.task}: no verdict: {why}")
    if one.estimate.n < COVERED * asked:
        found.append(f"{one.task}: {one.estimate.n} of {asked} items have a usable answer on both sides")
    return found


def _is_main(
    one: Difference | NoDifference, task: str, metric: str, judge_id: str | None, systems: tuple[str, str]
) -> bool:
    about = one.about if isinstance(one, NoDifference) else one
    judged = one.about.judge_id if isinstance(one, NoDifference) else one.judge_id
    same = (about.task, about.slice, one.metric, about.a, about.b) == (task, "all", metric, *systems)
    return same and (judge_id is None or judged == judge_id)
