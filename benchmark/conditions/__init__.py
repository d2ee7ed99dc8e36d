"""Conditions: what is done to an item before the model sees it.

A condition is one string, its steps joined by "+" and applied from left to right: `audio`, `silence`, `transcript`,
`noise:10db+tags:wrong`. Each step is a file of this folder with

    change(items, requests, argument, setting) -> requests      one request in, at most one out
    MEANING: str                                                what a difference between `audio` and it says, no more

and, where they apply,

    IN: {"all": "prefix:30"}                 the group words it belongs to, and the string that it stands there with
    KIND: Kind                               what of the item it leaves to the model; without: "changed"
    LEFT_OUT: str                            why it leaves an item out
    needs(argument) -> (what, spec) | None   what it must know beforehand: ("transcript", None), ("tags", annotator's
                                             spec) or ("wordings", None)
    idle(items, argument) -> str | None      why it would change nothing about these items

Resume, judging and results know nothing of a condition but its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Literal, get_args

from cpbench import parts
from cpbench.conditions._wordings import read_wordings
from cpbench.conditions.tags import tags_of
from cpbench.errors import UsageError, UserError
from cpbench.records import Generation, Item, ModelCard, Request, Setting, Sound

__all__ = [
    "Kind",
    "Presented",
    "expanded",
    "groups",
    "idle",
    "kind",
    "meaning",
    "needs",
    "present",
    "presented",
    "read_wordings",
    "tags_of",
]

Kind = Literal["silent", "words", "other", "told", "part", "changed", "plain"]
"""What of the item the model still gets: nobody's voice, its words as text, another clip, tags beside the voice, a part
of the clip, the clip or the question changed, all of it. Of several steps the one counts that stands first here."""
Need = tuple[str, str | None]
"""What has to be known of an item's clips or questions, and who says it; None: whoever the run names for it."""


@dataclass(frozen=True)
class Presented:
    """What becomes of items under a condition."""

    requests: list[Request]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # why -> ids of items


def present(
    items: Sequence[Item], condition: str, setting: Setting, generation: Generation | None = None
) -> list[Request]:
    """Word every item as `condition` has it: the requests that a model is asked, in a run and in training.

    The requests keep the items' order; a step may leave items out (those without a donor, say): `presented` says which.
    Raises UsageError for an unknown step and UserError where a step cannot be done to these items.
    """
    return presented(items, condition, setting, generation).requests


def presented(
    items: Sequence[Item], condition: str, setting: Setting, generation: Generation | None = None
) -> Presented:
    """As `present`, with the items that each step left out and why."""
    requests = [_plain(item, condition, setting, generation or Generation()) for item in items]
    by_key = {(item.task, item.id): item for item in items}
    if len(by_key) != len(items):
        raise UserError("item ids are not unique within their task")
    left_out: dict[str, tuple[str, ...]] = {}
    for name, module, argument in _steps(condition):
        asked = [by_key[request.task, request.item_id] for request in requests]
        requests = list(module.change(asked, requests, argument, setting))
        kept = {(request.task, request.item_id) for request in requests}
        if gone := tuple(item.id for item in asked if (item.task, item.id) not in kept):
            why = getattr(module, "LEFT_OUT", f"{name} cannot be done to them")
            left_out[why] = (*left_out.get(why, ()), *gone)
    return Presented(requests, left_out)


def groups() -> dict[str, tuple[str, ...]]:
    """The group words and the conditions that each one stands for: the plain one first, the others by name."""
    found: dict[str, list[str]] = {}
    for name in parts.names("conditions"):
        for word, condition in getattr(parts.find("conditions", name), "IN", {}).items():
            found.setdefault(word, []).append(condition)
    return {word: tuple(sorted(names, key=_plain_first)) for word, names in sorted(found.items())}


def expanded(words: Iterable[str]) -> dict[str, bool]:
    """The conditions that are meant, in their order: whether each was named, or only a group word stands for it.

    Raises UsageError for a word that is neither a group word nor begins with a condition.
    """
    known, found = groups(), dict[str, bool]()
    for word in words:
        _check_known(word, known)
        for condition in known.get(word, (word,)):
            found[condition] = found.get(condition, False) or word not in known
    return found


@cache  # a report asks thousands of times
def kind(condition: str) -> Kind:
    """What of the item a condition leaves to the model. Raises UsageError for an unknown step."""
    kinds: set[Kind] = {getattr(module, "KIND", "changed") for _, module, _ in _steps(condition)}
    return next(one for one in get_args(Kind) if one in kinds)


def meaning(condition: str) -> str:
    """What a difference to a condition says, and no more: the sentences of its steps."""
    return " ".join(dict.fromkeys(module.MEANING for _, module, _ in _steps(condition)))


def needs(condition: str) -> tuple[Need, ...]:
    """What a condition's steps must know beforehand. Raises UsageError for an unknown step."""
    asked = (module.needs(argument) for _, module, argument in _steps(condition) if hasattr(module, "needs"))
    return tuple(need for need in asked if need is not None)


def idle(items: Sequence[Item], condition: str) -> str | None:
    """Why a condition would change nothing about these items; None: it may."""
    asked = (module.idle(items, argument) for _, module, argument in _steps(condition) if hasattr(module, "idle"))
    return next((why for why in asked if why is not None), None)


def _plain(item: Item, condition: str, setting: Setting, generation: Generation) -> Request:
    return Request(
        item.id,
        item.task,
        condition,
        item.prompt or item.question,
        tuple(Sound(clip) for clip in item.clips),
        generation,
        ("trained_on",) if any(clip.sha256 in setting.trained_on for clip in item.clips) else (),
    )


def _steps(condition: str) -> Iterator[tuple[str, ModuleType, str]]:
    """Each step's name, module and argument."""
    for step in condition.split("+"):
        name, _, argument = step.partition(":")
        yield name, parts.find("conditions", name), argument


def _check_known(word: str, known: Iterable[str]) -> None:
    name, able = word.split("+", maxsplit=1)[0].partition(":")[0], [*known, *parts.names("conditions")]
    if name not in able and ".py" not in name:
        raise UsageError("unknown condition", value=name, allowed=able)


def _plain_first(condition: str) -> tuple[bool, str]:
    """The condition of a model that was made for no other comes first: all others are differences to it."""
    return condition != ModelCard("", "").condition, condition
