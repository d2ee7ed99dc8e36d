"""`tags:gold`, `tags:wrong`, `tags:none`, `tags:ANNOTATOR`: time-stamped emotion tags in the prompt.

This is the source paper's explicit method. Tags give away direct emotion questions, so every DE item is flagged
`leaked`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence

from cpbench.errors import UserError
from cpbench.records import Item, Request, Setting, Tag

MEANING = "How far the answer follows the tags in the prompt rather than the voice."
KIND = "told"
TEMPLATE = "Emotion tags: {tags}\n{text}"
"""The default of `Setting.tag_template`; `{tags}` becomes "[0.0-2.1 s: sad] [2.1-4.0 s: happy]"."""


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    if argument == "none":
        yield from requests
        return
    source = "gold" if argument in ("", "gold", "wrong") else argument
    known = {
        item.id: [tag for clip in item.clips for tag in clip.tags if tag.source.split("@")[0] == source]
        for item in items
    }
    if missing := [key for key, tags in known.items() if not tags]:
        raise UserError(
            f"{len(missing)} of {len(items)} items have no emotion tags from {source}, {missing[0]} first",
            mend="`emotion` in items.jsonl, or cpbench data annotate",
        )
    labels = sorted({top(tag) for tags in known.values() for tag in tags})
    template = setting.tag_template or TEMPLATE
    for item, request in zip(items, requests, strict=True):
        said = known[item.id]
        if argument == "wrong":
            said = [wrong(tag, labels, f"{setting.seed}/{item.clips[0].sha256}/{n}") for n, tag in enumerate(said)]
        text = template.format(tags=worded(said), text=request.text)
        tagged = dataclasses.replace(request, text=text, told=tuple(top(tag) for tag in in_time(said)))
        yield tagged.flagged("leaked") if item.type == "DE" else tagged


def top(tag: Tag) -> str:
    """The tag's most probable emotion."""
    return max(tag.emotion, key=lambda label: tag.emotion[label])


def worded(tags: Sequence[Tag]) -> str:
    """Tags as a prompt has them: `[0.0-2.1 s: sad]`, in order of time."""
    return " ".join(f"[{tag.start:.1f}-{tag.end:.1f} s: {top(tag)}]" for tag in in_time(tags))


def in_time(tags: Sequence[Tag]) -> list[Tag]:
    """Tags in order of time."""
    return sorted(tags, key=lambda tag: (tag.start, tag.end))


def wrong(tag: Tag, labels: Sequence[str], seed: str) -> Tag:
    """The same times with another emotion of the set, drawn by seed."""
    others = [label for label in labels if label != top(tag)]
    if not others:
        raise UserError(f"no wrong tag can be drawn: every tag says {top(tag)!r}")
    return dataclasses.replace(tag, emotion={random.Random(seed).choice(others): 1.0}, source="wrong")
