"""What there is to know of a task before it is run: for `cpbench tasks`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cpbench.records import Item
from cpbench.stats import smallest_difference
from cpbench.tasks.catalog import Card, DataState, card, data_state
from cpbench.tasks.items import load_tasks

HERE = ("packaged", "given", "cached")


@dataclass(frozen=True)
class Contents:
    """What a task's data hold."""

    items: int
    clips: int
    recordings: int
    types: Mapping[str, int]  # question type -> items; "" where it is not known
    labels: Mapping[str, int]  # label -> items
    types_from: str
    recording_from: Mapping[str, int]  # who says what the recording is -> items
    fingerprint: str
    smallest_detectable_difference: Mapping[str, float]  # of a share: see `planned_differences`


@dataclass(frozen=True)
class Description:
    card: Card
    data: DataState
    contents: Contents | None  # None: its data are not on this machine


def describe(name: str, data_dirs: Mapping[str, str] | None = None) -> Description:
    """A task of ours, with what its data hold where they are on this machine. Asks no network.

    Raises UsageError for an unknown name, and UserError where the data are there and cannot be read.
    """
    one = card(name)
    state = data_state(one, data_dirs)
    if state.state not in HERE:
        return Description(one, state, None)
    ((task, items),) = load_tasks([name], data_dirs=data_dirs)
    return Description(one, state, contents(items, task.types_from, task.fingerprint or ""))


def contents(items: list[Item], types_from: str, fingerprint: str) -> Contents:
    """Count items by what they are."""
    recordings = len({item.recording for item in items})
    return Contents(
        len(items),
        len({clip.sha256 or clip.path for item in items for clip in item.clips}),
        recordings,
        _counts(item.type or "" for item in items),
        _counts(item.label for item in items if item.label is not None),
        types_from,
        _counts(item.origin.get("recording_from", "task") for item in items),
        fingerprint,
        planned_differences(len(items), recordings),
    )


def planned_differences(items: int, recordings: int) -> dict[str, float]:
    """What difference of a share (accuracy, say) this set can show between two systems, for planning.

    For two systems, each right half of the time, whose errors have nothing to do with each other: over n independent
    answers the difference has the standard error sqrt(2 * 0.25 / n). n is the number of items if the answers about one
    recording are independent, and the number of recordings if they are all alike; the truth lies between. Systems that
    fail on the same items can be told apart better. The real number is 2.8 standard errors of the paired difference,
    and takes two runs (`cpbench compare`).
    """
    counts = {"items_independent": items, "items_of_a_recording_alike": recordings}
    return {name: smallest_difference(math.sqrt(2 * 0.25 / n)) for name, n in counts.items()}


def _counts(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
