"""From a board to its site: one static page, the same as JSON and CSV, and an Every Eval Ever log of each entry.

The same board gives the same bytes, whenever and wherever it is built. An entry or a judge's card that cannot be read
is named, on the page too, and the rest is built.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cpbench.exports import export
from cpbench.flow.ledger import write_whole
from cpbench.leaderboard.board import Board, Entry
from cpbench.leaderboard.datasets import load_dataset
from cpbench.leaderboard.layout import Found, layout, table_csv
from cpbench.leaderboard.measure import Broken, Measured, measure_all
from cpbench.leaderboard.page import page
from cpbench.leaderboard.tables import Table, parted, tables_of
from cpbench.records import JudgeSheet, ModelCard, Results

LOGS = "every_eval_ever"
TOP = 10  # entries of a table that are named on the terminal
_KINDS: Mapping[str, Literal["end_to_end", "cascade", "null"]] = {"cascade": "cascade", "null": "null"}


@dataclass(frozen=True)
class Built:
    """What was built."""

    paths: tuple[Path, ...]
    tables: tuple[Table, ...]
    broken: tuple[Broken, ...]  # entries, then cards
    made: Mapping[str, Any]  # board.json

    @property
    def exit_code(self) -> int:
        """0, or 1 where an entry or a judge's card could not be read."""
        return 1 if self.broken else 0


def build(board: Board, out: Path, *, jobs: int | None = None) -> Built:
    """Build the site of a board in the folder `out`, by `jobs` processes (None: one a core).

    Raises UserError for a set's card that cannot be read; a broken entry is no error, but is told.
    """
    found = look(board, jobs=jobs)
    made = layout(found)
    written = [
        _write(out / "index.html", page(made)),
        _write(out / "board.json", json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False) + "\n"),
        _write(out / "board.csv", table_csv(made)),
    ]
    if (out / LOGS).is_dir():
        shutil.rmtree(out / LOGS)  # of an earlier build, whose entries may be other ones
    for one in found.measured:
        if board.entry(one.entry).standing.withdrawn is None:
            written += export("eee", results_of(board, one), out / LOGS, options=_options(board, one))
    cards = [Broken(f"judge {judge_id}", why) for judge_id, why in board.broken_cards.items()]
    return Built(tuple(written), tuple(found.tables), (*found.broken, *cards), made)


def look(board: Board, *, jobs: int | None = None) -> Found:
    """Measure and rank everything on a board."""
    entries = [entry for entry in board.entries if not entry.is_claim]
    lost = [Broken(entry.id, why) for entry in entries if (why := _lost(entry)) is not None]
    whole = [entry.id for entry in entries if _lost(entry) is None]
    measured, broken = parted(measure_all(board.folder, whole, board.rules.metrics, jobs=jobs))
    return Found(board, tables_of(board, measured), measured, [*lost, *broken])


def results_of(board: Board, one: Measured) -> Results:
    """An entry as the exports take it."""
    said, entry = one.submission, board.entry(one.entry)
    judge = said.judge
    model = ModelCard(
        said.system.name,
        said.system.backbone or "unknown",
        said.system.revision,
        kind=_KINDS.get(said.system.kind, "end_to_end"),
        third_party=said.system.kind == "api",
        condition=said.generation.condition,
        tag_template=said.generation.tag_template,
    )
    usage = {key: value for key, value in said.usage.model_dump().items() if isinstance(value, int | float)}
    cards = {} if judge is None else {judge.judge_id: board.card(judge.judge_id)}
    sheets = {} if judge is None else {judge.judge_id: JudgeSheet(judge.name, judge.members)}
    tasks = (load_dataset(board.folder, said.dataset.fingerprint).task,)
    return Results(one.entry, model, tasks, one.scores, cards, usage, sheets=sheets, time=entry.added)


def _options(board: Board, one: Measured) -> dict[str, str]:
    """What the store wants to know: the board evaluated, and each system is somebody's."""
    made = {"organisation": board.rules.title, "relationship": "other"}
    return made | ({"developer": one.submission.system.organisation} if one.submission.system.organisation else {})


def _lost(entry: Entry) -> str | None:
    """Why an entry is none: its folder is gone, or nobody added it."""
    if not entry.folder.is_dir():
        return "the history names it, and its folder is not there"
    return None if entry.added else "the history does not know it: cpbench leaderboard add brings submissions in"


def _write(path: Path, text: str) -> Path:
    write_whole(path, text.encode())
    return path


def sentences(built: Built) -> Iterator[str]:
    """What was built, for the terminal."""
    for table in built.tables:
        judge = "labels" if table.judge is None else f"{table.judge.name} ({table.card})"
        yield f"{table.dataset.task.name} by {table.metric.name}, {judge}: {len(table.rows)} entries"
        yield from _top(table)
    yield from (f"! {one.entry}: {one.why}" for one in built.broken)


def _top(table: Table) -> Iterator[str]:
    digits = 1 if table.metric.bounds[1] > 1 else 3
    for row in table.rows[:TOP]:
        place = row.place
        rank = f"{place.best}-{place.worst}" if place is not None and place.best is not None else "–"
        yield f"  {rank:>7}  {row.score.estimate.value:.{digits}f}  {row.id}"
    if (more := len(table.rows) - TOP) > 0:
        yield f"  and {more} more: index.html has all"
