"""What the speed benchmarks share: a measured figure is printed, and kept for the table of docs/performance.md."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

from cpbench.flow.device import processors

PACKAGES = ("torch", "transformers")


@pytest.fixture
def figure() -> Callable[..., None]:
    """figure(name, value, *, bound, unit, on, at="most"): print a measured figure, and keep it for the table.

    `bound`: what it is held against; None: nothing. `at`: whether the bound is the most or the least that it may be.
    `unit`: "x", "s", "MB", ...; `on`: what was measured. It holds nothing: that is the test's affair. The line goes to
    the file that CPBENCH_PERF_OUT names; the last line of a name counts (see table.py).
    """

    def keep(
        name: str, value: float, *, bound: float | None, unit: str, on: str, at: Literal["most", "least"] = "most"
    ) -> None:
        against = "" if bound is None else f" (at {at} {bound:g})"
        print(f"\n{name}: {value:.4g} {unit}{against}; {on}")
        if out := os.environ.get("CPBENCH_PERF_OUT"):
            line = {"name": name, "value": float(value), "bound": bound, "at": at, "unit": unit, "on": on}
            line |= {"machine": machine(), "commit": commit(), "date": datetime.now(UTC).date().isoformat()}
            Path(out).parent.mkdir(parents=True, exist_ok=True)
            with Path(out).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    return keep


@cache
def machine() -> dict[str, Any]:
    """What the figures were measured on: no host name, no path."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    named = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": named[0] if named else platform.processor() or platform.machine(),
        "cores": processors(),
        "memory_gib": round(memory / 2**30),
        "gpu": _gpu(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _gpu() -> str | None:
    """The first GPU's name, asked of the driver: torch would take a second and a context."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return said.splitlines()[0].strip() if said.strip() else None


@cache
def commit() -> str:
    """The commit that was measured, with "-dirty" where files were changed since; "unknown" outside a checkout."""
    try:
        asked = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
        folder = Path(__file__).parent
        return subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
