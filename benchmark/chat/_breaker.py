"""When to stop asking: a run that would only collect failures ends, and keeps what it has."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from cpbench.errors import UserError

IN_A_ROW = 20  # failures of any kind
DENIED = 3  # times in a row that the key or the account was refused
FIRST = 50  # of so many first calls ...
AT_MOST = 10  # ... so many may fail by the endpoint's own fault
Fault = Literal["request", "call", "busy", "unreached"]
"""Whose a failure is: the endpoint is well and refuses this one request (HTTP 400); this one call came to nothing (500,
no reply in time, a body that is no completion); the endpoint takes none now (429, 502 to 504); it is not there."""
AGAIN = "the same command again: it goes on where it stopped"


@dataclass
class Breaker:
    """Counts one endpoint's successes and failures; its methods may be called from any thread."""

    endpoint: str  # for the message
    answered: int = 0
    _calls: int = 0
    _faults: int = 0
    _in_a_row: int = 0
    _denied: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def success(self) -> None:
        with self._lock:
            self.answered += 1
            self._calls += 1
            self._in_a_row = self._denied = 0

    def denied(self, reason: str, *, mend: str) -> None:
        """Count a call whose key or account was refused. Raises UserError at the first where nothing was answered yet,
        else at the third in a row."""
        with self._lock:
            self._denied += 1
            if not self.answered or self._denied >= DENIED:
                raise UserError(f"{self.endpoint} says {reason}", mend=mend)
        self.failure(reason)

    def failure(self, reason: str, *, fault: Fault = "call", wait: float = 0.0) -> None:
        """Count a failure. `wait`: seconds that the endpoint asks to be left alone.

        Raises UserError after 20 failures in a row, and after more than 10 of the first 50 that are the endpoint's own.
        """
        with self._lock:
            self._calls += 1
            self._in_a_row += 1
            self._faults += 0 if fault == "request" or self._calls > FIRST else 1
            if self._in_a_row >= IN_A_ROW:
                raise UserError(
                    f"{self.endpoint}: {self._in_a_row} calls in a row failed, the last: {reason}", mend=AGAIN
                )
            if self._faults > AT_MOST:
                raise UserError(
                    f"{self.endpoint}: {self._faults} of the first {self._calls} calls failed: {reason}", mend=AGAIN
                )
