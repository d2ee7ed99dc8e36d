"""A watch that draws: a bar with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

EVERY = 30.0  # seconds between two lines in a log


class Bar:
    """Progress on stderr; use it as a context manager."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console: Console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._name, self._total, self._done, self._before = "", 0, 0, 0
        self._start = self._last = time.monotonic()

    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        self._name, self._total, self._done, self._before = name, total, done, done
        self._start = self._last = time.monotonic()
        if done:
            self.say(f"{name}: {done} of {total} were done before")
        if self._console.is_terminal:
            bar = self._drawn()
            self._task = bar.add_task(name, total=total, completed=done, rate="")

    def advance(self, pieces: int = 1) -> None:
        self._done += pieces
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, rate=f"{self._rate():.1f}/s")
        elif time.monotonic() - self._last > EVERY or self._done == self._total:
            self._last = time.monotonic()
            left = (self._total - self._done) / max(self._rate(), 1e-9)
            self.say(f"{self._name}: {self._done} of {self._total}, {self._rate():.1f}/s, {left:.0f} s left")

    def say(self, message: str) -> None:
        self._console.print(message, markup=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        sys.stderr.flush()

    def _rate(self) -> float:
        return (self._done - self._before) / max(time.monotonic() - self._start, 1e-9)

    def _drawn(self) -> Progress:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if self._bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
            )
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console)
            self._bar.start()
        return self._bar
