"""Stopping in order: SIGTERM, and SIGUSR1 (a cluster's warning before its time limit), finish the batch in hand."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(Exception):
    """The run was stopped by a signal; the same command resumes it. Exit code 75."""

    exit_code = 75


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that is set once SIGTERM or SIGUSR1 arrives; the old handlers return at the end.

    Only the main thread may set handlers: elsewhere the event is never set.
    """
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
