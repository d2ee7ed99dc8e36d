"""From a model's words to what is scored: the reasoning taken off, the label read."""

from __future__ import annotations

from typing import Literal


def split_reasoning(raw: str) -> tuple[str | None, str, Literal["ok", "empty", "truncated"]]:
    """Split a model's words into (reasoning, answer, status)."""
    raise NotImplementedError  # filled by labels' owner
