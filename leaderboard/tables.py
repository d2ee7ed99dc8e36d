"""The tables of a board: entries that may be compared, ranked; one for each set, split, judge and version of metrics.

Nothing is ranked across tables. A set whose items have labels has a table without a judge; every judge who scored an
entry of a set has one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from cpbench.judges import NOT_VALIDATED
from cpbench.leaderboard.board import Board, Entry
from cpbench.leaderboard.datasets import DatasetCard, load_dataset
from cpbench.leaderboard.measure import Broken, Column, Gain, Measured, ground_words
from cpbench.leaderboard.ranking import Ground, Place, Ranking, rank
from cpbench.leaderboard.rescored import METRICS_VERSION
from cpbench.leaderboard.schema import JudgeFacts
from cpbench.metrics import find_metrics
from cpbench.parts import Metric
from cpbench.records import QTYPES, Score

Role = Literal["system", "baseline", "cascade", "copy", "withdrawn"]
SPOKEN: Mapping[Role, str] = {
    "system": "system",
    "baseline": "null baseline: not counted",
    "cascade": "cascade: stands beside the systems, not counted",
    "copy": "the same answers as another entry: not counted",
    "withdrawn": "withdrawn: not ranked",
}


@dataclass(frozen=True)
class Row:
    """An entry in a table."""

    entry: Entry
    measured: Measured
    role: Role
    place: Place | None  # None: withdrawn
    score: Score  # of the main metric
    scores: Mapping[tuple[str, str], Score]  # (metric, slice) -> every score of this table's kind
    gains: tuple[Gain, ...]
    copy_of: str | None = None

    @property
    def id(self) -> str:
        return self.entry.id


@dataclass(frozen=True)
class Table:
    """Entries that may be compared."""

    dataset: DatasetCard
    split: str
    judge: JudgeFacts | None
    card: str  # of the judge: its validity card's line, or "not validated"; "" without a judge
    metric: Metric
    rows: tuple[Row, ...]  # the best value first, the withdrawn last
    ranking: Ranking

    @cached_property
    def id(self) -> str:
        """Its anchor on the page, and its name in the files: the set, and who judged."""
        judge = "labels" if self.judge is None else self.judge.judge_id[:12]
        return f"{self.dataset.task.name}-{self.dataset.fingerprint.rpartition(':')[2][:12]}-{judge}"

    @property
    def version(self) -> int:
        return METRICS_VERSION

    @cached_property
    def types(self) -> list[str]:
        """The question types that the main metric has scores for."""
        found = {name for row in self.rows for metric, name in row.scores if metric == self.metric.name}
        return [name for name in QTYPES if name in found]

    @cached_property
    def others(self) -> list[str]:
        """The metrics beside the main one, over all items."""
        asked = {metric for row in self.rows for metric, name in row.scores if name == "all"} - {self.metric.name}
        return [name for name in (*self.dataset.task.metrics, "judge_score_uas") if name in asked]

    @cached_property
    def baselines(self) -> list[Row]:
        return [row for row in self.rows if row.role == "baseline"]

    def best_baseline(self) -> Row | None:
        """The null baseline with the best value: what a system should be better than."""
        return next(iter(self.baselines), None)


def tables_of(board: Board, measured: Sequence[Measured]) -> list[Table]:
    """Return the board's tables: sets by name, without a judge before judges by name."""
    groups: dict[tuple[str, str, str | None], list[Measured]] = {}
    for one in measured:
        for judge_id in one.columns:
            groups.setdefault((one.submission.dataset.fingerprint, one.submission.dataset.split, judge_id), []).append(
                one
            )
    found = [_table(board, fingerprint, judge_id, group) for (fingerprint, _, judge_id), group in groups.items()]
    return sorted(found, key=lambda one: (one.dataset.task.name, one.dataset.fingerprint, one.split, _order(one)))


def _order(table: Table) -> tuple[bool, str, str]:
    judge = table.judge
    return (False, "", "") if judge is None else (True, judge.name, judge.judge_id)


