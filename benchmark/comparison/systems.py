"""The systems of a comparison, and what must be said of them: what they were asked, how, and judged by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cpbench.comparison.pairs import Paired
from cpbench.errors import UserError
from cpbench.judges import card_line
from cpbench.records import Difference, Outcome
from cpbench.runfolder import Run
from cpbench.stats.paired import ALPHA

FEW = 10  # recordings: under these it is said how few there are (JUDGE, 3)


@dataclass(frozen=True)
class System:
    """One run under one condition, as it is named in the comparison."""

    name: str
    folder: str
    model: str
    condition: str
    answers: int
    run: Run = field(compare=False, repr=False)

    def outcomes(self, judge_id: str | None = None) -> list[Outcome]:
        return list(self.run.outcomes(condition=self.condition, judge_id=judge_id))

    @property
    def judges(self) -> Mapping[str, Mapping[str, Any]]:
        """judge_id -> what the manifest says of it."""
        known: Mapping[str, Mapping[str, Any]] = self.run.manifest.get("judges", {})
        return known


def systems_of(runs: Sequence[Run], condition: str | None = None) -> tuple[System, ...]:
    """Return the runs as the systems of a comparison, each under the condition, or under its own main one.

    Raises UserError for fewer than two runs, the same run twice, and a run without answers (under the condition).
    """
    if len(runs) < 2:
        raise UserError(f"a comparison needs two runs or more, and there is {len(runs)}")
    folders = [run.folder.resolve() for run in runs]
    for at, folder in enumerate(folders):
        if folder in folders[:at]:
            raise UserError("the same run is given twice:", value=str(runs[at].folder))
    named = [run.name for run in runs]
    found = []
    for run, folder in zip(runs, folders, strict=True):
        under = condition or run.main_condition
        answers = sum(one.condition == under for one in run.predictions)
        if not answers:
            has = sorted({one.condition for one in run.predictions})
            what = f"{run.folder} has no answers" + (f" under the condition {under}" if has else "")
            mend = f"--condition with one of: {', '.join(has)}" if has else "cpbench run, with the same configuration"
            raise UserError(what, mend=mend)
        name = run.name if named.count(run.name) == 1 else str(folder.relative_to(folder.parents[1]))
        found.append(System(name, str(run.folder), run.card.name, under, answers, run))
    if doubled := next((one.name for one in found if sum(one.name == each.name for each in found) > 1), None):
        raise UserError("two runs' folders are named alike, and the folders around them too:", value=doubled)
    return tuple(found)


def notes(
    systems: Sequence[System],
    paired: Mapping[tuple[str, str, str | None], Paired],
    differences: Sequence[Difference],
    judges: Mapping[str, str],
) -> Iterator[str]:
    """Yield the sentences that must stand beside the numbers of a comparison; some come twice."""
    if len({one.condition for one in systems}) > 1:
        held = ", ".join(f"{one.name} under {one.condition}" for one in systems)
        yield f"the conditions differ: {held}; a difference is one of model and condition together"
    for one in systems:
        yield from _of_run(one)
    tasks = {task.name: task for one in systems for task in one.run.tasks}
    if synthetic := [name for name, task in tasks.items() if task.synthetic]:
        yield f"{', '.join(synthetic)}: synthetic speech, made for this project; never comparable with the paper"
    if any("overlap_score" in task.metrics for task in tasks.values()):
        yield "overlap_score: no LLM judge; it compares words, and is for a first look"
    yield from _of_judges(systems, judges)
    for (a, b, judge_id), each in paired.items():
        if judge_id is None:
            yield from _of_pair(each, next(s for s in systems if s.name == a), next(s for s in systems if s.name == b))
    yield from _of_differences(differences, len(systems))


def _of_run(one: System) -> Iterator[str]:
    if one.run.config.limit is not None:
        yield f"{one.name} is a partial run (--limit {one.run.config.limit}): not the whole set"
    asked, answered = one.run.manifest.get("asked_in_all", 0), len(list(one.run.predictions))
    if answered < asked:
        yield f"{one.name}: {asked - answered} of {asked} questions are not answered"


def _of_judges(systems: Sequence[System], judges: Mapping[str, str]) -> Iterator[str]:
    for judge_id, name in judges.items():
        yield f"judge {name} ({judge_id[:8]}): {card_line(judge_id)}"
        without = [one.name for one in systems if judge_id not in one.judges]
        if without:
            yield f"judge {name} ({judge_id[:8]}) has not judged {', '.join(without)}: compared without"
    for one in systems:
        for judge_id, about in one.judges.items():
            if not any(judge_id in other.judges for other in systems if other is not one):
                yield (
                    f"{one.name} alone was judged by {about['name']} ({judge_id[:8]}): scores of different judges are "
                    "not compared"
                )


def _of_pair(paired: Paired, a: System, b: System) -> Iterator[str]:
    """What two runs do not have in common, task by task."""
    prints = [{task.name: (task.fingerprint, task.version) for task in one.run.tasks} for one in (a, b)]
    for task in dict.fromkeys((*prints[0], *prints[1])):
        if not all(task in each for each in prints):
            only = a if task in prints[0] else b
            yield f"{task}: only {only.name} was asked it"
            continue
        common = sum(one.item.task == task for one in paired.a)
        left, changed = (sum(item.task == task for item in part) for part in (paired.alone, paired.changed))
        other = "; the data differ (fingerprint)" if prints[0][task][0] != prints[1][task][0] else ""
        if prints[0][task][1] != prints[1][task][1]:
            other += f"; the task's versions differ ({prints[0][task][1]}, {prints[1][task][1]})"
        if left or changed or other:
            yield (
                f"{task}, {a.name} and {b.name}: compared on {common} common items; {left} that only one has"
                + (f", {changed} whose content differs" if changed else "")
                + other
            )


def _of_differences(differences: Sequence[Difference], systems: int) -> Iterator[str]:
    for one in differences:
        recordings = one.estimate.clusters
        if one.slice == "all" and recordings < FEW:
            plural = "s" * (recordings != 1)
            yield f"{one.task}, {one.a} and {one.b}: only {recordings} recording{plural}: little can be shown"
    if leaked := dict.fromkeys((one.task, one.slice) for one in differences if one.leaked and one.slice != "all"):
        yield f"a prompt gave away the answer (tags): {', '.join(' '.join(each) for each in leaked)}; marked leaked"
    if systems > 2:
        pairs = systems * (systems - 1) // 2
        yield (
            f"p is corrected (Holm) for {pairs} pairs of systems per task, type and metric; the smallest difference is "
            f"for a level of {ALPHA / pairs:.3g}"
        )
