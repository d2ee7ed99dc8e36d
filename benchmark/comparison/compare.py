"""`cpbench compare`: every pair of runs on the items that both answered, from their folders alone.

    compare(runs, Choice()) -> Comparison

Nothing is decided by hand: the pairs are joined by item id and content (pairs), tested by recording and corrected over
the pairs of systems (pairs), put into words (standings), and what only one side got right is listed (right).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from cpbench.comparison.pairs import About, NoDifference, Paired, corrected, measured, pair
from cpbench.comparison.right import Alone, Table, alone
from cpbench.comparison.standings import Gate, Rank, gate, kind, ranks
from cpbench.comparison.systems import System, notes, systems_of
from cpbench.errors import UsageError, UserError
from cpbench.metrics import find_metrics
from cpbench.records import Difference, Outcome, Task
from cpbench.runfolder import Run


@dataclass(frozen=True)
class Choice:
    """What of the runs is compared."""

    condition: str | None = None  # None: each run's own main one
    metrics: tuple[str, ...] = ()  # (): all that the tasks name
    judge: str | None = None  # its name or the beginning of its judge_id; None: every judge that runs have in common
    items: bool = True  # also list which items only one side got right


@dataclass(frozen=True)
class Comparison:
    """What `cpbench compare` shows."""

    systems: tuple[System, ...]
    differences: tuple[Difference, ...]  # with p_holm
    absent: tuple[NoDifference, ...]
    ranks: tuple[Rank, ...]
    judges: Mapping[str, str]  # judge_id -> name, of those by whom systems are compared
    main: Mapping[str, tuple[str, str | None]]  # each task's main metric, and the judge who makes it
    alone: tuple[Alone, ...]  # items that only one of two systems got right
    tables: tuple[Table, ...]
    notes: tuple[str, ...]  # what must be said beside the numbers

    def pairs(self, one: Difference) -> int:
        """How many pairs of systems were compared as this one was: p is corrected for so many."""
        return sum(kind(each) == kind(one) for each in self.differences)

    def gate(self) -> Gate:
        """Whether the last run is no worse than the first, in every task of the first (see `standings.gate`)."""
        first, last = self.systems[0], self.systems[-1]
        main = {task.name: self.main.get(task.name, ("its main metric", None)) for task in first.run.tasks}
        asked = {task: min(_asked(first.run, task), _asked(last.run, task)) for task in main}
        return gate((*self.differences, *self.absent), main, first=first.name, last=last.name, asked=asked)


def compare(runs: Sequence[Run], choice: Choice = Choice()) -> Comparison:
    """Compare every pair of runs, per task, metric and question type, from their folders alone.

    Raises UserError for fewer than two runs, the same run twice, a run without answers (under the condition), and runs
    of which no two share an item; UsageError for a metric or a judge that none of them has.
    """
    systems = systems_of(runs, choice.condition)
    judges = _judges(systems, choice.judge)
    pairs = list(combinations(systems, 2))
    columns = {(one.name, judge_id): one.outcomes(judge_id) for one in systems for judge_id in (None, *judges)}
    paired = {
        (a.name, b.name, judge_id): pair(columns[a.name, judge_id], columns[b.name, judge_id])
        for a, b in pairs
        for judge_id in (None, *judges)
        if judge_id is None or (judge_id in a.judges and judge_id in b.judges)
    }
    if not any(each.a for each in paired.values()):
        raise UserError(
            f"no two of these runs share an item: {'; '.join(_nothing_common(a, b) for a, b in pairs)}",
            mend="runs of the same tasks and data",
        )
    tasks = _tasks(systems)
    found = list(_measure(paired, tasks, choice))
    differences = corrected(one for one in found if isinstance(one, Difference))
    main = {task.name: _main(task, columns[systems[0].name, None], systems, judges, choice.metrics) for task in tasks}
    listed, tables = _alone(paired, systems, judges) if choice.items else ([], [])
    return Comparison(
        systems,
        tuple(differences),
        tuple(one for one in found if isinstance(one, NoDifference)),
        tuple(ranks(differences)),
        judges,
        main,
        tuple(listed),
        tuple(tables),
        tuple(dict.fromkeys(notes(systems, paired, differences, judges))),
    )


def _judges(systems: Sequence[System], wanted: str | None) -> dict[str, str]:
    """The judges that two systems or more have in common: judge_id -> name. Raises UsageError for an unknown one."""
    known = {judge_id: str(about["name"]) for one in systems for judge_id, about in one.judges.items()}
    if wanted is not None:
        chosen = {key: name for key, name in known.items() if name == wanted or (wanted and key.startswith(wanted))}
        if not chosen:
            raise UsageError("no run has a judge", value=wanted, allowed=sorted(set(known.values())))
        known = chosen
    common = {key: name for key, name in known.items() if sum(key in one.judges for one in systems) > 1}
    if wanted is not None and not common:
        raise UserError("no two runs were judged by the same judge named", value=wanted, mend="cpbench judge run RUN")
    spoken = list(common.values())
    return {key: name if spoken.count(name) == 1 else f"{name}#{key[:8]}" for key, name in common.items()}


def _tasks(systems: Sequence[System]) -> list[Task]:
    """The tasks that two runs or more have, as the first of them describes each."""
    held: dict[str, list[Task]] = {}
    for one in systems:
        for task in one.run.tasks:
            held.setdefault(task.name, []).append(task)
    return [tasks[0] for tasks in held.values() if len(tasks) > 1]


def _measure(
    paired: Mapping[tuple[str, str, str | None], Paired], tasks: Sequence[Task], choice: Choice
) -> Iterator[Difference | NoDifference]:
    """Every difference of every pair, by the metrics chosen."""
    known = {name for task in tasks for name in task.metrics}
    if choice.metrics and (wrong := next((n for n in choice.metrics if n not in known | _judged(paired)), None)):
        raise UsageError(
            "no task that is compared has the metric", value=wrong, allowed=sorted(known | _judged(paired))
        )
    for (a, b, judge_id), each in paired.items():
        pairs = sum(other == judge_id for _, _, other in paired)
        for found in measured(each, tasks, About("", "all", a, b, judge_id, pairs)):
            if not choice.metrics or found.metric in choice.metrics:
                yield found


def _judged(paired: Mapping[tuple[str, str, str | None], Paired]) -> set[str]:
    judged = any(judge_id is not None for _, _, judge_id in paired)
    return {"judge_score", "judge_score_uas"} if judged else set()


def _main(
    task: Task, column: Sequence[Outcome], systems: Sequence[System], judges: Mapping[str, str], chosen: Sequence[str]
) -> tuple[str, str | None]:
    """A task's main metric: the first that was chosen; else judge_score by the first judge that all runs share; else
    that of the task's own which counts the most items, the first named among equals."""
    shared = next((judge_id for judge_id in judges if all(judge_id in one.judges for one in systems)), None)
    named = [name for name in chosen if name in task.metrics or (shared and name.startswith("judge_"))]
    if named:
        return named[0], shared if named[0].startswith("judge_") else None
    if shared is not None and not chosen:
        return "judge_score", shared
    return main_metric(task, column), None


