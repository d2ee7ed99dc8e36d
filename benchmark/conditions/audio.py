"""`audio`: the item as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cpbench.records import Item, Request, Setting

MEANING = "The item as it is."
IN = {"all": "audio"}
KIND = "plain"


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    return requests
