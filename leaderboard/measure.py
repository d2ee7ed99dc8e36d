"""One entry, read again from its bytes and scored: what its row on the board is made of.

Nothing that the submission says of its own scores is used. Entries are measured apart from each other, so a board of
many is measured by several processes.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.conditions import Kind, kind
from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.leaderboard.check import Checked, examine
from cpbench.leaderboard.codes import Finding
from cpbench.leaderboard.datasets import DatasetCard
from cpbench.leaderboard.parsing import parse
from cpbench.leaderboard.rescored import join, rescore
from cpbench.leaderboard.schema import Submission
from cpbench.metrics import find_metrics
from cpbench.parts import Metric
from cpbench.records import AnswerStatus, Estimate, Outcome, Prediction, Score
from cpbench.results.scores import crossing
from cpbench.stats import rows_difference

Array = npt.NDArray[np.floating[Any]]
WITHOUT: tuple[Kind, ...] = ("other", "silent", "words")
"""The kinds of condition that a listening gain is measured against: the clip is not played."""
FAILED: tuple[AnswerStatus, ...] = ("error", "refused", "truncated", "empty")
CLAIMS = frozenset({"score_mismatch", "score_set"})
FEW = 16  # entries under which no further process is worth its start


@dataclass(frozen=True)
class Gain:
    """What the clip is worth: the main condition minus one in which it is not played."""

    condition: str
    estimate: Estimate
    p: float | None


@dataclass(frozen=True)
class Column:
    """An entry in one table: by its main metric, made by one judge or none."""

    metric: str
    rows: Array  # (N, D) of the set's items in the order of their ids; NaN: no usable answer, or not of this metric
    gains: tuple[Gain, ...]


@dataclass(frozen=True)
class Measured:
    """What an entry's files hold."""

    entry: str
    submission: Submission
    scores: tuple[Score, ...]
    columns: Mapping[str | None, Column]  # judge_id, or None for the label metric
    answers: str  # the digest of what it answered under the main condition
    statuses: Mapping[str, int]  # of those answers
    flags: tuple[Finding, ...]


@dataclass(frozen=True)
class Broken:
    """An entry that cannot be read, and why."""

    entry: str
    why: str


def measure_all(
    board: Path, entries: Sequence[str], metrics: Mapping[str, str], *, jobs: int | None = None
) -> list[Measured | Broken]:
    """Measure entries in their order, by `jobs` processes (None: as many as there are cores to use).

    `metrics`: what the board ranks a task by, where that is not the task's own choice.
    """
    work = [(board, entry, dict(metrics)) for entry in entries]
    jobs = jobs or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if jobs == 1 or len(work) < FEW:
        return [_measured(each) for each in work]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(_measured, work, chunksize=4))


def measure(board: Path, entry: str, metrics: Mapping[str, str]) -> Measured:
    """Measure one entry. Raises UserError where its files are not whole, or would be refused as a submission.

    What it claims of its scores is no part of that once it is on the board: another version of a metric would make
    every older entry a liar.
    """
    checked = examine(board / "entries" / entry, board)
    wrong = [one for one in checked.findings if one.fatal and one.code not in CLAIMS]
    if wrong or checked.submission is None or checked.dataset is None:
        raise UserError(f"{wrong[0].code}: {wrong[0].what}" if wrong else "nothing could be read")
    submission, dataset = checked.submission, checked.dataset
    judge_id = submission.judge.judge_id if submission.judge else None
    outcomes = checked.outcomes or _joined(checked, dataset)
    main = [one for one in outcomes if one.prediction.condition == submission.generation.condition]
    wanted = metrics.get(dataset.task.name)
    return Measured(
        entry,
        submission,
        checked.scores or rescore(outcomes, dataset, judge_id),
        dict(_columns(outcomes, main, dataset, (judge_id, wanted))),
        digest([[one.prediction.answer, one.prediction.status] for one in main]),
        {name: sum(one.prediction.status == name for one in main) for name in FAILED},
        tuple(one for one in checked.findings if not one.fatal),
    )


