"""Streams: an iterable in, an iterator out as things finish."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

W = TypeVar("W")
R = TypeVar("R")


def in_flight(call: Callable[[W], R], work: Iterable[W], limit: int) -> Iterator[R]:
    """Call `call` on each piece of work, at most `limit` at once, and yield the results as they finish.

    Work is pulled only when there is room for it. After an exception, of a call or of `work`, nothing more is begun;
    what is in flight is yielded as it finishes, since it may have been paid for, and then the exception is raised.
    """
    pieces = iter(work)
    pool = ThreadPoolExecutor(limit, thread_name_prefix="in-flight")
    flying: set[Future[R]] = set()
    failed: BaseException | None = None
    try:
        more = True
        while more or flying:
            while more and len(flying) < limit:
                try:
                    flying.add(pool.submit(call, next(pieces)))
                except StopIteration:
                    more = False
                except Exception as fault:
                    failed, more = fault, False
            done, flying = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                if (error := future.exception()) is None:
                    yield future.result()
                else:
                    failed, more = error if failed is None else failed, False
        if failed is not None:
            raise failed
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def prefetch(stream: Iterable[R], depth: int) -> Iterator[R]:
    """The same stream, up to `depth` pieces ahead of its reader in a thread of its own.

    An exception of the stream is raised at the reader, in its place. Closing the iterator ends the thread.
    """
    ready: queue.Queue[tuple[R | None, BaseException | None, bool]] = queue.Queue(maxsize=depth)
    closed = threading.Event()

    def put(entry: tuple[R | None, BaseException | None, bool]) -> bool:
        while not closed.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for piece in stream:
                if not put((piece, None, False)):
                    return
            put((None, None, True))
        except BaseException as error:  # handed to the reader, whatever it is
            put((None, error, True))

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            piece, error, last = ready.get()
            if error is not None:
                raise error
            if last:
                return
            yield piece  # type: ignore[misc]
    finally:
        closed.set()
        thread.join()


class Background(Generic[W]):
    """A stream that is worked off in a thread of its own while its owner goes on.

    >>> seen: list[int] = []
    >>> with Background(lambda work: seen.extend(n * n for n in work)) as squares:
    ...     squares.put(2)
    ...     squares.put(3)
    >>> seen
    [4, 9]
    """

    def __init__(self, do: Callable[[Iterable[W]], object]) -> None:
        self._work: queue.Queue[tuple[W | None, bool]] = queue.Queue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(do,), name="background", daemon=True)
        self._thread.start()

    def put(self, piece: W) -> None:
        """Hand over one piece. Raises the worker's exception if it has died."""
        if self._error is not None:
            raise self._error
        self._work.put((piece, False))

    def finish(self) -> None:
        """Wait until all is done. Raises the worker's exception."""
        self._work.put((None, True))
        self._thread.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Background[W]:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.finish()
            return
        while not self._work.empty():  # the owner has failed: what is under way ends, and no more is begun
            self._work.get_nowait()
        self._work.put((None, True))
        self._thread.join()

    def _run(self, do: Callable[[Iterable[W]], object]) -> None:
        try:
            do(self._pieces())
        except BaseException as error:  # handed to the owner at put or finish
            self._error = error

    def _pieces(self) -> Iterator[W]:
        while True:
            piece, last = self._work.get()
            if last:
                return
            yield piece  # type: ignore[misc]
