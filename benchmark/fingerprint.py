"""Canonical bytes and digests: the one place where anything is hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from cpbench.records import Case, Item


def canonical(value: Any) -> bytes:
    """JSON of one spelling: sorted keys, no spaces, UTF-8, no NaN.

    >>> canonical({"b": 1, "a": "ä"})
    b'{"a":"\\xc3\\xa4","b":1}'
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def digest(*values: Any) -> str:
    """The sha256 of the values' canonical JSON, one line each."""
    return hashlib.sha256(b"\n".join(canonical(value) for value in values)).hexdigest()


def text_sha256(text: str) -> str:
    """The sha256 of a text's UTF-8 bytes; lone surrogates are kept apart, not refused."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def item_line(item: Item) -> bytes:
    """The canonical line of an item in the dataset fingerprint (DESIGN, Records)."""
    return canonical(
        {
            "id": item.id,
            "clips": [clip.sha256 for clip in item.clips],
            "question": item.question,
            "type": item.type,
            "options": item.options,
            "references": item.references,
            "label": item.label,
            "recording": item.recording,
            "language": item.language,
        }
    )


def dataset_fingerprint(items: Iterable[Item]) -> str:
    """`v1:sha256:` over the sorted canonical lines of the items: the same on every machine, in every order."""
    return "v1:sha256:" + hashlib.sha256(b"\n".join(sorted(item_line(item) for item in items))).hexdigest()


def judgement_key(judge_id: str, case: Case) -> str:
    """What identifies one paid call: the judge, the item, the answer and the repeat."""
    item = hashlib.sha256(item_line(case.item)).hexdigest()
    return digest(judge_id, item, text_sha256(case.answer), case.repeat)
