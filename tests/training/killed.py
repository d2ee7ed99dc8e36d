"""`cpbench train` with ARGUMENTS that kills its own process (SIGKILL: nothing is flushed, nobody cleans up) as soon as
DONE says so: so many steps, or the beginning of the stage of that name. A script, for a process of its own."""

from __future__ import annotations

import gc
import os
import signal

from cpbench.cli import main, progress

ARGUMENTS: list[str] = globals()["GIVEN"]
DONE: int | str = globals()["AT"]


class Bar(progress.Bar):
    steps = 0

    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        if name == DONE and done < total:
            os.kill(os.getpid(), signal.SIGKILL)

    def advance(self, pieces: int = 1) -> None:
        self.steps += pieces
        if self.steps == DONE:
            os.kill(os.getpid(), signal.SIGKILL)


progress.Bar = Bar  # type: ignore[misc]
gc.freeze()  # see conftest.py
main(ARGUMENTS)
