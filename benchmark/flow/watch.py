"""How a long piece of work says how far it is. The command line draws it; a notebook may ignore it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Watch(Protocol):
    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        """A new stage begins, of so many pieces, of which some were done before."""
        ...

    def advance(self, pieces: int = 1) -> None: ...

    def say(self, message: str) -> None:
        """One line that a person should read: a clip that failed, a fact about the run."""
        ...


class Unwatched:
    """Nobody looks."""

    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        pass

    def advance(self, pieces: int = 1) -> None:
        pass

    def say(self, message: str) -> None:
        pass


@dataclass(frozen=True)
class Watching:
    """How a run is followed and stopped; none of it changes an answer."""

    watch: Watch = field(default_factory=Unwatched)
    stop: Callable[[], bool] = lambda: False
    show: int = 0  # how many prompts and answers to show
