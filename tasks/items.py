"""From names to tasks with their items: ours, a user's own file, and lm-eval tasks of others."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cpbench import formats
from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import dataset_fingerprint
from cpbench.formats.qtypes import types_from
from cpbench.records import Generation, Item, Rights, Task
from cpbench.tasks import catalog, docs, foreign

TRAINED_ON = ("line", "chat_blocks", "llamafactory", "swift", "nemo")
OWN = Rights("the user's own", audio_in_report=True, text_in_report=True, third_party_api=True)
Loaded = tuple[Task, list[Item]]


def load_tasks(
    names: Sequence[str], *, data_dirs: Mapping[str, str] | None = None, limit: int | None = None, seed: int = 0
) -> list[Loaded]:
    """The tasks of these names, each with its items in their order.

    A name is a task or a group of ours, the path of an `items.jsonl`, of a training file or of an lm-eval YAML, or an
    lm-eval task with audio and `generate_until`. `limit`: at most so many items a task, by type (see `limited`); the
    fingerprint is of all of them. Raises UsageError for an unknown name, and UserError where data are missing or a task
    cannot be run.
    """
    if not names:
        raise UsageError("no task named", allowed=sorted(catalog.names()))
    data_dirs = data_dirs or {}
    _check_data_dirs(data_dirs, names)
    wanted = catalog.expanded(names)
    titles = _names_of_files([name for name in wanted if _is_items_file(name)])
    loaded = [_load(name, titles, data_dirs) for name in wanted]
    twice = [name for name, count in Counter(task.name for task, _ in loaded).items() if count > 1]
    if twice:
        raise UsageError("two tasks have the name", value=twice[0])
    return [(task, items if limit is None else limited(items, limit, seed)) for task, items in loaded]


def limited(items: Sequence[Item], n: int, seed: int = 0) -> list[Item]:
    """At most n of the items, in their order: proportional by type, and at least one of each type where n allows.

    Each type's items are drawn in an order that only the seed and their ids decide, and the types take turns by their
    share; so a larger n keeps every item of a smaller one, and answers already made stay in use.

    >>> def item(id, type): return Item(id, "t", (), "?", (), type=type)
    >>> few = limited([item("1", "C"), item("2", "C"), item("3", "C"), item("4", "DE")], 2)
    >>> sorted(one.type for one in few)
    ['C', 'DE']
    """
    if n < 1:
        raise UsageError("--limit wants at least 1, not", value=n)
    by_type: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: _draw(seed, item)):
        by_type.setdefault(item.type or "", []).append(item)
    turns = [
        (place > 0, (place + 0.5) / len(members), kind, item.id)
        for kind, members in by_type.items()
        for place, item in enumerate(members)
    ]
    kept = {id for _, _, _, id in sorted(turns)[:n]}
    return [item for item in items if item.id in kept]


def _draw(seed: int, item: Item) -> str:
    return hashlib.sha256(f"{seed}/{item.task}/{item.id}".encode()).hexdigest()


def _load(name: str, titles: Mapping[str, str], data_dirs: Mapping[str, str]) -> Loaded:
    if name in titles:
        return _of_file(Path(name).expanduser(), titles[name])
    if name in catalog.names():
        return _of_card(catalog.card(name), data_dirs)
    if foreign.is_yaml(name) and docs.reads_items(name):
        return _of_card(catalog.card_at(Path(name).expanduser()), data_dirs)
    task, items = foreign.load(name)
    return _finished(task, items)


def _of_card(card: catalog.Card, data_dirs: Mapping[str, str]) -> Loaded:
    """A task of ours, through lm-eval: its YAML says which reader reads its documents."""
    items = [docs.item_of(doc) for doc in docs.built(card.yaml, data_dirs).eval_docs]
    state = catalog.data_state(card, data_dirs)  # now that the data are here: they may just have been fetched
    return _finished(dataclasses.replace(card.task(), revision=state.revision, types_from=types_from(items)), items)


def _of_file(path: Path, name: str) -> Loaded:
    items = _test_items(path, list(formats.read(_format(path), path, task=name)))
    task = Task(
        name,
        "1",
        f"the user's own file {path.name}",
        docs.metrics_for(items),
        OWN,
        Generation(max_new_tokens=128),
        types_from=types_from(items),
    )
    return _finished(task, items)


def _format(path: Path) -> str:
    """A file that models are trained on is asked as it is; any other is an items.jsonl, or should be."""
    try:
        found = formats.sniff(path)
    except UserError:
        return "items"
    return found if found in TRAINED_ON else "items"


def _test_items(path: Path, items: list[Item]) -> list[Item]:
    """The items to evaluate on: of a file with several splits, the one called "test"."""
    splits = sorted({item.split for item in items})
    if len(splits) < 2:
        return items
    if "test" not in splits:
        raise UserError(
            f"{path} has the splits {', '.join(splits)}, and none is called 'test'", mend="one split a file"
        )
    return [item for item in items if item.split == "test"]


def _finished(task: Task, items: list[Item]) -> Loaded:
    if not items:
        raise UserError(f"{task.name} has no items")
    return dataclasses.replace(task, fingerprint=dataset_fingerprint(items)), items


def _is_items_file(name: str) -> bool:
    return name.endswith((".jsonl", ".json"))


def _names_of_files(paths: Sequence[str]) -> dict[str, str]:
    """path -> task name: the file's stem, with its folder's name before it where that is another task's or file's."""
    places = {path: Path(path).expanduser().absolute() for path in paths}
    stems = Counter(place.stem for place in places.values())
    taken = catalog.names()
    names = {
        path: place.stem if stems[place.stem] == 1 and place.stem not in taken else f"{place.parent.name}_{place.stem}"
        for path, place in places.items()
    }
    return {path: re.sub(r"[^\w.-]+", "_", name) for path, name in names.items()}


def _check_data_dirs(data_dirs: Mapping[str, str], names: Sequence[str]) -> None:
    known = {"", *catalog.names(), *names}
    for task in data_dirs:
        if task not in known:
            raise UsageError("--data-dir for an unknown task", value=task, allowed=sorted(known - {""}))
