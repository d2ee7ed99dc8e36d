"""Ranks: the processes of one run, and how they share its work.

`torchrun --nproc-per-node N -m cpbench run ...` or `accelerate launch -m cpbench run ...` start them; each takes the
next group of work from one counter in the launcher's own store, so that no rank waits for a slower one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cpbench.errors import UserError
from cpbench.flow.stopping import Stopped

T = TypeVar("T")
GRACE = 5.0
"""Seconds that a rank waits for the others once the run is stopped: one that was killed never comes, the launcher stops
the rest, and torchrun kills after 30 s what has not ended by itself."""
GLANCE = 0.05  # seconds between two looks at whether all have come


@dataclass
class Ranks:
    """This process among the run's processes. The default is a process alone."""

    index: int = 0
    count: int = 1
    stop: Callable[[], bool] = field(default=lambda: False, repr=False)
    _store: Any = field(default=None, repr=False)
    _round: int = field(default=0, repr=False)

    @property
    def first(self) -> bool:
        return self.index == 0

    def share(self, groups: Sequence[T]) -> Iterator[T]:
        """Yield the groups that fall to this rank: each one to exactly one rank, the next free one first.

        Every rank must pass the same groups in the same order, and call this as often as the others. Raises UserError
        where the process that keeps the counter has gone.
        """
        if self.count == 1:
            yield from groups
            return
        self._round += 1
        counter = f"cpbench/next/{self._round}"
        while (number := self._told("add", counter, 1) - 1) < len(groups):
            yield groups[number]

    def barrier(self) -> None:
        """Wait until every rank is here.

        Raises Stopped where `stop` says that the run is stopped and not all of them come, and UserError as `share`.
        """
        if self.count == 1:
            return
        self._round += 1
        here = f"cpbench/here/{self._round}"
        if self._told("add", here, 1) == self.count:
            self._told("set", f"{here}/all", "1")
        stopped: float | None = None
        while not self._told("check", [f"{here}/all"]):
            time.sleep(GLANCE)
            stopped = time.monotonic() if stopped is None and self.stop() else stopped
            if stopped is not None and time.monotonic() - stopped > GRACE:
                missing = self.count - self._told("add", here, 0)
                raise Stopped(
                    f"stopped: {missing} of {self.count} processes have died, or are still busy; what was answered is "
                    "kept, and the same command goes on"
                )

    def _told(self, what: str, *about: Any) -> Any:
        """What the store says, which the launcher keeps, or the first rank."""
        try:
            return getattr(self._store, what)(*about)
        except RuntimeError as error:  # torch.distributed.DistError is one
            raise UserError(
                f"the process at which the ranks of this run meet has gone ({str(error).splitlines()[0]}); what was "
                "answered is kept",
                mend="the same command goes on",
            ) from error


def ranks(stop: Callable[[], bool] = lambda: False) -> Ranks:
    """This process's place among those that torchrun or accelerate started; alone without them. `stop`: see `barrier`.

    Raises UserError where a launcher was asked for more processes than it started.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    # On a CPU, `accelerate launch --num_processes 2` names a meeting place, and silently starts one process.
    if count == 1 and "WORLD_SIZE" not in os.environ and {"MASTER_ADDR", "ACCELERATE_MIXED_PRECISION"} <= {*os.environ}:
        raise UserError(
            "accelerate was asked for several processes and started one, as it does on a CPU",
            mend="torchrun --nproc-per-node N -m cpbench run ...",
        )
    if count == 1:
        return Ranks(stop=stop)
    from torch.distributed.rendezvous import rendezvous

    store, index, count = next(iter(rendezvous("env://")))
    return Ranks(index, count, stop, store)


def shard(groups: Sequence[T], part: tuple[int, int]) -> Iterable[T]:
    """The groups of one shard of a job array: every n-th, so that long and short clips spread evenly."""
    index, count = part
    return groups[index::count]
