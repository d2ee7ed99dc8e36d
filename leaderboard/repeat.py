"""L3: the board's maintainer ran the system too, and holds its answers against those that were handed in.

It is the only check, besides a hidden split, that finds answers which no model gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cpbench.errors import UserError
from cpbench.fingerprint import dataset_fingerprint
from cpbench.leaderboard.board import Board, open_board
from cpbench.leaderboard.check import Checked, examine
from cpbench.leaderboard.datasets import DatasetCard, plain
from cpbench.leaderboard.history import Author, event, write_event
from cpbench.leaderboard.measure import label_metric
from cpbench.metrics import find_metrics
from cpbench.parts import Metric
from cpbench.records import Outcome
from cpbench.results.scores import crossing
from cpbench.runfolder import Run
from cpbench.stats import rows_difference
from cpbench.stats.paired import ALPHA

TOLERATED = 1.0  # points; batch sizes and hardware move that much


@dataclass(frozen=True)
class Repeated:
    """What a second run of the same system says of the first."""

    n: int  # items that both answered
    same: int  # answers that are equal, case and spaces aside
    metric: str
    entry: float  # the entry's value, in points of 100
    repeat: float
    difference: float  # entry - repeat
    low: float | None  # of its 95 % interval, clustered by recording
    high: float | None
    p: float | None

    @property
    def held(self) -> bool:
        """Whether the two are not shown to differ, or by so little that it is no matter: L3."""
        shown = self.p is None or self.p <= ALPHA
        return abs(self.difference) <= TOLERATED or not shown

    @property
    def said(self) -> str:
        ends = "" if self.low is None or self.high is None else f" ({self.low:+.1f} to {self.high:+.1f})"
        return (
            f"run again: {self.same} of {self.n} answers are the same; {self.metric} {self.entry:.1f}, in the repeat "
            f"{self.repeat:.1f}, difference {self.difference:+.1f}{ends}: "
            f"{'it held' if self.held else 'it did not hold'}"
        )

    def facts(self) -> dict[str, Any]:
        """As the history keeps it."""
        return {**asdict(self), "held": self.held, "said": self.said}


def repeat(board: Board, name: str, run: Run, author: Author) -> tuple[Board, Repeated]:
    """Hold an entry against a run of one's own, and write what came of it into the history.

    Raises UsageError for an unknown entry; UserError for an entry that cannot be read, a run of other items or without
    the entry's condition, and one without the entry's judge where the set has no labels.
    """
    entry = board.entry(name)
    checked = examine(entry.folder, board.folder)
    if checked.submission is None or checked.dataset is None or not checked.outcomes:
        raise UserError("this entry has no answers that could be read:", value=name)
    metric, judge_id = _measure_by(checked, checked.dataset)
    own = _own(run, checked, checked.dataset, judge_id)
    found = compared([one for one in checked.ranked if one.item.id in own], own, metric)
    write_event(board.folder, event("repeated", author, entry=name, facts=found.facts()))
    return open_board(board.folder), found


def compared(theirs: Sequence[Outcome], own: dict[str, Outcome], metric: Metric) -> Repeated:
    """Two columns of answers to the same items. Raises UserError where none can be compared."""
    pairs = [(one, own[one.item.id]) for one in theirs if metric.applies(one)]
    rows = [metric.rows([pair[side] for pair in pairs]) for side in (0, 1)]
    usable = ~(np.isnan(rows[0]).any(axis=1) | np.isnan(rows[1]).any(axis=1))
    if not usable.any():
        raise UserError(f"no item has a value of {metric.name} on both sides")
    part = [pair[0] for pair, ok in zip(pairs, usable, strict=True) if ok]
    recordings = [one.item.recording for one in part]
    ids = [recordings, words] if (words := crossing(part, recordings)) else [recordings]
    found = rows_difference((rows[0][usable], rows[1][usable]), metric.value, *ids)
    scale = 100 / (metric.bounds[1] - metric.bounds[0])
    ends = [None if end is None else scale * end for end in (found.estimate.low, found.estimate.high)]
    values = (scale * found.value_a, scale * found.value_b)
    same = sum(plain(a.prediction.answer) == plain(b.prediction.answer) for a, b in pairs)
    return Repeated(len(pairs), same, metric.name, *values, values[0] - values[1], ends[0], ends[1], found.p)


def _measure_by(checked: Checked, dataset: DatasetCard) -> tuple[Metric, str | None]:
    """The label metric, or where there is none the judge's score."""
    if (label := label_metric(dataset)) is not None:
        return label, None
    judge = checked.submission.judge if checked.submission else None
    return find_metrics(["judge_score"])[0], None if judge is None else judge.judge_id


def _own(run: Run, checked: Checked, dataset: DatasetCard, judge_id: str | None) -> dict[str, Outcome]:
    task = dataset.task.name
    items = [item for item in run.items if item.task == task]
    if not items or dataset_fingerprint(items) != dataset.fingerprint:
        raise UserError(
            f"{run.folder} has not the items of {task} on this board", mend="a run of the whole set, as it is"
        )
    condition = checked.submission.generation.condition if checked.submission else ""
    outcomes = [one for one in run.outcomes(condition=condition, judge_id=judge_id) if one.item.task == task]
    if len(outcomes) < len(items):
        raise UserError(f"{run.folder} answers {len(outcomes)} of {len(items)} items under", value=condition)
    if judge_id is not None and not any(one.judgements for one in outcomes):
        raise UserError(
            f"{run.folder} was not judged by the entry's judge:", value=judge_id[:12], mend="cpbench judge run"
        )
    return {one.item.id: one for one in outcomes}
