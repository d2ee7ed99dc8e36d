"""docs/examples/cpbench.sbatch, by bash: Slurm's `srun` and `scontrol` are small programs on the PATH, cpbench is real.

Under a real Slurm it was run by hand: docs/cluster.md says how.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cpbench.flow.ledger import Ledger
from cpbench.records import Prediction

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "cpbench.sbatch"
Start = Callable[..., "subprocess.Popen[str]"]


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Start]:
    """slurm(task, *words, srun=, tasks=) -> the batch script as Slurm starts it for one task of a job array."""
    begun: list[subprocess.Popen[str]] = []

    def start(task: int, *words: object, srun: str = 'shift; exec "$@"', **environment: str) -> subprocess.Popen[str]:
        place = tmp_path / f"bin-{len(begun)}"  # its own: a program that is being written cannot be started
        place.mkdir()
        program(place / "scontrol", f'echo "$@" >> {tmp_path}/scontrol.log')
        program(place / "cpbench", f'exec {sys.executable} -m cpbench "$@"')
        program(place / "srun", srun)
        told = {
            "PATH": f"{place}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_MAX": "2",
            "SLURM_ARRAY_JOB_ID": "99",
            "OMP_NUM_THREADS": "1",
            "OUT": "out",
            **environment,
        }
        script = subprocess.Popen(
            ["bash", SCRIPT, *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, **told},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(script)
        return script

    yield start
    for script in begun:
        with script:
            script.kill()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_shard_that_is_warned_goes_back_into_the_queue_and_goes_on(
    slurm: Start, items_file: Any, slow_model: Path, cpbench: Any, tmp_path: Path
) -> None:
    items, log = items_file(clips=10, questions=2), tmp_path / "log"
    words = ["--tasks", items, "-M", f"log={log}", "-M", "pause=0.15", "--no-hearing-check"]
    first = slurm(1, *words, MODEL=f"{slow_model}:Slow")
    until(lambda: log.exists() and len(log.read_text().splitlines()) >= 2)
    first.send_signal(signal.SIGUSR1)
    said = first.communicate(timeout=60)[0]
    assert first.returncode == 0 and "shard 1/2 goes on later (exit code 75)" in said, said
    assert (tmp_path / "scontrol.log").read_text() == "requeue 99_1\n"
    before = len(log.read_text().splitlines())
    both = [slurm(task, *words, MODEL=f"{slow_model}:Slow") for task in (1, 2)]
    assert [one.wait(timeout=60) for one in both] == [0, 0]
    for one in both:
        one.communicate()
    asked = Counter(log.read_text().split())
    assert len(asked) == 20 and set(asked.values()) == {1} and 2 <= before < 20
    done = cpbench("merge", "out/shard-1", "out/shard-2", "--out", "out/all")
    assert done.returncode == 0, done.stderr
    assert len(Ledger(tmp_path / "out" / "all" / "predictions.jsonl", Prediction)) == 20


@pytest.mark.parametrize(
    ("number", "srun", "requeued"),
    [
        (signal.SIGUSR1, "exec sleep 60", True),  # while it loads nobody listens, and the signal kills it
        (signal.SIGTERM, "exec sleep 60", True),  # preempted
        (signal.SIGUSR1, "trap 'exit 75' USR1; touch there; while :; do sleep 0.05; done", True),
        (None, "exit 3", False),
        (None, "kill -9 $$", False),  # out of memory: the same would happen again
    ],
)
def test_only_what_was_warned_is_queued_again(
    slurm: Start, tmp_path: Path, number: int | None, srun: str, requeued: bool
) -> None:
    started = slurm(2, srun=f"echo $$ > pid; {srun}", MODEL="demo")
    if number is not None:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        until(lambda: "touch there" not in srun or (tmp_path / "there").exists())
        time.sleep(0.2)  # until the script's own trap is set
        started.send_signal(number)
    started.communicate(timeout=60)
    log = tmp_path / "scontrol.log"
    assert (log.read_text() if log.exists() else "") == ("requeue 99_2\n" if requeued else "")
    assert started.returncode == (0 if requeued else 3 if "exit 3" in srun else 137)


def test_it_says_what_is_missing_and_takes_the_number_of_shards(slurm: Start) -> None:
    lacking = slurm(1)
    assert "which model?" in lacking.communicate(timeout=60)[0] and lacking.returncode != 0
    told = slurm(3, "--limit", "4", srun='echo "$@"', MODEL="a b", SHARDS="16")
    words = told.communicate(timeout=60)[0].strip()
    assert words == "--ntasks=1 cpbench run --model a b --shard 3/16 --out out/shard-3 --limit 4"
