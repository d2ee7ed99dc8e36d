"""What came out of a miniature: means over seeds with their intervals, and differences that are paired by seed.

A seed is one training; seeds are the unit of independence here, and every interval over them is a t interval. Only
`learned` looks inside the runs, item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpbench.comparison.pairs import differences
from cpbench.miniature.plan import BASELINE, CONTROL, IMPLICIT, SYSTEMS, Job, System, Tuned
from cpbench.records import Difference, Estimate, Outcome, Score
from cpbench.runfolder import Run
from cpbench.stats import cluster_interval

TASK = "held_out"
METRIC = "overlap_score"
SLICES = ("all", "C", "DE", "DG", "DS", "CE", "CG", "CS")
ADDITIONS = (
    ("S20", "S10", "direct questions"),
    ("S30", "S20", "contextual questions"),
    ("explicit", "S10", "emotion tags in the prompt"),
    ("S32", "S30", "emotion tags in the prompt"),
)
"""Which system has what another lacks, all else being equal."""
_NAMED = {system.name: system for system in SYSTEMS}


@dataclass(frozen=True)
class Asked:
    """A job and the run in which its checkpoint was asked."""

    job: Job
    run: Run
    scores: tuple[Score, ...]

    def value(self, task: str, condition: str, part: str, metric: str = METRIC) -> float | None:
        """One score of the run; None where it has none."""
        for score in self.scores:
            if (score.task, score.condition, score.slice, score.metric) == (task, condition, part, metric):
                return score.estimate.value
        return None


@dataclass(frozen=True)
class Row:
    """A system, tuned in one way: its mean over the seeds, by question type, and what it gains over the baseline."""

    system: System
    tuned: Tuned
    condition: str
    values: Mapping[str, Estimate]  # by slice
    gains: Mapping[str, Estimate]  # over the baseline, paired by seed; none for the baseline itself
    relative: Estimate | None  # gain / baseline, over all questions, in percent


def over_seeds(values: Sequence[float], *, top: float | None = None) -> Estimate:
    """The mean of independent trainings, with its t interval. One training has no interval.

    `top`: of a scale from 0 to there, which the interval does not leave.
    """
    numbers = np.asarray(values, dtype=float)
    found = cluster_interval(float(numbers.mean()), numbers - numbers.mean(), range(len(numbers)))
    if top is None or found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, 0.0), high=min(found.high, top))


def relative_gain(values: Sequence[float], baseline: Sequence[float]) -> Estimate | None:
    """100 (mean / mean of the baseline - 1), paired by seed, with the t interval of a ratio of means.

    None where the baseline's mean is not above 0.
    """
    ours, theirs = np.asarray(values, dtype=float), np.asarray(baseline, dtype=float)
    if theirs.mean() <= 0:
        return None
    ratio = float(ours.mean() / theirs.mean())
    return cluster_interval(100 * (ratio - 1), 100 * (ours - ratio * theirs) / theirs.mean(), range(len(ours)))


def table(asked: Sequence[Asked], tuned: Tuned) -> list[Row]:
    """The rows of one way of tuning, each system under its own condition."""
    mine = [one for one in asked if one.job.tuned == tuned]
    return [_row(mine, system, tuned) for system in SYSTEMS if _of(mine, system)]


def _row(asked: Sequence[Asked], system: System, tuned: Tuned) -> Row:
    condition = system.conditions[0]
    values = _means(asked, system, condition)
    if system == BASELINE:
        return Row(system, tuned, condition, values, {}, None)
    gains = _paired(asked, (system, condition), (BASELINE, "audio"))
    here, base = _by_seed(asked, system, condition, "all"), _by_seed(asked, BASELINE, "audio", "all")
    both = sorted(here.keys() & base.keys())
    relative = relative_gain([here[seed] for seed in both], [base[seed] for seed in both]) if both else None
    return Row(system, tuned, condition, values, gains, relative)


@dataclass(frozen=True)
class Told:
    """A system that is told tags, under gold, no or wrong ones, and what that changes."""

    system: System
    tuned: Tuned
    condition: str
    values: Mapping[str, Estimate]  # by slice
    changes: Mapping[str, Estimate]  # against its own condition, paired by seed; none for that one


def tag_table(asked: Sequence[Asked], tuned: Tuned) -> list[Told]:
    """The systems that are told tags: under gold, no and wrong ones."""
    mine = [one for one in asked if one.job.tuned == tuned]
    found = []
    for system in (one for one in SYSTEMS if len(one.conditions) > 1 and _of(mine, one)):
        own = system.conditions[0]
        for condition in system.conditions:
            changes = {} if condition == own else _paired(mine, (system, condition), (system, own))
            found.append(Told(system, tuned, condition, _means(mine, system, condition), changes))
    return found


@dataclass(frozen=True)
class Addition:
    """What one thing adds: a system against the one that lacks only that, paired by seed."""

    a: System
    b: System
    adds: str
    tuned: Tuned
    changes: Mapping[str, Estimate]  # by slice, a minus b

    @property
    def given_away(self) -> bool:
        """Whether the prompt of `a` alone holds what direct emotion questions ask for."""
        return "tags" in self.a.conditions[0] and "tags" not in self.b.conditions[0]


def additions(asked: Sequence[Asked], tuned: Tuned) -> list[Addition]:
    """S20 - S10, S30 - S20, explicit - S10 and S32 - S30, each system under its own condition."""
    return [found for a, b, adds in ADDITIONS if (found := addition(asked, tuned, (a, b), adds)) is not None]


def addition(asked: Sequence[Asked], tuned: Tuned, names: tuple[str, str], adds: str) -> Addition | None:
    """The first named system minus the second; None where no seed has both."""
    mine = [one for one in asked if one.job.tuned == tuned]
    a, b = (_NAMED[name] for name in names)
    changes = _paired(mine, (a, a.conditions[0]), (b, b.conditions[0]))
    return Addition(a, b, adds, tuned, changes) if changes else None


Shown = tuple[System, str]
"""A system under a condition."""


def _paired(asked: Sequence[Asked], a: Shown, b: Shown) -> dict[str, Estimate]:
    """a minus b by slice, over the seeds that have both."""
    found = {}
    for part in SLICES:
        one, other = _by_seed(asked, *a, part), _by_seed(asked, *b, part)
        if both := sorted(one.keys() & other.keys()):
            found[part] = over_seeds([one[seed] - other[seed] for seed in both])
    return found


def _means(asked: Sequence[Asked], system: System, condition: str) -> dict[str, Estimate]:
    found = {part: _by_seed(asked, system, condition, part) for part in SLICES}
    return {part: over_seeds(list(values.values()), top=100.0) for part, values in found.items() if values}


def _of(asked: Iterable[Asked], system: System) -> list[Asked]:
    return [one for one in asked if one.job.system == system]


def _by_seed(asked: Iterable[Asked], system: System, condition: str, part: str) -> dict[int, float]:
    found = {one.job.seed: one.value(TASK, condition, part) for one in _of(asked, system)}
    return {seed: value for seed, value in found.items() if value is not None}


@dataclass(frozen=True)
class Conflict:
    """Where words and voice contradict each other: the share of answers that goes by which, over the seeds."""

    system: System
    tuned: Tuned
    condition: str
    words: Estimate
    voice: Estimate
    neither: Estimate
    difference: Estimate  # voice - words


def conflicts(asked: Sequence[Asked], tuned: Tuned) -> list[Conflict]:
    """Every system, asked without tags in its prompt: only words and voice are there to go by."""
    found = []
    for system in SYSTEMS:
        mine = [one for one in asked if one.job.tuned == tuned and one.job.system == system]
        both = [(_conflict(one, "lure_rate"), _conflict(one, "accuracy")) for one in mine]
        known = [(words, voice) for words, voice in both if words is not None and voice is not None]
        if known:
            parts = zip(*((w, v, 1 - w - v, v - w) for w, v in known), strict=True)
            found.append(Conflict(system, tuned, "audio", *(over_seeds(values) for values in parts)))
    return found


def _conflict(one: Asked, metric: str) -> float | None:
    return one.value("conflict", "audio", "all", metric)


@dataclass(frozen=True)
class Learned:
    """The machinery learns: true emotions against emotions dealt out at random, on the same questions."""

    seed: int
    tuned: Tuned
    differences: tuple[Difference, ...]  # of overlap_score on DE and CE; intervals are over the scripts


def learned(asked: Sequence[Asked], outcomes: Callable[[Run, str], Sequence[Outcome]]) -> list[Learned]:
    """Return what S30 gains over the control, seed by seed, on the types that need the emotion."""
    found = []
    for one in asked:
        twins = [other for other in asked if _twins(one.job, other.job)]
        if one.job.system != IMPLICIT or not twins:
            continue
        a, b = ([each for each in outcomes(run, "audio") if each.item.task == TASK] for run in (one.run, twins[0].run))
        every = differences(a, b, one.run.tasks, a_name="true emotions", b_name="dealt out")
        kept = tuple(each for each in every if each.metric == METRIC and each.slice in ("DE", "CE"))
        found.append(Learned(one.job.seed, one.job.tuned, kept))
    return found


def _twins(job: Job, other: Job) -> bool:
    return other.system == CONTROL and (other.tuned, other.seed) == (job.tuned, job.seed)


@dataclass(frozen=True)
class Size:
    """How large the trainings of a system were."""

    system: System
    tuned: Tuned
    clips: int
    questions: int
    steps: int
    seconds: Estimate  # of a training, over the seeds


def sizes(asked: Sequence[Asked], notes: Mapping[str, Mapping[str, Any]]) -> list[Size]:
    """The trainings by system and way. `notes`: each checkpoint's own account (checkpoint.json), by its job's name.

    Raises ValueError where the seeds of a system differ in clips, questions or steps: the table would hide it.
    """
    groups: dict[tuple[System, Tuned], list[Mapping[str, Any]]] = {}
    for one in asked:
        groups.setdefault((one.job.system, one.job.tuned), []).append(notes[one.job.name])
    found = []
    for (system, tuned), several in groups.items():
        counted = {(len(each["trained_on"]), each["items"], sum(each["steps"].values())) for each in several}
        if len(counted) > 1:
            raise ValueError(f"the seeds of {system.name}, {tuned}, were not trained alike: {sorted(counted)}")
        seconds = over_seeds([float(each["seconds"]) for each in several])
        found.append(Size(system, tuned, *counted.pop(), seconds))
    return sorted(found, key=lambda size: (size.tuned, list(_NAMED).index(size.system.name)))
