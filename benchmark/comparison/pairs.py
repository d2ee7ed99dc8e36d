"""Two columns of outcomes on their common items, and what separates them.

A column is what one system answered under one condition: at most one outcome an item. A difference is made from the
items of both, item by item: the difference of two intervals says nothing, since both systems met the same items.

For every metric, which is a function of sums, each item has an influence on either value. With

    d_i = (value_a - value_b) + influence_a,i - influence_b,i

the mean of d is exactly the difference (for a mean over items d_i is x_a,i - x_b,i), its clustered t interval is the
difference's, and the sums of d by recording are what the sign flips turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.errors import UserError
from cpbench.fingerprint import item_line
from cpbench.parts import Metric
from cpbench.records import Difference, Item, Outcome, Task
from cpbench.results.scores import columns, crossing, metrics_of, slices
from cpbench.stats import holm, rows_difference
from cpbench.stats.paired import ALPHA

Array = npt.NDArray[np.floating[Any]]
Key = tuple[str, str]  # a task, an item's id


@dataclass(frozen=True)
class Paired:
    """Two columns on their common items: a[i] and b[i] answer the same item."""

    a: tuple[Outcome, ...]
    b: tuple[Outcome, ...]
    alone: tuple[Item, ...] = ()  # items that only one side has
    changed: tuple[Item, ...] = ()  # items of one id whose content differs: another question, clip, reference, label

    @property
    def lost(self) -> int:
        """How many items are in no pair."""
        return len(self.alone) + len(self.changed)


@dataclass(frozen=True)
class About:
    """What a difference is a difference of."""

    task: str
    slice: str  # "all", or a question type
    a: str  # the systems' names
    b: str
    judge_id: str | None = None
    pairs: int = 1  # of systems that are compared beside each other: `smallest` is for the level that is left to each


@dataclass(frozen=True)
class NoDifference:
    """A difference that does not exist, and why."""

    about: About
    metric: str
    why: str


def pair(a: Sequence[Outcome], b: Sequence[Outcome]) -> Paired:
    """Join two columns by task and item id, in the order of `a`.

    Items that one side lacks, and those whose content is not the same on both (question, clips, options, references,
    label, type, recording, language: what the fingerprint of the data holds), are in no pair.

    Raises ValueError for two outcomes of one item in a column: then it holds several conditions.
    """
    first, second = _by_item(a), _by_item(b)
    common = [key for key in first if key in second]
    same = [key for key in common if _same(first[key].item, second[key].item)]
    kept = set(same)
    return Paired(
        tuple(first[key] for key in same),
        tuple(second[key] for key in same),
        tuple(
            (first.get(key) or second[key]).item for key in {**first, **second} if not (key in first and key in second)
        ),
        tuple(first[key].item for key in common if key not in kept),
    )


def difference(paired: Paired, metric: Metric, about: About) -> Difference | str:
    """Return a minus b by one metric, on those pairs that are of `about`'s task and slice and that the metric is for.

    An item that failed on either side, or has no judgement where the metric needs one, is lost, as is one that only one
    side has: `n_lost` counts them. Intervals are clustered by recording, two ways where words recur in several. p is by
    sign flips of the recordings' sums; where they cross with words, the larger of that and the t of the two-way
    standard error. With one recording there is no p.

    The reason is returned where there is no difference: no common item, none usable, or a metric without a value.
    """
    at = [i for i, one in enumerate(paired.a) if _within(one, metric, about) and _within(paired.b[i], metric, about)]
    a, b = [paired.a[i] for i in at], [paired.b[i] for i in at]
    if not a:
        return "no common items"
    try:
        rows_a, rows_b = metric.rows(a), metric.rows(b)
    except UserError as error:
        return error.what
    usable = ~(np.isnan(rows_a).any(axis=1) | np.isnan(rows_b).any(axis=1))
    if not usable.any():
        needed = "judgement" if metric.judged else "answer"
        return f"none of {len(a)} common items has a usable {needed} on both sides"
    left = sum(
        about.task == item.task and about.slice in ("all", item.type) for item in (*paired.alone, *paired.changed)
    )
    part = [one for one, ok in zip(a, usable, strict=True) if ok]
    found = _difference(part, (rows_a[usable], rows_b[usable]), metric, about)
    leaked = any("leaked" in one.prediction.flags for one in (*a, *b))
    return dataclasses.replace(found, n_lost=left + int((~usable).sum()), leaked=leaked)


def differences(
    a: Sequence[Outcome],
    b: Sequence[Outcome],
    tasks: Sequence[Task],
    *,
    a_name: str,
    b_name: str,
    judge_id: str | None = None,
) -> list[Difference]:
    """Return every difference of two columns: per task, slice, and metric that needs no judge (or is this judge's).

    p_holm is not set: `corrected` does that, over all pairs of systems together. What has no difference is left out:
    `measured` says why. Raises UserError for outcomes of a task that is not among `tasks`.
    """
    found = measured(pair(a, b), tasks, About("", "all", a_name, b_name, judge_id))
    return [one for one in found if isinstance(one, Difference)]


def measured(paired: Paired, tasks: Sequence[Task], about: About) -> Iterator[Difference | NoDifference]:
    """Yield what `differences` returns, and for each of the others why there is none. `about` gives names and judge."""
    known = {task.name: task for task in tasks}
    for (task, _), column in columns(paired.a, tasks).items():
        for metric in metrics_of(known[task], about.judge_id):
            for name, _ in slices(column, metric):
                this = dataclasses.replace(about, task=task, slice=name)
                found = difference(paired, metric, this)
                yield NoDifference(this, metric.name, found) if isinstance(found, str) else found


def corrected(differences: Iterable[Difference]) -> list[Difference]:
    """Return the differences with p_holm: corrected for each other within a family.

    A family is all pairs of systems that were compared by one metric and judge on one slice of one task: it asks one
    question, which of these systems is better in this. Slices and metrics are other questions, and not corrected for.
    """
    every = list(differences)
    families: dict[tuple[str, str, str, str | None], list[int]] = {}
    for at, one in enumerate(every):
        families.setdefault((one.task, one.slice, one.metric, one.judge_id), []).append(at)
    for family in families.values():
        for at, p in zip(family, holm([every[at].p for at in family]), strict=True):
            every[at] = dataclasses.replace(every[at], p_holm=p)
    return every


def _difference(part: Sequence[Outcome], rows: tuple[Array, Array], metric: Metric, about: About) -> Difference:
    """The difference of usable pairs, before what was lost is counted."""
    recordings = [outcome.item.recording for outcome in part]
    ids = [recordings, words] if (words := crossing(part, recordings)) else [recordings]
    found = rows_difference(rows, metric.value, *ids, level=ALPHA / about.pairs)
    estimate, span = found.estimate, metric.bounds[1] - metric.bounds[0]
    if estimate.low is not None and estimate.high is not None:
        estimate = dataclasses.replace(estimate, low=max(estimate.low, -span), high=min(estimate.high, span))
    return Difference(
        about.task,
        about.slice,
        metric.name,
        about.judge_id if metric.judged else None,
        about.a,
        about.b,
        found.value_a,
        found.value_b,
        estimate,
        found.p,
        found.p_least,
        None,
        found.smallest,
    )


def _within(outcome: Outcome, metric: Metric, about: About) -> bool:
    return outcome.item.task == about.task and about.slice in ("all", outcome.item.type) and metric.applies(outcome)


def _by_item(column: Iterable[Outcome]) -> dict[Key, Outcome]:
    found: dict[Key, Outcome] = {}
    for outcome in column:
        key = (outcome.item.task, outcome.item.id)
        if key in found:
            raise ValueError(f"two outcomes of {key} in one column: one system under one condition is compared")
        found[key] = outcome
    return found


def _same(a: Item, b: Item) -> bool:
    return a is b or item_line(a) == item_line(b)
