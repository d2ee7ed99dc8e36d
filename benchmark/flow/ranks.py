"""Ranks: the processes of one run, and how they share its work.

`torchrun --nproc-per-node N -m cpbench run ...` or `accelerate launch -m cpbench run ...` start them; each takes the
next group of work from one counter in the launcher's own store, so that no rank waits for a slower one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from cpbench.errors import UserError

T = TypeVar("T")
PATIENCE = timedelta(days=7)
"""How long a rank waits for the others at a barrier. The launcher ends all of them when one dies."""


@dataclass
class Ranks:
    """This process among the run's processes. The default is a process alone."""

    index: int = 0
    count: int = 1
    _store: Any = field(default=None, repr=False)
    _round: int = field(default=0, repr=False)

    @property
    def first(self) -> bool:
        return self.index == 0

    def share(self, groups: Sequence[T]) -> Iterator[T]:
        """Yield the groups that fall to this rank: each one to exactly one rank, the next free one first.

        Every rank must pass the same groups in the same order, and call this as often as the others.
        """
        if self.count == 1:
            yield from groups
            return
        self._round += 1
        counter = f"cpbench/next/{self._round}"
        while (number := self._store.add(counter, 1) - 1) < len(groups):
            yield groups[number]

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.count == 1:
            return
        self._round += 1
        here = f"cpbench/here/{self._round}"
        if self._store.add(here, 1) == self.count:
            self._store.set(f"{here}/all", "1")
        self._store.wait([f"{here}/all"], PATIENCE)


def ranks() -> Ranks:
    """This process's place among those that torchrun or accelerate started; alone without them.

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
        return Ranks()
    from torch.distributed.rendezvous import rendezvous

    store, index, count = next(iter(rendezvous("env://")))
    return Ranks(index, count, store)


def shard(groups: Sequence[T], part: tuple[int, int]) -> Iterable[T]:
    """The groups of one shard of a job array: every n-th, so that long and short clips spread evenly."""
    index, count = part
    return groups[index::count]
