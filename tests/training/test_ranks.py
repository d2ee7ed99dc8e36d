"""Two processes make the step that one makes of twice as many batches, and go on where they were ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from cpbench.training import load_config, train

SETTINGS = """\
sizes:
  vocabulary: 400
  window_seconds: 2.0
  adapter_hidden_size: 32
  encoder: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64, dropout: 0.0}
  text: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64}
stages:
  - {name: ears, epochs: 1, learning_rate: 1.0e-3, trainable: encoder, prosody_weight: 1.0}
  - {name: all, epochs: 2, learning_rate: 1.0e-3}
  - {name: adapter, epochs: 1, learning_rate: 1.0e-3, trainable: adapter}
conditions: {audio: 1.0, transcript: 1.0}  # a rank may have a batch in which nothing is heard
batch_size: 2
level_jitter: 0.0
trainer: {logging_steps: 1}
"""


def test_two_ranks_learn_what_one_learns_from_twice_the_batches(corpus: Path, tmp_path: Path, watch: Any) -> None:
    lines = [json.loads(line) for line in corpus.read_text().splitlines()]
    eight = [{**line, "split": "train"} for line in lines]  # an even number: a rank without a clip would hear one twice
    corpus.write_text("".join(json.dumps(line) + "\n" for line in eight))
    (tmp_path / "c.yaml").write_text(SETTINGS)
    changes = {"accumulation": 2, "threads": 1}
    train(
        load_config(str(tmp_path / "c.yaml"), data=[str(corpus)], out=str(tmp_path / "one"), changes=changes),
        watch,
    )
    one = curve("\n".join(watch.said))
    two = curve(by_two(tmp_path, corpus))
    assert len(one) == len(two) > 4
    torch.testing.assert_close(torch.tensor(two), torch.tensor(one), atol=5e-3, rtol=1e-2)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, value in first.items():
        torch.testing.assert_close(second[name].float(), value.float(), atol=5e-3, rtol=5e-2, msg=name)
    whole, again = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "again"))
    assert again == whole


def by_two(folder: Path, corpus: Path) -> str:
    """What `torchrun` of the command line says; the trainings of ranks.py come after it, in the same processes."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    files = (Path(__file__).with_name("ranks.py"), folder / "c.yaml", corpus, folder)
    done = subprocess.run(
        [sys.executable, *launch, *map(str, files)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("stopped 2 times, finished") == 2
    assert done.stdout.count(str(folder / "two")) == 1  # of several ranks, one says it
    return done.stderr


def curve(said: str) -> list[float]:
    """The losses, a line of each step."""
    lines = dict.fromkeys(re.findall(r"(\w+: step \d+) of \d+, loss ([\d.]+)", said))
    return [float(loss) for _, loss in lines]
