"""Systems that are no systems: those that repeat the question, and near-copies of another one.

A correlation over systems is lifted by whatever stands far out (three null baselines beside five systems: from .5 to
.97) and by whatever stands twice, so these are shown and never counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpbench.metrics.classification import predicted
from cpbench.records import Outcome

ECHOED = 0.5  # share of the answers that are the question
EQUAL = 0.95  # share of the answers that are the same words
EQUAL_WRONG = 0.9  # the same, of the items on which at least one is not right: good systems agree when they are right


def echoes(outcomes: Sequence[Outcome]) -> bool:
    """Whether a system mostly repeats what it was asked."""
    asked = [{_plain(one.item.question), _plain(one.item.prompt)} - {""} for one in outcomes]
    repeated = sum(_plain(one.prediction.answer) in words for one, words in zip(outcomes, asked, strict=True))
    return repeated > ECHOED * len(outcomes) > 0


def not_counted(outcomes: Sequence[Outcome], earlier: Mapping[str, Sequence[Outcome]]) -> str | None:
    """Why a system does not count beside those before it; None: it does."""
    for name, others in earlier.items():
        if _copies(outcomes, others):
            return f"nearly the same answers as {name}"
    return None


def _copies(mine: Sequence[Outcome], others: Sequence[Outcome]) -> bool:
    theirs = {(one.item.task, one.item.id): one for one in others}
    pairs = [(one, theirs[key]) for one in mine if (key := (one.item.task, one.item.id)) in theirs]
    if not pairs or 2 * len(pairs) < len(mine):
        return False
    doubtful = [pair for pair in pairs if any(predicted(one) != one.item.label for one in pair)]
    return _equal(pairs) >= EQUAL and (not doubtful or _equal(doubtful) >= EQUAL_WRONG)


def _equal(pairs: Sequence[tuple[Outcome, Outcome]]) -> float:
    return sum(_plain(a.prediction.answer) == _plain(b.prediction.answer) for a, b in pairs) / len(pairs)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!?")
