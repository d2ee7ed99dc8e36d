"""Memory that is free, given back to the system.

glibc keeps what a program frees: a training of batches of many shapes leaves holes in its heap that no later batch
fits, and a process that trains several times would grow with each, though not one tensor of them is alive.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


def give_back() -> None:
    """Give the free pages of this process's heap back to the system; nothing where the C library knows no such call."""
    trim = _trim()
    if trim is not None:
        trim(0)


@functools.cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS; Windows, where None names no library
        return None
