"""The answers themselves: which items need the clip, and how far a condition changes what is said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cpbench.comparison.sheets import Sheet, items_of
from cpbench.metrics.classification import labelled, predicted
from cpbench.records import Outcome
from cpbench.stats.agreement import cohen_kappa

EXAMPLES = 5
UNREAD = "(no label)"


@dataclass(frozen=True)
class Example:
    """An item, in words where the task's rights allow it."""

    id: str
    question: str | None
    reference: str | None
    answers: Mapping[str, str]  # by condition


@dataclass(frozen=True)
class Need:
    """Of one question type: the items that every condition answers, and those that only the item's own clip answers.

    Both over the conditions under which the clip is not played. `*_by_chance`: how many there would be if the
    conditions' answers were right independently of each other, each as often as it is.
    """

    task: str
    type: str
    judge: str | None
    main: str
    conditions: tuple[str, ...]
    n: int  # items with a usable answer everywhere
    always: tuple[str, ...]  # ids
    always_by_chance: float
    only: tuple[str, ...]
    only_by_chance: float
    examples: tuple[Example, ...]  # of `only`


@dataclass(frozen=True)
class Agreement:
    """How often an item is answered alike under two conditions."""

    task: str
    type: str
    a: str
    b: str
    by: str  # "label", or "text"
    n: int
    equal: float | None  # share; None where no item is answered under both
    kappa: float | None  # of labels; None for texts, and where both always say the same one thing
    one_label: bool = False  # both always say the same one thing


def need(sheet: Sheet) -> Need | None:
    """Return which items need the clip; None where the run has no condition without it."""
    conditions = tuple(sheet.without_the_clip)
    if not conditions:
        return None
    main = sheet.beside(conditions[0])
    right = {condition: sheet.right(condition) for condition in (main, *conditions)}
    known = [each for each in right[main] if all(each in column for column in right.values())]
    table = np.array([[column[each] for column in right.values()] for each in known]).reshape(len(known), len(right))
    always = [each for each, row in zip(known, table, strict=True) if row.all()]
    only = [each for each, row in zip(known, table, strict=True) if row[0] and not row[1:].any()]
    shares = table.mean(axis=0) if known else np.zeros(len(right))
    return Need(
        sheet.task.name,
        sheet.type,
        sheet.judge.name if sheet.judge else None,
        main,
        conditions,
        len(known),
        tuple(always),
        float(len(known) * shares.prod()),
        tuple(only),
        float(len(known) * shares[0] * (1 - shares[1:]).prod()),
        _examples(sheet, only, (main, *conditions)),
    )


def _examples(sheet: Sheet, ids: Sequence[str], conditions: Sequence[str]) -> tuple[Example, ...]:
    """The first few, with their words where the rights allow to show them."""
    items, kept = items_of(sheet), list(ids[:EXAMPLES])
    if not sheet.task.rights.text_in_report:
        return tuple(Example(each, None, None, {}) for each in kept)
    said = {
        condition: {one.item.id: one.prediction.answer for one in sheet.columns[condition]} for condition in conditions
    }
    return tuple(
        Example(
            each,
            items[each].question,
            items[each].label or next(iter(items[each].references), None),
            {condition: answers[each] for condition, answers in said.items()},
        )
        for each in kept
    )


def agreements(sheet: Sheet) -> list[Agreement]:
    """Return how each other condition's answers agree with the main one's."""
    return [agreement(sheet, sheet.beside(other), other) for other in sheet.others if other != sheet.beside(other)]


def agreement(sheet: Sheet, a: str, b: str) -> Agreement:
    """Return how the answers under two conditions agree: by label where there are labels (an unreadable answer is a
    label of its own), else by text, case and punctuation aside."""
    other = {one.item.id: one for one in sheet.columns[b]}
    both = [
        (one, other[one.item.id])
        for one in sheet.columns[a]
        if one.item.id in other and "error" not in (one.prediction.status, other[one.item.id].prediction.status)
    ]
    labels = all(labelled(one) for one, _ in both)
    said = [_said(one, labels) for one, _ in both], [_said(two, labels) for _, two in both]
    return Agreement(
        sheet.task.name,
        sheet.type,
        a,
        b,
        "label" if labels else "text",
        len(both),
        float(np.mean([x == y for x, y in zip(*said, strict=True)])) if both else None,
        cohen_kappa(*said) if both and labels else None,
        bool(both) and labels and len({*said[0], *said[1]}) == 1,
    )


def _said(outcome: Outcome, labels: bool) -> str:
    if labels:
        return predicted(outcome) or UNREAD
    folded = unicodedata.normalize("NFKC", outcome.prediction.answer).casefold()
    return " ".join(re.findall(r"\w+", folded))
