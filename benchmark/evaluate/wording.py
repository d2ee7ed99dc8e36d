"""From items to requests: under which conditions they are asked, how they are worded, and which cannot be asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from cpbench.conditions import expanded, idle, needs, presented, read_wordings
from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import digest
from cpbench.records import Item, ModelCard, Request, RunConfig, Setting, Task

Loaded = Sequence[tuple[Task, Sequence[Item]]]
Conditions = Mapping[str, bool]
"""The conditions in their order: whether each was asked for by name, or may be left out where it cannot be done."""


@dataclass(frozen=True)
class LeftOut:
    """Items of a task that cannot be asked under a condition, and why."""

    condition: str
    task: str
    why: str
    items: tuple[str, ...]
    whole: bool = False  # all of the task's: the condition cannot be done to these data


@dataclass(frozen=True)
class Worded:
    requests: list[Request]
    left_out: tuple[LeftOut, ...]
    conditions: tuple[str, ...]  # those that can be done to at least one task
    pairs: int  # items that were to be asked, counted once a condition: requests, and those left out one by one


def wanted(config: RunConfig, card: ModelCard, earlier: Sequence[str]) -> dict[str, bool]:
    """The conditions of a run: those of its earlier starts, then those that are asked for now.

    Beside a group word stands the model's own condition, to which the others are differences.
    """
    asked = expanded(config.conditions or (card.condition,))
    if not all(asked.values()):
        asked = {card.condition: asked.get(card.condition, False), **asked}
    return {**dict.fromkeys(earlier, False), **asked}


def setting_of(config: RunConfig, card: ModelCard) -> Setting:
    """What the conditions of a run may know. Raises UserError for a --paraphrases FILE that is none."""
    own = read_wordings(Path(config.paraphrases).expanduser()) if config.paraphrases else {}
    packaged = read_wordings(files("cpbench.tasks") / "paraphrases.jsonl")
    return Setting(config.seed, card.tag_template, paraphrases={**packaged, **own}, trained_on=card.trained_on)


def word(tasks: Loaded, conditions: Conditions, setting: Setting) -> Worded:
    """Every item under every condition, in this order of conditions.

    Raises UsageError for an unknown condition, and UserError for one asked for by name that cannot be done to a task.
    """
    requests: list[Request] = []
    left_out: list[LeftOut] = []
    done: dict[str, None] = {}
    pairs = 0
    for condition, task, items in ((condition, *one) for condition in conditions for one in tasks):
        found = _presented(items, condition, conditions[condition], _of(setting, task))
        if isinstance(found, str):
            left_out.append(LeftOut(condition, task.name, found, (), whole=True))
            continue
        requests += found[0]
        left_out += [LeftOut(condition, task.name, why, ids) for why, ids in found[1].items()]
        done[condition], pairs = None, pairs + len(items)
    return Worded(requests, tuple(left_out), tuple(done), pairs)


Asking = tuple[Setting, Task]


def _of(setting: Setting, task: Task) -> Asking:
    return setting, dataclasses.replace(task, generation=dataclasses.replace(task.generation, seed=setting.seed))


def _presented(
    items: Sequence[Item], condition: str, must: bool, asking: Asking
) -> tuple[list[Request], Mapping[str, tuple[str, ...]]] | str:
    """The requests and who was left out, or why the condition cannot be done, where it need not."""
    setting, task = asking
    if not must and (why := idle(items, condition)) is not None:
        return why
    try:
        found = presented(items, condition, setting, task.generation)
    except UsageError:
        raise
    except UserError as error:
        if must:
            raise
        return error.what
    return found.requests, found.left_out


def without(draft: Worded, final: Worded, keys: frozenset[str]) -> tuple[LeftOut, ...]:
    """What is left out of a shard: what never could be asked, and what of its own part (`keys`) turned out so."""
    asked = {request.key for request in final.requests}
    gone = [request for request in draft.requests if request.key in keys and request.key not in asked]
    whys = {
        (out.condition, out.task, item): out.why for out in final.left_out for item in (out.items or ("",))
    }  # "": the whole task
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in gone:
        why = whys.get((one.condition, one.task, one.item_id)) or whys[one.condition, one.task, ""]
        found.setdefault((one.condition, one.task, why), []).append(one.item_id)
    return (*draft.left_out, *(LeftOut(*place, tuple(items)) for place, items in found.items()))


def wordings_digest(conditions: Sequence[str], setting: Setting) -> str | None:
    """What `paraphrase:K` means in a run: another file of wordings means something else. None: nobody needs any."""
    if any(what == "wordings" for condition in conditions for what, _ in needs(condition)):
        return digest(sorted(setting.paraphrases.items()))
    return None


def spoken(manifest: Mapping[str, Any], items: Mapping[str, int]) -> Iterator[str]:
    """Sentences on what a run did not ask, and on words and tags that are not the data's own. `items`: by task."""
    for out in manifest.get("left_out", ()):
        place = f"{out['task']}, {out['condition']}"
        if out["whole"]:
            yield f"{place}: not done: {out['why']}"
        else:
            yield f"{place}: {len(out['items'])} of {items[out['task']]} items are left out: {out['why']}"
    for made in manifest.get("annotations", ()):
        words = {"transcript": "words", "tags": "emotion tags"}[made["what"]]
        said = f"the {words} of {made['clips']} clips are what {made['by']} hears in them"
        said += f"; in {made['empty']} it hears none" * bool(made["empty"])
        yield said + f"; of {made['failed']} it said nothing" * bool(made["failed"])
