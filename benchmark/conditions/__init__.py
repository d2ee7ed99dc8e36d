"""Conditions: what is done to an item before the model sees it.

A condition is one string, its steps joined by "+" and applied from left to right: `audio`, `silence`, `transcript`,
`noise:10db+tags:wrong`. Each step is a file of this folder with

    change(items, requests, argument, setting) -> requests      one request in, at most one out
    MEANING: str                                                what a difference between `audio` and it says, and no
    more

Resume, judging and results know nothing of a condition but its name.
"""

from __future__ import annotations

from collections.abc import Sequence

from cpbench import parts
from cpbench.errors import UserError
from cpbench.records import Generation, Item, Request, Setting, Sound


def present(
    items: Sequence[Item], condition: str, setting: Setting, generation: Generation | None = None
) -> list[Request]:
    """Word every item as `condition` has it: the requests that a model is asked, in a run and in training.

    The requests keep the items' order; a step may leave items out (those without a donor, say). Raises UsageError for
    an unknown step and UserError where a step cannot be done to these items.
    """
    requests: list[Request] = [
        Request(
            item.id,
            item.task,
            condition,
            item.prompt or item.question,
            tuple(Sound(clip) for clip in item.clips),
            generation or Generation(),
            ("trained_on",) if any(clip.sha256 in setting.trained_on for clip in item.clips) else (),
        )
        for item in items
    ]
    by_key = {(item.task, item.id): item for item in items}
    if len(by_key) != len(items):
        raise UserError("item ids are not unique within their task")
    for step in condition.split("+"):
        name, _, argument = step.partition(":")
        module = parts.find("conditions", name)
        asked = [by_key[request.task, request.item_id] for request in requests]
        requests = list(module.change(asked, requests, argument, setting))
    return requests