def _joined(checked: Checked, dataset: DatasetCard) -> tuple[Outcome, ...]:
    parsed = parse(checked.files)
    return join(parsed.submission, dataset, parsed.answers, parsed.judged)


def label_metric(dataset: DatasetCard, wanted: str | None = None) -> Metric | None:
    """What a set is ranked by without a judge: `wanted`, else that of its label metrics which counts the most items.

    None for a set whose items have no labels. Raises UserError for a wanted metric that the set does not have.
    """
    asked = [Outcome(item, Prediction(item.id, item.task, "audio", "", None, "", "empty")) for item in dataset.items]
    named = [metric for metric in find_metrics(dataset.task.metrics) if not metric.judged]
    if wanted is not None and wanted not in dataset.task.metrics:
        raise UserError(f"board.yaml ranks {dataset.task.name} by", value=wanted, allowed=[one.name for one in named])
    usable = [metric for metric in named if wanted in (None, metric.name) and any(map(metric.applies, asked))]
    return max(usable, key=lambda metric: sum(map(metric.applies, asked)), default=None)


def ground_words(dataset: DatasetCard) -> list[str] | None:
    """The words of each item, where they recur in several recordings: the second identity of its clusters."""
    asked = [Outcome(item, Prediction(item.id, item.task, "audio", "", None, "", "empty")) for item in dataset.items]
    return crossing(asked, [item.recording for item in dataset.items])


def _measured(work: tuple[Path, str, Mapping[str, str]]) -> Measured | Broken:
    board, entry, metrics = work
    try:
        return measure(board, entry, metrics)
    except UserError as error:
        return Broken(entry, " ".join(str(error).split("\n  try:")[0].split()))


def _columns(
    outcomes: Sequence[Outcome], main: Sequence[Outcome], dataset: DatasetCard, by: tuple[str | None, str | None]
) -> Iterator[tuple[str | None, Column]]:
    """The entry's columns: by the label metric where there is one, and by the judge."""
    judge_id, wanted = by
    others: dict[str, list[Outcome]] = {}
    for one in outcomes[len(main) :]:
        others.setdefault(one.prediction.condition, []).append(one)
    if (label := label_metric(dataset, wanted)) is not None:
        yield None, _column(main, others, label)
    if judge_id is not None:
        judged = {name: part for name, part in others.items() if any(one.judgements for one in part)}
        yield judge_id, _column(main, judged, find_metrics(["judge_score"])[0])


def _column(main: Sequence[Outcome], others: Mapping[str, Sequence[Outcome]], metric: Metric) -> Column:
    rows = _rows(main, metric)
    found = []
    for condition, part in others.items():
        if kind(condition) in WITHOUT:
            gain = _gain((rows, _rows(part, metric)), metric, main)
            found += [] if gain is None else [Gain(condition, *gain)]
    return Column(
        metric.name, rows, tuple(sorted(found, key=lambda one: (WITHOUT.index(kind(one.condition)), one.condition)))
    )


def _rows(part: Sequence[Outcome], metric: Metric) -> Array:
    """The metric's rows of all items (N, D)."""
    at = [place for place, one in enumerate(part) if metric.applies(one)]
    own = metric.rows([part[place] for place in at])
    rows = np.full((len(part), own.shape[1]), np.nan)
    rows[at] = own
    return rows


def _gain(rows: tuple[Array, Array], metric: Metric, main: Sequence[Outcome]) -> tuple[Estimate, float | None] | None:
    common: npt.NDArray[np.bool_] = np.asarray(~(np.isnan(rows[0]).any(axis=1) | np.isnan(rows[1]).any(axis=1)))
    if not common.any():
        return None
    part = [one for one, ok in zip(main, common, strict=True) if ok]
    recordings = [one.item.recording for one in part]
    ids = [recordings, words] if (words := crossing(part, recordings)) else [recordings]
    found = rows_difference((rows[0][common], rows[1][common]), metric.value, *ids)
    return found.estimate, found.p
