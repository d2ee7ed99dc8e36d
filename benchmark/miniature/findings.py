"""What came out of a miniature: means over seeds with their intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cpbench.comparison.pairs import differences
from cpbench.miniature.plan import BASELINE, CONTROL, IMPLICIT, SYSTEMS, Job, System, Tuned
from cpbench.records import Difference, Estimate, Outcome, Score
from cpbench.runfolder import Run
from cpbench.stats import cluster_interval

TASK = "demo_cpqa"
METRIC = "overlap_score"
SLICES = ("all", "C", "DE", "DG", "DS", "CE", "CG", "CS")


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
    relative: float | None  # gain / baseline, over all questions, in percent


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of independent trainings, with its t interval. One training has no interval."""
    numbers = np.asarray(values, dtype=float)
    return cluster_interval(float(numbers.mean()), numbers - numbers.mean(), range(len(numbers)))


def table(asked: Sequence[Asked], tuned: Tuned) -> list[Row]:
    """The rows of one way of tuning, each system under its own condition."""
    mine = [one for one in asked if one.job.tuned == tuned]
    return [_row(mine, system, system.conditions[0], tuned) for system in SYSTEMS if _of(mine, system)]


def tag_table(asked: Sequence[Asked], tuned: Tuned) -> list[Row]:
    """The rows of the systems that are told tags: under gold, no and wrong ones."""
    mine = [one for one in asked if one.job.tuned == tuned]
    told = [system for system in SYSTEMS if len(system.conditions) > 1 and _of(mine, system)]
    return [_row(mine, system, condition, tuned) for system in told for condition in system.conditions]


def _row(asked: Sequence[Asked], system: System, condition: str, tuned: Tuned) -> Row:
    values, gains = {}, {}
    for part in SLICES:
        here = _by_seed(asked, system, condition, part)
        base = _by_seed(asked, BASELINE, "audio", part)
        if here:
            values[part] = over_seeds(list(here.values()))
        both = sorted(here.keys() & base.keys())
        if both and system != BASELINE:
            gains[part] = over_seeds([here[seed] - base[seed] for seed in both])
    start = _by_seed(asked, BASELINE, "audio", "all")
    whole = float(np.mean(list(start.values()))) if start else 0.0
    relative = 100 * gains["all"].value / whole if "all" in gains and whole else None
    return Row(system, tuned, condition, values, gains, relative)


def _of(asked: Iterable[Asked], system: System) -> list[Asked]:
    return [one for one in asked if one.job.system == system]


def _by_seed(asked: Iterable[Asked], system: System, condition: str, part: str) -> dict[int, float]:
    found = {one.job.seed: one.value(TASK, condition, part) for one in _of(asked, system)}
    return {seed: value for seed, value in found.items() if value is not None}


@dataclass(frozen=True)
class Conflict:
    """Where words and voice contradict each other: how often a system's answers go by which, over the seeds."""

    system: System
    tuned: Tuned
    condition: str
    words: Estimate
    voice: Estimate


def conflicts(asked: Sequence[Asked], tuned: Tuned) -> list[Conflict]:
    """Every system without tags in its prompt: only words and voice are there to go by."""
    found = []
    for system in SYSTEMS:
        mine = [one for one in asked if one.job.tuned == tuned and one.job.system == system]
        words, voice = (
            [value for one in mine if (value := one.value("conflict", "audio", "all", metric)) is not None]
            for metric in ("lure_rate", "accuracy")
        )
        if words and voice:
            found.append(Conflict(system, tuned, "audio", over_seeds(words), over_seeds(voice)))
    return found


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
