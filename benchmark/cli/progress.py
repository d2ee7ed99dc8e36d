"""Progress on stderr, as the command line draws it."""

from __future__ import annotations

from cpbench.flow.progress import Bar

__all__ = ["Bar"]
