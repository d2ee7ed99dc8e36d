"""How much a judge's score moves when nothing but the judge's own chance does."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cpbench.records import Judgement


@dataclass(frozen=True)
class Noise:
    """Of the items that were judged more than once."""

    items: int
    repeats: int  # of an item, at most
    sd: float  # of one score of an item, pooled over the items, in points of 100
    flips: float  # share of the pairs of repeats of an item of which one calls it correct and one does not


def noise(repeated: Iterable[Sequence[Judgement]], correct_score: float) -> Noise | None:
    """The noise over items' repeats; None where no item has two scored judgements.

    The SD is sqrt(sum of squared deviations from each item's mean / (judgements - items)).

    >>> def judged(*scores):
    ...     return [Judgement(str(n), "i", "t", "audio", "", "j", "ok", s, repeat=n) for n, s in enumerate(scores)]
    >>> noise([judged(80.0, 100.0), judged(60.0, 40.0), judged(100.0)], correct_score=60.0)
    Noise(items=2, repeats=2, sd=14.142135623730951, flips=0.5)
    """
    scored = [[one.score for one in each if one.score is not None] for each in repeated]
    several = [scores for scores in scored if len(scores) > 1]
    if not several:
        return None
    squares = sum((score - statistics.fmean(scores)) ** 2 for scores in several for score in scores)
    freedom = sum(len(scores) - 1 for scores in several)
    pairs = [pair for scores in several for pair in itertools.combinations(scores, 2)]
    flipped = sum((a >= correct_score) != (b >= correct_score) for a, b in pairs)
    return Noise(len(several), max(map(len, several)), (squares / freedom) ** 0.5, flipped / len(pairs))
