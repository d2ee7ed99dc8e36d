"""`transcript`: the words as text, no audio: the item's own, or those that `--asr SPEC` recognised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cpbench.errors import UserError
from cpbench.records import Item, Request, Setting

MEANING = "A high score proves that the words suffice for this model; a low one proves nothing."
IN = {"all": "transcript"}
KIND = "words"
LEFT_OUT = "nobody knows their words"


def needs(argument: str) -> tuple[str, None]:
    return "transcript", None


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    """Put the words of what is played (after `shuffled`, of the donor) in its place; "" is nobody speaking.

    Raises UserError where no words of any item are known.
    """
    made = []
    for item, request in zip(items, requests, strict=True):
        clips = [sound.clip for sound in request.sounds] or item.clips
        words = [clip.transcript for clip in clips if clip.transcript is not None]
        if len(words) == len(clips):
            made.append(request.in_words(" ".join(word for word in words if word)))
    if requests and not made:
        raise UserError(
            f"none of {len(items)} items has a transcript, {items[0].id} first",
            mend="--asr SPEC, to have them recognised; or `transcript` in items.jsonl",
        )
    return made
