"""Who follows a training."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None: ...


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """Follow nothing."""
