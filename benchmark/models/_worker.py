"""The start of a `command:` model: one file of the standard library's Python."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from cpbench.flow.starts import write_start


def write_worker(file: Path) -> Path:
    """Write a worker to `file`, executable, for its owner to fill in. Raises UsageError where a file stands there."""
    return write_start(file, (resources.files("cpbench") / "models" / "worker.py.txt").read_text(encoding="utf-8"))
