"""Ranks: every group to exactly one process, under the real launchers."""

import json
import os
import socket
import subprocess
import sys
from itertools import chain

import pytest

from cpbench.flow.ranks import Ranks, shard

WORKER = """
import json, sys, time
from cpbench.flow.ranks import ranks
place = ranks()
place.barrier()
got = []
for group in place.share(range(40)):
    got.append(group)
    time.sleep(0.02 if place.first else 0.001)
place.barrier()
with open(f"{sys.argv[1]}/{place.index}.json", "w") as file:
    json.dump([place.count, got], file)
"""


def launch(command, tmp_path, **env):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ACCELERATE", "MASTER_", "RANK"))}
    return subprocess.run(
        [sys.executable, "-m", *command, str(worker), str(tmp_path)],
        env={**clean, "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_torchrun_shares_every_group_once_and_the_fast_rank_does_more(tmp_path):
    done = launch(["torch.distributed.run", "--nproc-per-node", "2"], tmp_path)
    assert done.returncode == 0, done.stderr
    (two, first), (_, second) = (json.loads((tmp_path / f"{n}.json").read_text()) for n in range(2))
    assert two == 2 and sorted(first + second) == list(range(40)) and len(second) > len(first)


def test_fewer_processes_than_asked_for_is_an_error(tmp_path):
    done = launch(["accelerate.commands.launch", "--cpu", "--num_processes", "2"], tmp_path)
    assert done.returncode != 0 and "several processes" in done.stderr and "torchrun" in done.stderr


GONE = """
import os, sys, time
from cpbench.errors import UserError
from cpbench.flow import ranks as module
from cpbench.flow.stopping import Stopped
module.GRACE = 0.2
place = module.ranks(lambda: sys.argv[1] == "stopped")
place.barrier()
if place.first and sys.argv[1] == "stopped":
    time.sleep(1)
if not place.first and sys.argv[1] != "stopped":
    time.sleep(0.5)  # the first has gone, and the store with it
try:
    if place.first == (sys.argv[1] == "stopped"):
        place.barrier()
except (Stopped, UserError) as error:
    print(error)
"""


def gone(how, tmp_path):
    """What the rank that is left says; started without a launcher, as srun does."""
    worker = tmp_path / "gone.py"
    worker.write_text(GONE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            [sys.executable, str(worker), how],
            env={**os.environ, **place, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    return said


def test_a_stopped_rank_does_not_wait_for_one_that_is_dead(tmp_path):
    first, second = gone("stopped", tmp_path)
    assert "1 of 2 processes have died" in first and "the same command goes on" in first and not second


def test_a_rank_without_a_meeting_place_says_so(tmp_path):
    first, second = gone("first rank gone", tmp_path)
    assert "the ranks of this run meet has gone" in second and "the same command goes on" in second and not first


def test_alone_everything_is_ours():
    assert list(Ranks().share([1, 2, 3])) == [1, 2, 3]


@pytest.mark.parametrize("parts", [1, 3, 16, 50])
def test_shards_are_disjoint_and_whole(parts):
    groups = list(range(40))
    shares = [list(shard(groups, (n, parts))) for n in range(parts)]
    assert sorted(chain.from_iterable(shares)) == groups and max(map(len, shares)) - min(map(len, shares)) <= 1
