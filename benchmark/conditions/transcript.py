"""`transcript`: the words as text, no audio."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cpbench.errors import UserError
from cpbench.records import Item, Request, Setting

MEANING = "A high score proves that the words suffice for this model; a low one proves nothing."


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    missing = [item.id for item in items if any(not clip.transcript for clip in item.clips)]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(items)} items have no transcript, {missing[0]} first",
            mend="--asr SPEC, to have them recognised; or `transcript` in items.jsonl",
        )
    for item, request in zip(items, requests, strict=True):
        words = " ".join(clip.transcript or "" for clip in item.clips)
        yield request.in_words(words)
