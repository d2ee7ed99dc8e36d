"""What the benchmarks of whole runs share: questions in a file, a model that is loaded before the clock starts, memory.

Load this module by its path: tests are no package.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from cpbench.models.local import LocalModel

QUESTIONS = ("How does she feel?", "What does he say, and how?", "Is the voice loud or soft?", "Who speaks?")
HANDED = "cpbench_performance_warm"
WARM = f"""
import sys

class Warm:
    "The model that was loaded, and tried, before."

    def __init__(self):
        self.model = sys.modules["{HANDED}"].model

    card = property(lambda self: self.model.card)

    def answer(self, turns):
        return self.model.answer(turns)

    def account(self):
        return self.model.account()
"""


def handed(model: LocalModel, folder: Path) -> str:
    """A --model that is `model` as it is: loaded, and its ways tried. Only one is handed over at a time."""
    made = ModuleType(HANDED)
    made.model = model  # type: ignore[attr-defined]
    sys.modules[HANDED] = made
    (folder / "warm.py").write_text(WARM, encoding="utf-8")
    return f"{folder / 'warm.py'}:Warm"


def asked_of(files: Iterable[Path], out: Path, questions: int = len(QUESTIONS)) -> Path:
    """An items.jsonl: some questions of each clip, the first with a label; forty recordings."""
    with out.open("w", encoding="utf-8") as lines:
        for number, file in enumerate(files):
            for place, question in enumerate(QUESTIONS[:questions]):
                line: dict[str, Any] = {"id": f"{number}-{place}", "audio": str(file), "question": question}
                line |= {"references": ["sad"], "recording": f"r{number % 40}", "type": ("DE", "C", "DG", "C")[place]}
                if place == 0:
                    line |= {"label": ("sad", "happy")[number % 2], "options": ["happy", "sad"]}
                lines.write(json.dumps(line) + "\n")
    return out


def seconds(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def resident(which: str = "VmRSS") -> float:
    """MiB of this process in memory now; `VmHWM`: at most, since the last `forget_peak`."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def forget_peak() -> None:
    """From here on VmHWM counts anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
