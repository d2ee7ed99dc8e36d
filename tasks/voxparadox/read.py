"""VoxParadox: rows of `audio, question, choice_a..choice_d, answer_gt, adversarial_labels, task_name, id`.

The right choice and the one that the words suggest (the lure) may stand as a letter, as a column's name or as the
choice's own words. A row whose adversarial labels name none of its choices has no lure, and does not count for the lure
rate; a row whose answer names none is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.formats import hub
from cpbench.formats.audiobench import clip_of
from cpbench.records import Item
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import corpus
from cpbench.tasks.folders import wrong_layout
from cpbench.tasks.rows import is_data_set

LETTERS = "abcd"
NEEDED = ("audio", "question", *(f"choice_{letter}" for letter in LETTERS), "answer_gt")


@corpus
def questions(folder: Path, card: Card) -> Iterator[Item]:
    if not is_data_set(folder):
        raise wrong_layout(folder, card)
    for number, row in enumerate(hub.rows(folder)):
        if missing := [column for column in NEEDED if row.get(column) is None]:
            raise UserError(f"{card.name}: row {number} has no", value=missing[0], allowed=sorted(row))
        yield _item(row, str(row.get("id") or number), card)


def _item(row: Mapping[str, Any], id: str, card: Card) -> Item:
    choices = tuple(str(row[f"choice_{letter}"]).strip() for letter in LETTERS)
    label = _choice(row["answer_gt"], choices)
    if label is None:
        raise UserError(
            f"{card.name}: the answer of {id} is none of its choices:", value=row["answer_gt"], allowed=choices
        )
    lures = {_choice(word, choices) for word in _words(row.get("adversarial_labels"))} - {None, label}
    question = str(row["question"]).strip()
    listed = "\n".join(f"{letter.upper()}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))
    return Item(
        id,
        card.name,
        (clip_of(row["audio"]),),
        question,
        (label,),
        prompt=f"{question}\n{listed}\nAnswer with one of the choices.",
        language="en",
        label=label,
        options=choices,
        lure=lures.pop() if len(lures) == 1 else None,
        origin={"license": card.license, "task_name": str(row.get("task_name") or "")},
    )


def _choice(word: object, choices: Sequence[str]) -> str | None:
    """The choice that a word names: by its own words, else by "b", "(B)" or "choice_b"."""
    folded = str(word).strip().casefold()
    for choice in choices:
        if choice.casefold() == folded:
            return choice
    letter = folded.removeprefix("choice_").strip("().: ")
    return choices[LETTERS.index(letter)] if len(letter) == 1 and letter in LETTERS else None


def _words(value: Any) -> list[str]:
    """The labels of one value: a text, a list, an object's values, or any of these as JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except ValueError:  # a text that only begins like JSON is itself the label
            return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(one) for one in value]
    return [] if value is None else [str(value)]