def _table(board: Board, fingerprint: str, judge_id: str | None, group: Sequence[Measured]) -> Table:
    dataset = load_dataset(board.folder, fingerprint)
    metric = find_metrics([next(iter(group)).columns[judge_id].metric])[0]
    columns = {one.entry: one.columns[judge_id] for one in group}
    roles, twins = _roles(board, group)
    kept = [one.entry for one in group if roles[one.entry] != "withdrawn"]
    ranking = _ranking(dataset, {entry: columns[entry] for entry in kept}, metric, roles)
    places = {place.entry: place for place in ranking.places}
    rows = [
        _row(board, one, (roles[one.entry], twins.get(one.entry)), places.get(one.entry), (metric, judge_id))
        for one in group
    ]
    judge = group[0].submission.judge if judge_id is not None else None
    line = "" if judge_id is None else board.card(judge_id)
    split = group[0].submission.dataset.split
    return Table(dataset, split, judge, _said(judge, line), metric, tuple(_ordered(rows, metric)), ranking)


def _said(judge: JudgeFacts | None, line: str) -> str:
    """The card's line; a simulated judge is called so whatever else is known of it."""
    simulated = judge is not None and judge.simulated and not line.startswith("simulated")
    return f"simulated, {line}" if simulated else line


def _ranking(dataset: DatasetCard, columns: Mapping[str, Column], metric: Metric, roles: Mapping[str, Role]) -> Ranking:
    """Ranks over the items that the metric is for."""
    asked = np.zeros(len(dataset.items), dtype=bool)
    for column in columns.values():
        asked |= ~np.isnan(column.rows).any(axis=1)
    words = ground_words(dataset)
    items = [item for item, ok in zip(dataset.items, asked, strict=True) if ok]
    ground = Ground(
        [item.recording for item in items],
        None if words is None else [word for word, ok in zip(words, asked, strict=True) if ok],
    )
    rows = {entry: column.rows[asked] for entry, column in columns.items()}
    return rank(rows, metric, ground, beside=[entry for entry in rows if roles[entry] != "system"])


def _roles(board: Board, group: Sequence[Measured]) -> tuple[dict[str, Role], dict[str, str]]:
    """What each entry of a table is, and whose answers it repeats: the first added is the one that counts."""
    roles: dict[str, Role] = {}
    twins: dict[str, str] = {}
    first: dict[str, str] = {}
    for one in group:
        kind = one.submission.system.kind
        if board.entry(one.entry).standing.withdrawn is not None:
            roles[one.entry] = "withdrawn"
        elif kind == "null":
            roles[one.entry] = "baseline"
        elif kind == "cascade" and board.rules.cascades == "beside":
            roles[one.entry] = "cascade"
        elif one.answers in first:
            roles[one.entry], twins[one.entry] = "copy", first[one.answers]
        else:
            roles[one.entry] = "system"
            first[one.answers] = one.entry
    return roles, twins


def _row(
    board: Board,
    one: Measured,
    what: tuple[Role, str | None],
    place: Place | None,
    by: tuple[Metric, str | None],
) -> Row:
    metric, judge_id = by
    scores = {(score.metric, score.slice): score for score in _of_table(one, judge_id)}
    role, twin = what
    gains = one.columns[judge_id].gains
    return Row(board.entry(one.entry), one, role, place, scores[metric.name, "all"], scores, gains, twin)


def _of_table(one: Measured, judge_id: str | None) -> Iterator[Score]:
    """The entry's scores under its main condition, by the labels or by the judge."""
    condition = one.submission.generation.condition
    return (score for score in one.scores if (score.condition, score.judge_id) == (condition, judge_id))


def _ordered(rows: Sequence[Row], metric: Metric) -> list[Row]:
    """The best value first; of equal ones a copy after what it repeats; the withdrawn at the end."""
    up = -1 if metric.higher_is_better else 1

    def place(row: Row) -> tuple[bool, float, bool, str]:
        return row.role == "withdrawn", up * row.score.estimate.value, row.role == "copy", row.id

    return sorted(rows, key=place)


def parted(found: Sequence[Measured | Broken]) -> tuple[list[Measured], list[Broken]]:
    """Entries that could be measured, and those that could not."""
    return [one for one in found if isinstance(one, Measured)], [one for one in found if isinstance(one, Broken)]


def validated(table: Table) -> bool:
    """Whether its judge has a card that says PASS."""
    return NOT_VALIDATED not in table.card and "PASS" in table.card
