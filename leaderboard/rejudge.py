"""L2: a random sample of an entry's answers is judged again, by the same judge, for the board's maintainer.

A forged judgement is one that the judge would not give. Of 100 answers drawn at random, a share of 3 % that is forged
shows in at least one with 95 % probability: 1 - .97^100 = .952. How many may differ by the judge's own noise is on its
validity card.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cpbench.errors import UserError
from cpbench.leaderboard.again import Asking, Pair, answers_of, items_with_texts, judged_again, open_judge
from cpbench.leaderboard.board import Board, open_board
from cpbench.leaderboard.history import Author, event, write_event
from cpbench.stats import cluster_interval
from cpbench.stats.diagnostic import clopper_pearson

OFF = 10.0  # points: a score that differs by more is off; half a step of a scale from 0 to 5
COVERED = 0.95  # of the sample, under which nothing is said
LIMIT = 0.10


@dataclass(frozen=True)
class Sample:
    """What is judged again."""

    n: int = 100
    seed: int = 0
    limit: float = LIMIT  # the check holds where the bound of the share that is off is at most this


@dataclass(frozen=True)
class Rejudged:
    """What came of it; all shares are of the answers that were scored again."""

    n: int  # answers drawn
    scored: int  # of them, by the judge, again
    same: int  # with the very same score
    off: int  # by more than OFF points
    favourable: int  # of those that are off: the entry's own judgement is the higher one
    bound: float  # one-sided 95 % upper bound of the share that is off (Clopper-Pearson)
    shift: float  # mean of the new score minus the entry's, in points
    low: float | None  # of its 95 % interval, clustered by recording
    high: float | None
    limit: float
    seed: int

    @property
    def held(self) -> bool:
        """Whether the entry's judgements stand: L2."""
        return self.scored >= COVERED * self.n and self.bound <= self.limit

    @property
    def said(self) -> str:
        ends = "" if self.low is None or self.high is None else f" ({self.low:+.1f} to {self.high:+.1f})"
        verdict = "it held" if self.held else "it did not hold"
        if self.scored < COVERED * self.n:
            verdict = f"nothing can be said: the judge scored {self.scored} of {self.n}"
        return (
            f"{self.scored} answers judged again: {self.same} with the same score, {self.off} off by more than {OFF:g} "
            f"points ({self.favourable} of them in the entry's favour), so at most {100 * self.bound:.1f} % of all are "
            f"(95 %, one-sided; the limit is {100 * self.limit:g} %); "
            f"mean shift {self.shift:+.1f} points{ends}: {verdict}"
        )

    def facts(self) -> dict[str, Any]:
        """As the history keeps it."""
        return {**asdict(self), "held": self.held, "said": self.said}


def rejudge(board: Board, name: str, sample: Sample, asking: Asking, author: Author) -> tuple[Board, Rejudged]:
    """Judge a random sample of an entry's answers again, and write what came of it into the history.

    Raises UsageError for an unknown entry, UserError for one that no judge has scored, another judge, items whose texts
    are not there, and a judge that scores nothing.
    """
    entry = board.entry(name)
    dataset, judged = answers_of(board, entry)
    judge_id = judged[0].judgements[0].judge_id
    judge = open_judge(asking, judge_id, dataset.task)
    items = items_with_texts(dataset, judge, asking.items)
    drawn = random.Random(f"{sample.seed}/{name}").sample(judged, min(sample.n, len(judged)))
    found = measured(judged_again(judge, drawn, items, asking.log), sample)
    facts = {"judge": judge.name, "judge_id": judge_id, **found.facts()}
    write_event(board.folder, event("rejudged", author, entry=name, facts=facts))
    return open_board(board.folder), found


def measured(pairs: Sequence[Pair], sample: Sample) -> Rejudged:
    """What two judgements of each answer say. Raises UserError where the judge scored none of them."""
    both = [(one, one.after - one.before) for one in pairs if one.after is not None]
    if not both:
        raise UserError("the judge has scored none of the answers again; nothing was written")
    moved = np.array([change for _, change in both])
    shift = float(moved.mean())
    interval = cluster_interval(shift, moved - shift, [one.outcome.item.recording for one, _ in both])
    off = [change for change in moved.tolist() if abs(change) > OFF]
    return Rejudged(
        len(pairs),
        len(both),
        int((np.abs(moved) < 1e-9).sum()),
        len(off),
        sum(change < 0 for change in off),
        clopper_pearson(len(off), len(both), sided=1)[1],
        shift,
        interval.low,
        interval.high,
        sample.limit,
        sample.seed,
    )
