"""Does a judge still judge as it did? A fixed set of answers on the board, judged again whenever a submission comes in.

A provider changes a model behind its name, and every later entry is measured by another judge. The anchors of a judge
are drawn once, from the entries that it judged by then, and kept with their scores in `anchors/<judge_id>.json`; what
it says of them later, minus that, is its drift.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpbench.errors import UserError
from cpbench.fingerprint import text_sha256
from cpbench.flow.ledger import adapter, write_whole
from cpbench.leaderboard.again import Asking, Pair, answers_of, items_with_texts, judged_again, open_judge
from cpbench.leaderboard.board import Board, Entry, open_board
from cpbench.leaderboard.flags import PLAIN
from cpbench.leaderboard.history import Author, event, write_event
from cpbench.records import Outcome
from cpbench.stats import cluster_interval

ANCHORS = 50
THRESHOLD = 2.0  # points; a smaller shift changes no conclusion of a board whose intervals are wider


@dataclass(frozen=True)
class Anchor:
    """An answer on the board, and the score that it had when it was chosen."""

    entry: str
    item_id: str
    answer_sha256: str
    score: float


@dataclass(frozen=True)
class Anchors:
    """The fixed answers of one judge."""

    judge_id: str
    seed: int
    answers: tuple[Anchor, ...]


@dataclass(frozen=True)
class Drift:
    """How far a judge has moved: the new scores minus the old ones, in points."""

    judge: str
    judge_id: str
    n: int
    shift: float
    low: float | None  # of its 95 % interval, clustered by recording
    high: float | None
    threshold: float

    @property
    def drifted(self) -> bool:
        """Whether it has moved by more than the threshold, and not by chance."""
        if self.low is None or self.high is None:
            return abs(self.shift) > self.threshold
        return abs(self.shift) > self.threshold and not self.low <= 0 <= self.high

    @property
    def said(self) -> str:
        ends = "" if self.low is None or self.high is None else f" ({self.low:+.1f} to {self.high:+.1f})"
        verdict = (
            "the judge has drifted: later entries are not comparable with earlier ones"
            if self.drifted
            else ("no drift shown")
        )
        return f"{self.judge}, {self.n} anchors judged again: shift {self.shift:+.1f} points{ends}; {verdict}"

    def facts(self) -> dict[str, Any]:
        """As the history keeps it."""
        return {**asdict(self), "drifted": self.drifted, "said": self.said}


def anchors(board: Board, judge_id: str, *, n: int = ANCHORS, seed: int = 0) -> Anchors:
    """The judge's anchors: as they were chosen once, or chosen and written now. Raises UserError for none."""
    name = judge_id if PLAIN.fullmatch(judge_id) else text_sha256(judge_id)
    path = board.folder / "anchors" / f"{name}.json"
    if path.is_file():
        return _read(path, judge_id)
    pool = [(entry, one) for entry in _judged_by(board, judge_id) for one in answers_of(board, entry)[1]]
    pool = [(entry, one) for entry, one in pool if one.prediction.answer.strip()]
    if not pool:
        raise UserError("no entry on this board has answers that this judge scored:", value=judge_id[:12])
    drawn = random.Random(f"{seed}/{judge_id}").sample(pool, min(n, len(pool)))
    chosen = sorted((_anchor(entry, one) for entry, one in drawn), key=lambda one: (one.entry, one.item_id))
    made = Anchors(judge_id, seed, tuple(chosen))
    write_whole(path, json.dumps(asdict(made), indent=1).encode() + b"\n")
    return made


def drift(board: Board, judge_id: str, asking: Asking, author: Author, *, n: int = ANCHORS) -> tuple[Board, Drift]:
    """Judge the anchors again, and write the shift into the history. Raises UserError as `rejudge` does."""
    fixed = anchors(board, judge_id, n=n)
    pairs: list[Pair] = []
    name = ""
    for entry in dict.fromkeys(one.entry for one in fixed.answers):
        mine = {one.item_id: one for one in fixed.answers if one.entry == entry}
        dataset, judged = answers_of(board, board.entry(entry))
        judge = open_judge(asking, judge_id, dataset.task)
        outcomes = [one for one in judged if one.item.id in mine]
        found = judged_again(judge, outcomes, items_with_texts(dataset, judge, asking.items), asking.log)
        pairs += [Pair(one.outcome, mine[one.outcome.item.id].score, one.after) for one in found]
        name = judge.name
    found_drift = measured(pairs, (name, judge_id))
    write_event(board.folder, event("drift", author, facts=found_drift.facts()))
    return open_board(board.folder), found_drift


def measured(pairs: Sequence[Pair], judge: tuple[str, str], threshold: float = THRESHOLD) -> Drift:
    """The shift of two scores each. Raises UserError where the judge scored none of them again."""
    both = [(one.outcome.item.recording, one.after - one.before) for one in pairs if one.after is not None]
    if not both:
        raise UserError("the judge has scored none of its anchors again; nothing was written")
    moved = np.array([change for _, change in both])
    shift = float(moved.mean())
    interval = cluster_interval(shift, moved - shift, [recording for recording, _ in both])
    return Drift(*judge, len(both), shift, interval.low, interval.high, threshold)


def _judged_by(board: Board, judge_id: str) -> list[Entry]:
    """The entries of this judge that stand: the first ones first."""
    found = []
    for entry in board.entries:
        if entry.is_claim or entry.standing.withdrawn is not None or not entry.added:
            continue
        judge = entry.submission.judge
        if judge is not None and judge.judge_id == judge_id and entry.submission.system.kind != "null":
            found.append(entry)
    return found


def _anchor(entry: Entry, one: Outcome) -> Anchor:
    return Anchor(entry.id, one.item.id, text_sha256(one.prediction.answer), float(one.score or 0.0))


def _read(path: Path, judge_id: str) -> Anchors:
    import pydantic

    try:
        held: Mapping[str, Any] = json.loads(path.read_bytes())
        found: Anchors = adapter(Anchors).validate_python(held)
    except (ValueError, pydantic.ValidationError) as error:
        raise UserError(
            f"{path} does not hold a judge's anchors: {error}", mend="the file as it was committed"
        ) from None
    if found.judge_id != judge_id:
        raise UserError(f"{path} holds the anchors of another judge:", value=found.judge_id)
    return found
