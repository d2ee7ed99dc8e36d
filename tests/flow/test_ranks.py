"""Ranks: every group to exactly one process, under the real launchers."""

import json
import os
import subprocess
import sys
from itertools import chain

import pytest

from cpbench.errors import UserError
from cpbench.flow.ranks import Ranks, shard
from cpbench.flow.stopping import Stopped

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


def test_a_stopped_rank_does_not_wait_for_one_that_is_dead(monkeypatch):
    from torch.distributed import HashStore

    monkeypatch.setattr("cpbench.flow.ranks.GRACE", 0.1)
    looks = []
    place = Ranks(0, 2, lambda: len(looks) > 2 or bool(looks.append(0)), HashStore())
    with pytest.raises(Stopped, match=r"1 of 2 processes have died.*the same command goes on"):
        place.barrier()
    assert len(looks) == 3  # until it is stopped it waits


def test_a_rank_without_a_meeting_place_says_so():
    from torch.distributed import TCPStore

    kept = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    place = Ranks(1, 2, lambda: False, TCPStore("127.0.0.1", kept.port))
    shared = place.share(["a", "b"])
    assert next(shared) == "a"
    del kept  # the process that keeps it dies
    with pytest.raises(UserError, match=r"(?s)meet has gone.*the same command goes on"):
        next(shared)


def test_alone_everything_is_ours():
    assert list(Ranks().share([1, 2, 3])) == [1, 2, 3]


@pytest.mark.parametrize("parts", [1, 3, 16, 50])
def test_shards_are_disjoint_and_whole(parts):
    groups = list(range(40))
    shares = [list(shard(groups, (n, parts))) for n in range(parts)]
    assert sorted(chain.from_iterable(shares)) == groups and max(map(len, shares)) - min(map(len, shares)) <= 1
