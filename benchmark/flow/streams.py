"""Streams: an iterable in, an iterator out as things finish."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

W = TypeVar("W")
R = TypeVar("R")


def in_flight(call: Callable[[W], R], work: Iterable[W], limit: int) -> Iterator[R]:
    """Call `call` on each piece of work, at most `limit` at once, and yield the results as they finish.

    Work is pulled only when there is room for it. After an exception, of a call or of `work`, nothing more is begun;
    what is in flight is yielded as it finishes, since it may have been paid for, and then the exception is raised.
    """
    pieces = iter(work)
    crew = _Crew(call, limit)
    failed: BaseException | None = None
    more, flying = True, 0
    try:
        while more or flying:
            while more and flying < limit:
                try:
                    crew.begin(next(pieces))
                    flying += 1
                except StopIteration:
                    more = False
                except Exception as fault:
                    failed, more = fault, False
            if not flying:
                break
            result, error = crew.finished.get()
            flying -= 1
            if error is None:
                yield result  # type: ignore[misc]
            else:
                failed, more = error if failed is None else failed, False
        if failed is not None:
            raise failed
    finally:
        crew.dismiss()


class _Crew(Generic[W, R]):
    """Threads that take work from one queue and put results into another, for less than half of what futures cost."""

    def __init__(self, call: Callable[[W], R], limit: int) -> None:
        self.finished: queue.SimpleQueue[tuple[R | None, BaseException | None]] = queue.SimpleQueue()
        self._todo: queue.SimpleQueue[tuple[W | None, bool]] = queue.SimpleQueue()
        self._call, self._limit = call, limit
        self._threads: list[threading.Thread] = []
        self._dismissed = False

    def begin(self, piece: W) -> None:
        self._todo.put((piece, False))
        if len(self._threads) < self._limit:
            thread = threading.Thread(target=self._work, name=f"in-flight-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def dismiss(self) -> None:
        """Wait for what is under way; what was not begun is dropped."""
        self._dismissed = True
        for _ in self._threads:
            self._todo.put((None, True))
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            piece, last = self._todo.get()
            if last or self._dismissed:
                return
            try:
                self.finished.put((self._call(piece), None))  # type: ignore[arg-type]
            except BaseException as error:  # handed to the reader, whatever it is
                self.finished.put((None, error))


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
