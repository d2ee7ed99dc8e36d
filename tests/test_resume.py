"""A run that is killed, stopped or split gives the answers of an undisturbed run, and does no work twice."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from cpbench.flow.ledger import Ledger
from cpbench.records import Prediction

HARNESS = """
    # Imports the command line once, then forks a child a start: a real kill, without a second of imports each.
    import os, random, signal, sys, time
    import cpbench.evaluate, cpbench.cli.run, cpbench.cli.show, cpbench.cli.progress, pydantic, numpy, soundfile, soxr
    from cpbench.cli import main

    def start(arguments, seconds):
        child = os.fork()
        if child == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            try:
                main(arguments)
            except SystemExit as leaving:
                os._exit(leaving.code or 0)
            os._exit(0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if os.waitpid(child, os.WNOHANG)[0]:
                return "done"
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "killed"

    random.seed(0)
"""


def forked(script, tmp_path):
    code = textwrap.dedent(HARNESS) + textwrap.dedent(script)
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(folder):
    return {p.key: p.answer for p in Ledger(folder / "predictions.jsonl", Prediction)}


def flags(items, model, log, out):
    return ["run", "--model", f"{model}:Slow", "-M", f"log={log}", "--tasks", str(items), "--out", str(out)]


PAUSED = ["-M", "pause=0.06", "--no-hearing-check"]  # slow enough to be caught in the middle


@pytest.fixture
def undisturbed(items_file, slow_model, tmp_path, cpbench):
    items = items_file(clips=30, questions=2)
    done = cpbench(*flags(items, slow_model, tmp_path / "whole.log", tmp_path / "whole"))
    assert done.returncode == 0, done.stderr
    return items, answers(tmp_path / "whole")


def test_twenty_kills_at_random_change_nothing(undisturbed, slow_model, tmp_path):
    items, whole = undisturbed
    log = tmp_path / "killed.log"
    said = forked(
        f"""
        arguments = {[*flags(items, slow_model, log, tmp_path / "killed"), *PAUSED]!r}
        ends = [start(arguments, random.uniform(0.02, 0.3)) for _ in range(20)]
        print(ends.count("killed"))
        while start(arguments, 60) != "done":
            pass
        """,
        tmp_path,
    )
    assert answers(tmp_path / "killed") == whole and len(whole) == 60
    asked = log.read_text().splitlines()
    kills = int(said)
    assert kills == 20 and set(asked) == set(whole) and len(asked) - 60 <= kills  # at most the one in hand, each time
    results = json.loads((tmp_path / "killed" / "results.json").read_text())
    undisturbed_results = json.loads((tmp_path / "whole" / "results.json").read_text())
    assert results["results"] == undisturbed_results["results"]


def test_sixteen_killed_shards_merge_to_the_whole(undisturbed, slow_model, tmp_path, cpbench):
    items, whole = undisturbed
    base = flags(items, slow_model, tmp_path / "shards.log", "")[:-2]
    forked(
        f"""
        for n in range(1, 17):
            arguments = {base!r} + ["--shard", f"{{n}}/16", "--out", f"shard{{n}}"]
            start(arguments, random.uniform(0.02, 0.12))
            while start(arguments, 60) != "done":
                pass
        """,
        tmp_path,
    )
    merged = cpbench("merge", *(f"shard{n}" for n in range(1, 17)), "--out", "merged", "--json")
    assert merged.returncode == 0, merged.stderr
    assert answers(tmp_path / "merged") == whole
    assert (
        json.loads(merged.stdout)["results"] == json.loads((tmp_path / "whole" / "results.json").read_text())["results"]
    )
    part = cpbench("merge", *(f"shard{n}" for n in range(1, 16)), "--out", "part")
    assert part.returncode == 0 and "are not answered" in part.stdout
    assert "s in all shards; part" in part.stdout  # no rate: they ran side by side
    twice = cpbench("merge", "shard1", "shard1", "--out", "twice")
    assert twice.returncode == 1 and "given twice" in twice.stderr


def test_a_signal_finishes_the_batch_and_exits_75(items_file, slow_model, tmp_path, cpbench):
    items = items_file(clips=40, questions=2)
    command = [*flags(items, slow_model, tmp_path / "log", tmp_path / "run"), *PAUSED]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    child = subprocess.Popen([sys.executable, "-m", "cpbench", *command], env=env, stderr=subprocess.PIPE, text=True)
    ledger = tmp_path / "run" / "predictions.jsonl"
    while not (ledger.exists() and ledger.stat().st_size):
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.02)
    child.send_signal(signal.SIGUSR1)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 75 and "the same command goes on" in said
    first = answers(tmp_path / "run")
    assert 0 < len(first) < 80
    rest = cpbench(*command)
    assert rest.returncode == 0 and f"{len(first)} of 80 were done before" in rest.stderr
    asked = (tmp_path / "log").read_text().splitlines()
    assert len(asked) == len(set(asked)) == 80


def test_a_folder_of_another_configuration_is_refused(items_file, cpbench, tmp_path):
    items = items_file()
    assert cpbench("run", "--model", "echo", "--tasks", items, "--out", "a", "--limit", 4).returncode == 0
    other = cpbench("run", "--model", "echo", "--tasks", items, "--out", "a", "--seed", 1)
    assert other.returncode == 1 and "seed was 0 and is 1" in other.stderr and "Traceback" not in other.stderr
    more = cpbench("run", "--model", "echo", "--tasks", items, "--out", "a", "--limit", 9)
    assert more.returncode == 0 and len(answers(tmp_path / "a")) == 9
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    full = cpbench("run", "--model", "echo", "--tasks", items, "--out", "full")
    assert full.returncode == 1 and (tmp_path / "full" / "thesis.txt").read_text() == "mine"


def test_changed_data_are_not_mixed_with_old_answers(items_file, cpbench):
    items = items_file()
    assert cpbench("run", "--model", "echo", "--tasks", items, "--out", "a").returncode == 0
    items.write_text(items.read_text().replace("q1?", "another question?"))
    changed = cpbench("run", "--model", "echo", "--tasks", items, "--out", "a")
    assert changed.returncode == 1 and "have changed" in changed.stderr


def test_two_ranks_give_one_run(undisturbed, slow_model, tmp_path):
    items, whole = undisturbed
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "cpbench"]
    command = [*launcher, *flags(items, slow_model, tmp_path / "ranks.log", tmp_path / "ranks"), "--json"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert answers(tmp_path / "ranks") == whole and not list((tmp_path / "ranks").glob("*.jsonl.*"))
    assert (
        json.loads(done.stdout)["results"] == json.loads((tmp_path / "whole" / "results.json").read_text())["results"]
    )
    asked = [line for line in (tmp_path / "ranks.log").read_text().splitlines() if "hearing check" not in line]
    assert sorted(asked) == sorted(whole)


@pytest.fixture
def dying_model(tmp_path):
    """As `slow_model`; one rank kills itself (SIGKILL) in the middle, unless that has happened already."""
    path = tmp_path / "dying.py"
    path.write_text(
        """
import hashlib, os, signal, time
from dataclasses import dataclass
from pathlib import Path

from cpbench.records import ModelCard


@dataclass
class Dying:
    dead: str
    card = ModelCard("dying", "test")

    def answer(self, turns):
        for place, turn in enumerate(turns):
            time.sleep(0.004)
            if place == 10 and os.environ.get("RANK") == "1" and not Path(self.dead).exists():
                Path(self.dead).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            word = hashlib.sha256(turn.heard[0].wave.tobytes() + turn.request.text.encode()).hexdigest()[:8]
            yield turn.request.answered(word, heard=turn.heard[0].seconds)
"""
    )
    return path


def test_a_rank_that_dies_stops_the_run_with_one_message_and_the_next_start_ends_it(
    undisturbed, dying_model, tmp_path, cpbench
):
    items, whole = undisturbed
    out = tmp_path / "ranks"
    command = ["run", "--model", f"{dying_model}:Dying", "-M", f"dead={tmp_path / 'dead'}", "--tasks", str(items)]
    command += ["--out", str(out), "--no-hearing-check"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "cpbench"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    done = subprocess.run([*launcher, *command], env=env, capture_output=True, text=True, timeout=120, check=False)
    said = [line for line in done.stderr.splitlines() if "have died, or are still busy" in line]
    assert done.returncode != 0 and len(said) == 1 and "the same command goes on" in said[0], done.stderr
    assert "-9" in done.stderr and time.monotonic() - start < 60  # torchrun names the rank, and need not kill the other
    parts = [Ledger(part, Prediction) for part in out.glob("predictions.jsonl.*")]
    assert 10 <= sum(map(len, parts)) < 60
    rest = cpbench(*command)
    assert rest.returncode == 0 and "were done before" in rest.stderr, rest.stderr
    assert answers(out) == whole and not list(out.glob("*.jsonl.*"))
