"""What a board knows of a set, so that it can score again without audio and without opening the data.

A card is `datasets/<fingerprint>.json` of a board: the task, and its items without their clips' paths. Where the rights
forbid text, the items have no question, reference, transcript, nor any other words than the labels and options that
answers are read for; what remains of the rest are digests, which bind judgements and find copies of the references.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.fingerprint import canonical, dataset_fingerprint, digest, item_line, text_sha256
from cpbench.flow.ledger import adapter, write_whole
from cpbench.records import Clip, Item, Task

VERSION = 1
NOT_RANKED = frozenset({"overlap_score"})
"""Metrics that no board computes: it is no judge, and needs the references."""


@dataclass(frozen=True)
class DatasetCard:
    """A set as a board knows it."""

    task: Task  # with the metrics that a board computes; its fingerprint is the set's
    items: tuple[Item, ...]  # sorted by id; without paths, and where the rights forbid it without texts
    prompts_sha256: str  # of the questions as the task words them
    lines: Mapping[str, str]  # item id -> sha256 of its line in the fingerprint
    references: Mapping[str, tuple[str, ...]]  # item id -> sha256 of each reference, normalised by `plain`

    @property
    def fingerprint(self) -> str:
        return str(self.task.fingerprint)

    @property
    def has_texts(self) -> bool:
        """Whether questions and references may be shown, and are here."""
        return self.task.rights.text_in_report

    @property
    def split(self) -> str:
        """The items' split; of several, all of them."""
        return "+".join(sorted({item.split for item in self.items}))

    @cached_property
    def by_id(self) -> Mapping[str, Item]:
        return {item.id: item for item in self.items}

    @cached_property
    def recordings(self) -> int:
        return len({item.recording for item in self.items})


def describe(task: Task, items: Sequence[Item]) -> DatasetCard:
    """Return the card of a task and its items.

    Raises UserError for no items, for two of one id, and for items that are not those of the task's fingerprint.
    """
    fingerprint = dataset_fingerprint(items)
    if task.fingerprint not in (None, fingerprint):
        raise UserError(f"these are not all items of {task.name}, or not as they were:", value=fingerprint)
    ordered = sorted(items, key=lambda item: item.id)
    if not ordered or len({item.id for item in ordered}) < len(ordered):
        raise UserError("a board's set has items, each with an id of its own:", value=task.name)
    metrics = tuple(name for name in task.metrics if name not in NOT_RANKED)
    texts = task.rights.text_in_report
    return DatasetCard(
        task=dataclasses.replace(task, metrics=metrics, fingerprint=fingerprint),
        items=tuple(_without_paths(item) if texts else _without_texts(item) for item in ordered),
        prompts_sha256=prompts_sha256(ordered),
        lines={item.id: hashlib.sha256(item_line(item)).hexdigest() for item in ordered},
        references={item.id: tuple(text_sha256(plain(text)) for text in item.references) for item in ordered},
    )


def prompts_sha256(items: Iterable[Item]) -> str:
    """The digest of the questions as their task words them for a model, in the order of their ids."""
    return digest(sorted([item.id, item.prompt or item.question] for item in items))


def plain(text: str) -> str:
    """A text as copies are found by: case, spaces and full stops at its ends aside.

    >>> plain(" The  Letter. ")
    'the letter'
    """
    return " ".join(text.casefold().split()).strip(" .!?")


def dataset_path(board: Path, fingerprint: str) -> Path:
    """Where a board keeps a set's card; colons are no letters of a file's name everywhere."""
    return board / "datasets" / f"{fingerprint.replace(':', '-')}.json"


def save_dataset(board: Path, card: DatasetCard) -> Path:
    """Write a set's card into a board, one line an item, and return where it lies."""
    head = {
        "cpbench_dataset": VERSION,
        "task": adapter(Task).dump_python(card.task, mode="json"),
        "prompts_sha256": card.prompts_sha256,
    }
    lines = [
        canonical(
            {
                "item": adapter(Item).dump_python(item, mode="json", exclude_defaults=True),
                "line_sha256": card.lines[item.id],
                "references_sha256": card.references[item.id],
            }
        ).decode()
        for item in card.items
    ]
    text = f'{canonical(head).decode()[:-1]},"items":[\n' + ",\n".join(lines) + "\n]}\n"
    path = dataset_path(board, card.fingerprint)
    write_whole(path, text.encode())
    return path


def load_dataset(board: Path, fingerprint: str) -> DatasetCard:
    """The card of a set that a board knows; read once and kept. Raises UserError for one that it does not know."""
    path = dataset_path(board, fingerprint)
    try:
        facts = path.stat()
    except OSError:
        raise UserError("this board knows no such set:", value=fingerprint, allowed=known(board)) from None
    return _loaded(path, facts.st_mtime_ns, facts.st_size)


def known(board: Path) -> list[str]:
    """The fingerprints of the sets that a board knows."""
    return sorted(path.stem.replace("-", ":") for path in (board / "datasets").glob("v*-sha256-*.json"))


@lru_cache(maxsize=16)
def _loaded(path: Path, changed: int, size: int) -> DatasetCard:
    try:
        held: dict[str, Any] = json.loads(path.read_bytes())
        if held["cpbench_dataset"] != VERSION:
            raise UserError(f"{path} is a card of another version:", value=held["cpbench_dataset"])
        rows = held["items"]
        card = DatasetCard(
            task=adapter(Task).validate_python(held["task"]),
            items=tuple(adapter(Item).validate_python(row["item"]) for row in rows),
            prompts_sha256=held["prompts_sha256"],
            lines={row["item"]["id"]: row["line_sha256"] for row in rows},
            references={row["item"]["id"]: tuple(row["references_sha256"]) for row in rows},
        )
    except (KeyError, TypeError, ValueError) as error:  # pydantic's and json's are ValueErrors
        raise UserError(f"{path} is no card of a set: {error}") from None
    _check_card(path, card)
    return card


def _check_card(path: Path, card: DatasetCard) -> None:
    """Raise UserError for a card whose items are not those of its fingerprint, as far as its texts let that be seen."""
    own = dataset_fingerprint(card.items) if card.has_texts else card.fingerprint
    if own != card.fingerprint or path.stem != card.fingerprint.replace(":", "-"):
        raise UserError(f"{path} does not hold the items of its fingerprint", mend="the file as it was committed")


def _without_paths(item: Item) -> Item:
    """The item without where its clips lie."""
    return dataclasses.replace(item, clips=tuple(dataclasses.replace(clip, path="") for clip in item.clips))


def _without_texts(item: Item) -> Item:
    """What rescoring needs of an item, and no words but its label and options."""
    return dataclasses.replace(
        item,
        clips=tuple(Clip("", clip.sha256, clip.seconds, clip.recording) for clip in item.clips),
        question="",
        prompt="",
        references=(),
        words=None if item.words is None else text_sha256(item.words),
        origin={},
    )
