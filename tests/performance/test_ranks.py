"""Two ranks on two cores beside one rank on one: how much faster, and whether the results are the same.

Both are the command line as a user types it, under torchrun for the two. Start-up (imports, weights, the hearing check,
the trial of the model's ways) is excluded by difference: each way asks many clips and, another time, a few, and what is
compared is the time that the more of them took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beside import module_at

from cpbench.flow.device import processors
from cpbench.flow.ledger import Ledger
from cpbench.records import Prediction

SMALL, RUNS = (module_at(Path(__file__).with_name(name)) for name in ("small.py", "runs.py"))
MANY, SOME = (SMALL.FEW, SMALL.FEW // 2) if SMALL.FEW else (400, 16)  # clips
pytestmark = [
    pytest.mark.performance,
    pytest.mark.skipif(not SMALL.EMODB.is_dir(), reason="EmoDB's clips are not beside this checkout"),
    pytest.mark.skipif(processors() < 2, reason="one core"),
]
ONE = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), sys.executable)
TWO = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")


def typed(launcher: tuple[str, ...], checkpoint: Path, items: Path, out: Path) -> float:
    """Seconds of `cpbench run` under a launcher."""
    flags = ["--model", str(checkpoint), "-M", "device=cpu", "-M", "max_new_tokens=32", "--tasks", str(items)]
    command = [*launcher, "-m", "cpbench", "run", *flags, "--out", str(out)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - start


def answers(run: Path) -> dict[str, Prediction]:
    return {said.key: said for said in Ledger(run / "predictions.jsonl", Prediction)}


def results(run: Path) -> dict[str, Any]:
    """results.json without what the clock says."""
    kept = json.loads((run / "results.json").read_text())
    return {name: value for name, value in kept.items() if name not in ("throughput", "config", "run")}


def test_two_ranks_are_nearly_twice_as_fast_and_say_the_same(tmp_path: Path, figure: Callable[..., None]) -> None:
    checkpoint = SMALL.qwen2_audio(tmp_path / "qwen2_audio")
    files = sorted(SMALL.EMODB.iterdir())
    many = RUNS.asked_of(files[:MANY], tmp_path / "many.jsonl")
    some = RUNS.asked_of(files[:SOME], tmp_path / "some.jsonl")

    def took(launcher: tuple[str, ...], name: str) -> float:
        start_up = typed(launcher, checkpoint, some, tmp_path / f"{name} some")
        return typed(launcher, checkpoint, many, tmp_path / name) - start_up

    typed(TWO, checkpoint, some, tmp_path / "first")  # files into memory
    one, two = took(ONE, "one"), took(TWO, "two")
    assert answers(tmp_path / "two") == answers(tmp_path / "one")
    assert results(tmp_path / "two") == results(tmp_path / "one")
    more = (MANY - SOME) * len(RUNS.QUESTIONS)
    on = f"Qwen2Audio shape, {more} questions about {MANY - SOME} clips of EmoDB: {one:.1f} s and {two:.1f} s"
    figure("6. two ranks on two cores, over one on one", one / two, bound=1.7, unit="x", on=on, at="least")
    assert SMALL.FEW or one / two >= 1.7
