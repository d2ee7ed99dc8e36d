"""Which items one system got right and the other did not: by the label, else by the judge, else by the words.

What "right" means is said with every item: an item with a label and options is right where the label read from the
answer is its own; another one where the judge's score reaches what its prompt calls correct; without a judge where
`overlap_score`, which is no judge, is 50 or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cpbench.comparison.pairs import Paired
from cpbench.flow.ledger import adapter, write_whole
from cpbench.metrics.classification import labelled, predicted
from cpbench.metrics.overlap import has_truth, overlap_score
from cpbench.records import QTYPES, Outcome

ENOUGH = 50.0  # of overlap_score
Basis = Literal["label", "judge", "overlap (no LLM judge)"]


@dataclass(frozen=True)
class Found:
    """Whether an answer is right, and by what."""

    right: bool
    basis: Basis


@dataclass(frozen=True)
class Alone:
    """An item that one system got right and the other did not; texts are None where the task's rights forbid them."""

    task: str
    item_id: str
    type: str | None
    recording: str
    right: str  # the system that is
    wrong: str
    basis: Basis
    question: str | None = None
    reference: str | None = None
    answer_right: str | None = None
    answer_wrong: str | None = None

    @property
    def key(self) -> str:
        return f"{self.task}/{self.item_id}/{self.right}/{self.wrong}"


@dataclass(frozen=True)
class Table:
    """How many items of a slice both, one and neither of two systems got right."""

    task: str
    slice: str
    a: str
    b: str
    both: int
    only_a: int
    only_b: int
    neither: int


def is_right(outcome: Outcome, correct_score: float | None) -> Found | None:
    """Return whether an answer is right; None where nothing says so, or it failed. `correct_score`: the judge's."""
    if outcome.prediction.status == "error":
        return None
    if labelled(outcome):
        return Found(predicted(outcome) == outcome.item.label, "label")
    if correct_score is not None:
        return None if outcome.score is None else Found(outcome.score >= correct_score, "judge")
    return Found(overlap_score(outcome) >= ENOUGH, "overlap (no LLM judge)") if has_truth(outcome) else None


def alone(
    paired: Paired, names: tuple[str, str], *, with_text: frozenset[str], correct_score: float | None = None
) -> tuple[list[Alone], list[Table]]:
    """Return the items that only one of two systems got right, and the counts by task and type.

    `with_text`: the tasks whose rights let their texts be shown.
    """
    found: list[Alone] = []
    counts: dict[tuple[str, str], list[int]] = {}
    for a, b in zip(paired.a, paired.b, strict=True):
        said = is_right(a, correct_score), is_right(b, correct_score)
        if said[0] is None or said[1] is None:
            continue
        for slice_ in ("all", a.item.type):
            if slice_ is not None:
                counts.setdefault((a.item.task, slice_), [0, 0, 0, 0])[
                    2 * (not said[0].right) + (not said[1].right)
                ] += 1
        if said[0].right and not said[1].right:
            found.append(_alone((a, b), names, said[0].basis, with_text))
        elif said[1].right and not said[0].right:
            found.append(_alone((b, a), names[::-1], said[0].basis, with_text))
    order = ["all", *QTYPES]
    tables = sorted(counts.items(), key=lambda each: (each[0][0], order.index(each[0][1])))
    return found, [Table(*key, *names, *count) for key, count in tables]


def _alone(sides: Sequence[Outcome], names: Sequence[str], basis: Basis, with_text: frozenset[str]) -> Alone:
    item = sides[0].item
    found = Alone(item.task, item.id, item.type, item.recording, names[0], names[1], basis)
    if item.task not in with_text:
        return found
    reference = item.references[0] if item.references else item.label
    answers = [side.prediction.answer for side in sides]
    return Alone(*_fields(found), item.question, reference, answers[0], answers[1])


def _fields(one: Alone) -> tuple[str, str, str | None, str, str, str, Basis]:
    return one.task, one.item_id, one.type, one.recording, one.right, one.wrong, one.basis


def write_items(items: Sequence[Alone], path: Path) -> Path:
    """Write the items that one side got right to a JSONL file, one a line, in place of what it held."""
    lines = [adapter(Alone).dump_json(item) + b"\n" for item in items]
    write_whole(path, b"".join(lines))
    return path
