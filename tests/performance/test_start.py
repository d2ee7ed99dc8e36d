"""Start-up: `cpbench --help` while one waits for it, and a run that imports only what it uses.

Both are held against `python -c pass` on the same machine, which no program in Python can undercut.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from beside import module_at

RUNS = module_at(Path(__file__).with_name("runs.py"))
TIMES = 10
HEAVY = ("torch", "transformers", "datasets", "lm_eval", "openai", "anthropic", "matplotlib", "sklearn", "pandas")
pytestmark = pytest.mark.performance


def median(*arguments: str) -> float:
    """Seconds of a command: the median of ten, after one that brings its files into memory."""

    def call() -> None:
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    call()
    return statistics.median(RUNS.seconds(call) for _ in range(TIMES))


def test_help_comes_at_once(figure: Callable[..., None]) -> None:
    empty, shown = median("-c", "pass"), median("-m", "cpbench", "--help")
    on = f"median of {TIMES}; `python -c pass` takes {1000 * empty:.0f} ms of it"
    figure("start-up: cpbench --help", 1000 * shown, bound=150, unit="ms", on=on)
    assert shown <= 0.15


def test_a_run_imports_only_what_it_uses(tmp_path: Path, figure: Callable[..., None]) -> None:
    """A null baseline on its own items needs no torch, no SDK and no data set library."""
    (tmp_path / "answers.jsonl").write_text('{"item_id": "0-0", "answer": "sad"}\n')
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "0.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), 16000)
    items = RUNS.asked_of([tmp_path / "0.wav"], tmp_path / "items.jsonl", questions=1)
    flags = ["run", "--model", f"answers:{tmp_path / 'answers.jsonl'}", "--tasks", str(items), "--out"]
    code = (
        f"import sys; from cpbench.cli import main\ntry: main({[*flags, str(tmp_path / 'run')]!r})\n"
        "except SystemExit as left: assert not left.code\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]; assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    took = median("-m", "cpbench", *flags, str(tmp_path / "again"))
    figure("start-up: cpbench run of one saved answer, whole", took, bound=None, unit="s", on=f"median of {TIMES}")
