"""Where the scores come from: by how long the clips are, how much of them was heard, which label was taken for which,
and how a judge's scores are spread.

All of the main condition. The scores of a part are made by `compute` like every other; nothing here is a metric of its
own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpbench.metrics.classification import labelled, predicted
from cpbench.records import Outcome, Score, Task
from cpbench.results.scores import columns, compute

QUARTERS, HALVES = 80, 20  # items from which a task is split by duration into four parts, and into two
HEARD = (0.0, 1e-9, 0.5, 0.995)  # shares heard: none, less than half, half or more, all of it
STEP = 5  # points of a judge's score
FEWEST, MOST = 10, 6  # a set of labels is shown from so many items on; so many sets of a task at most


@dataclass(frozen=True)
class Part:
    """Some of a task's items, and their scores."""

    task: str
    by: Literal["seconds", "heard"]  # the item's clips in seconds, or the share of them that reached the model
    low: float
    high: float  # of what there is in this part: both ends are in it
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Spread:
    """How a judge's scores of a task are spread."""

    task: str
    judge_id: str
    counts: tuple[int, ...]  # items by score, rounded to 0, 5, 10, ..., 100
    missing: int  # items that have no score


@dataclass(frozen=True)
class Confusion:
    """Which label was taken for which, among the items of a task that share their labels."""

    task: str
    labels: tuple[str, ...]  # the items' own: the rows
    said: tuple[str | None, ...]  # read from the answers: the columns; None: no label could be read
    counts: tuple[tuple[int, ...], ...]
    errors: int  # items that the model failed on: in no row


@dataclass(frozen=True)
class Breakdown:
    """Of a run, under its main condition."""

    parts: tuple[Part, ...]
    spreads: tuple[Spread, ...]
    confusions: tuple[Confusion, ...]


def breakdown(
    outcomes: Sequence[Outcome],
    tasks: Sequence[Task],
    *,
    condition: str,
    judged: Mapping[str, Sequence[Outcome]] | None = None,
) -> Breakdown:
    """Break the scores of the outcomes under `condition` down; `judged`: the same outcomes by judge_id."""
    judged = judged or {}
    by_task = _of(outcomes, tasks, condition)
    by_judge = {judge_id: _of(each, tasks, condition) for judge_id, each in judged.items()}
    return Breakdown(
        tuple(part for each in by_task.values() for part in _parts(each, tasks, by_judge)),
        tuple(_spread(each, judge_id) for judge_id, found in by_judge.items() for each in found.values()),
        tuple(one for each in by_task.values() for one in _confusions(each)),
    )


def _of(outcomes: Sequence[Outcome], tasks: Sequence[Task], condition: str) -> dict[str, list[Outcome]]:
    """The outcomes under one condition, by task."""
    return {task: part for (task, under), part in columns(outcomes, tasks).items() if under == condition}


def _parts(
    outcomes: Sequence[Outcome], tasks: Sequence[Task], by_judge: Mapping[str, Mapping[str, Sequence[Outcome]]]
) -> Iterator[Part]:
    """The parts of one task by duration, then by share heard; none of what would be one part only."""
    task = outcomes[0].item.task
    for by, values, edges in _ways(outcomes):
        place = {key: int(np.searchsorted(edges, value, side="right")) for key, value in values.items()}
        places = sorted(set(place.values()))
        for at in places if len(places) > 1 else ():
            inside = {key for key, found in place.items() if found == at}
            scores = list(compute([one for one in outcomes if one.item.id in inside], tasks))
            for judge_id, judged in by_judge.items():
                mine = [one for one in judged.get(task, ()) if one.item.id in inside]
                scores += compute(mine, tasks, judge_id=judge_id)
            ends = [values[key] for key in inside]
            whole = tuple(score for score in scores if score.slice == "all")
            yield Part(task, by, min(ends), max(ends), whole)


def _ways(
    outcomes: Sequence[Outcome],
) -> Iterator[tuple[Literal["seconds", "heard"], dict[str, float], Sequence[float]]]:
    """What the items are split by: the value of each, and where the parts begin."""
    seconds = {
        one.item.id: sum(clip.seconds or 0.0 for clip in one.item.clips)
        for one in outcomes
        if one.item.clips and all(clip.seconds is not None for clip in one.item.clips)
    }
    count = 4 if len(seconds) >= QUARTERS else 2 if len(seconds) >= HALVES else 1
    inner = np.linspace(0, 1, count + 1)[1:-1]
    if len(inner):
        edges = np.unique(np.round(np.quantile(list(seconds.values()), inner), 1))
        yield "seconds", seconds, [float(edge) for edge in edges]
    heard = {
        one.item.id: one.prediction.audio_seconds_heard / one.prediction.audio_seconds
        for one in outcomes
        if one.prediction.audio_seconds > 0 and one.prediction.status != "error"
    }
    yield "heard", heard, HEARD


def _spread(outcomes: Sequence[Outcome], judge_id: str) -> Spread:
    scores = [one.score for one in outcomes]
    counts = Counter(int(score / STEP + 0.5) for score in scores if score is not None)
    steps = range(100 // STEP + 1)
    return Spread(outcomes[0].item.task, judge_id, tuple(counts[step] for step in steps), scores.count(None))


def _confusions(outcomes: Sequence[Outcome]) -> Iterator[Confusion]:
    """A table for each set of labels that enough items share, the commonest first."""
    sets: dict[frozenset[str], list[Outcome]] = {}
    for one in outcomes:
        if labelled(one):
            sets.setdefault(frozenset(one.item.options), []).append(one)
    large = [part for part in sets.values() if len(part) >= FEWEST and len({one.item.label for one in part}) > 1]
    for part in sorted(large, key=len, reverse=True)[:MOST]:
        answered = [one for one in part if one.prediction.status != "error"]
        counts = Counter((str(one.item.label), predicted(one)) for one in answered)
        labels = tuple(sorted({str(one.item.label) for one in part}))
        named = {said for _, said in counts if said is not None} - set(labels)
        said = (*labels, *sorted(named), *([None] if any(name is None for _, name in counts) else []))
        rows = tuple(tuple(counts[label, each] for each in said) for label in labels)
        yield Confusion(part[0].item.task, labels, said, rows, len(part) - len(answered))