def main_metric(task: Task, column: Sequence[Outcome]) -> str:
    """Return that of a task's metrics, of those that need no judge, which counts the most items of a column; the first
    named among equals."""
    own = [outcome for outcome in column if outcome.item.task == task.name]
    metrics = [metric for metric in find_metrics(task.metrics) if not metric.judged]
    return max(metrics, key=lambda metric: sum(map(metric.applies, own))).name


def _alone(
    paired: Mapping[tuple[str, str, str | None], Paired], systems: Sequence[System], judges: Mapping[str, str]
) -> tuple[list[Alone], list[Table]]:
    """What only one of each pair got right, by the first judge that the two share, or by none."""
    by_name = {one.name: one for one in systems}
    found: list[Alone] = []
    tables: list[Table] = []
    for a, b in combinations(by_name, 2):
        judge_id = next((each for each in judges if (a, b, each) in paired), None)
        bar = None if judge_id is None else by_name[a].judges[judge_id]["correct_score"]
        texts = [frozenset(t.name for t in by_name[n].run.tasks if t.rights.text_in_report) for n in (a, b)]
        listed, table = alone(paired[a, b, judge_id], (a, b), with_text=texts[0] & texts[1], correct_score=bar)
        found += listed
        tables += table
    return found, tables


def _asked(run: Run, task: str) -> int:
    return sum(item.task == task for item in run.items)


def _nothing_common(a: System, b: System) -> str:
    first, second = ({task.name for task in one.run.tasks} for one in (a, b))
    if not first & second:
        return f"{a.name} has {', '.join(sorted(first))}, {b.name} has {', '.join(sorted(second))}"
    return f"{a.name} and {b.name} have {', '.join(sorted(first & second))} with other items"
