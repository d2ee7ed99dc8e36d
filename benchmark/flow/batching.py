"""Batches by a budget: neighbours packed together, halved when memory runs out, grown back when it does not.

Nothing here knows torch: whether an error means "out of memory" is told from its name and its words, so that a machine
without torch, and a test without a GPU, batch the same way.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

W = TypeVar("W")
R = TypeVar("R")

PATIENCE = 8  # batches that must succeed before a halved size is doubled again
_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: MemoryError, torch.OutOfMemoryError, the CPU allocator, cuBLAS.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    True
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


@dataclass(frozen=True)
class Shortage(Generic[W, R]):
    """What to do when memory runs out."""

    give_up: Callable[[W, BaseException], R]  # the result of one piece of work that does not fit even alone
    release: Callable[[], object] = lambda: None  # frees what is cached, before the next attempt
    recognise: Callable[[BaseException], bool] = is_out_of_memory


def in_batches(
    work: Iterable[W],
    run: Callable[[list[W]], list[R]],
    *,
    cost: Callable[[W], float],
    budget: float,
    most: int | None = None,
    shortage: Shortage[W, R] | None = None,
) -> Iterator[R]:
    """Yield the results of `run` over batches of neighbours, in the order of `work`.

    A batch costs what its dearest member costs, times its members, as it does when all are padded to the longest; it
    stays within `budget` (one piece alone may exceed it) and within `most` members. Work is pulled as batches are
    packed: at most one batch and one piece more is held. With a `shortage`, a batch for which memory runs out is halved
    and tried again; the size grows back after successes. Every other error propagates.
    """

    def fits(batch: Sequence[W]) -> bool:
        return (most is None or len(batch) <= most) and max(map(cost, batch)) * len(batch) <= budget

    return in_loads(work, run, fits=fits, shortage=shortage)


def in_loads(
    work: Iterable[W],
    run: Callable[[list[W]], list[R]],
    *,
    fits: Callable[[Sequence[W]], bool],
    together: Callable[[W, W], bool] = lambda one, other: False,
    shortage: Shortage[W, R] | None = None,
) -> Iterator[R]:
    """As `in_batches`, for work whose pieces share what they cost: `fits` says whether a batch may be as it is.

    It is asked each time that a batch would grow by a piece, and may change its mind from batch to batch. Neighbours
    that are to stay `together` are split over two batches only where one batch does not hold them.
    """
    packer = _Packer(iter(work), fits, together)
    size = _Size()
    while batch := packer.take(size.most):
        results, error = _attempt(run, batch, shortage)
        if results is not None:
            if packer.limited:
                size.worked()
            yield from results
        elif error is not None and shortage is not None:
            shortage.release()
            if len(batch) == 1:
                yield shortage.give_up(batch[0], error)
            else:
                size.failed(len(batch))
                packer.put_back(batch)


def _attempt(
    run: Callable[[list[W]], list[R]], batch: list[W], shortage: Shortage[W, R] | None
) -> tuple[list[R] | None, BaseException | None]:
    """The results, or the error that says that memory ran out, without the frames that hold that memory."""
    try:
        results = run(batch)
    except (RuntimeError, MemoryError) as error:
        if shortage is None or not shortage.recognise(error):
            raise
        return None, error.with_traceback(None)
    if len(results) != len(batch):
        raise ValueError(f"{len(results)} results for a batch of {len(batch)}")
    return results, None


@dataclass
class _Packer(Generic[W]):
    """Takes work from a stream in batches; work of a failed batch comes first."""

    stream: Iterator[W]
    fits: Callable[[Sequence[W]], bool]
    together: Callable[[W, W], bool]
    waiting: deque[W] = field(default_factory=deque)
    limited: bool = False  # whether the last batch would have been larger without the limit

    def take(self, limit: int | None) -> list[W]:
        """The next batch; empty at the end."""
        batch: list[W] = []
        while (limit is None or len(batch) < limit) and self._filled():
            if batch and not self.fits([*batch, self.waiting[0]]):
                break
            batch.append(self.waiting.popleft())
        self.limited = limit is not None and len(batch) >= limit
        return self._whole(batch)

    def _whole(self, batch: list[W]) -> list[W]:
        """The batch without the beginning of a group whose rest is left for the next one."""
        if not (batch and self._filled() and self.together(batch[-1], self.waiting[0])):
            return batch
        start = next((at for at in range(len(batch) - 1, 0, -1) if not self.together(batch[at - 1], batch[at])), 0)
        if start:
            self.put_back(batch[start:])
        return batch[:start] or batch

    def put_back(self, batch: list[W]) -> None:
        self.waiting.extendleft(reversed(batch))

    def _filled(self) -> bool:
        """Pull one piece of work where none is waiting; False at the end of the stream."""
        if not self.waiting:
            with contextlib.suppress(StopIteration):
                self.waiting.append(next(self.stream))
        return bool(self.waiting)


@dataclass
class _Size:
    """How many pieces of work fit: unknown (None) until memory runs out once."""

    most: int | None = None
    patience: int = PATIENCE
    _worked: int = 0
    _grown: bool = False

    def failed(self, tried: int) -> None:
        """Halve; a size that was grown back and failed again is left alone for twice as long."""
        if self._grown:
            self.patience *= 2
        self.most, self._worked, self._grown = tried // 2, 0, False

    def worked(self) -> None:
        """Double after enough full batches; those that something else kept small prove nothing."""
        if self.most is None:
            return
        self._worked += 1
        if self._worked >= self.patience:
            self.most, self._worked, self._grown = self.most * 2, 0, True
