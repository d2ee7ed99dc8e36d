"""Two processes make the step that one makes of twice as many batches, and go on where they were ended."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cpbench.audio import load
from cpbench.formats import read
from cpbench.models import load_model
from cpbench.records import Request, Sound, Turn
from cpbench.training import load_config, train

Done = subprocess.CompletedProcess[str]

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


@pytest.fixture(scope="module")
def eight(corpus_of: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips to learn from, evenly: a rank without a clip would hear one twice; two others in dev.jsonl."""
    corpus = corpus_of(tmp_path_factory.mktemp("ranks"), 10)
    lines = [json.loads(line) | {"split": "train"} for line in corpus.read_text().splitlines()]
    for path, part in ((corpus, lines[:16]), (corpus.with_name("dev.jsonl"), lines[16:])):
        path.write_text("".join(json.dumps(line) + "\n" for line in part))
    (corpus.parent / "c.yaml").write_text(SETTINGS)
    return corpus


@pytest.fixture(scope="module")
def two(eight: Path, parts: ModuleType) -> Done:
    """What two ranks trained, in the corpus's folder: see ranks.py."""
    folder = eight.parent
    torch.manual_seed(0)
    parts.whisper(folder / "parts" / "whisper")
    parts.llama(folder / "parts" / "llama")
    return launched("ranks.py", folder / "c.yaml", eight, folder, folder / "parts")


def test_two_ranks_learn_what_one_learns_from_twice_the_batches(eight: Path, two: Done, watch: Any) -> None:
    folder = eight.parent
    changes = {"accumulation": 2, "threads": 1}
    config = load_config(str(folder / "c.yaml"), data=[str(eight)], out=str(folder / "one"), changes=changes)
    train(config, watch)
    assert two.stdout.count(str(folder / "two")) == 1  # of several ranks, one says it
    one, both = curve("\n".join(watch.said)), curve(two.stderr)
    assert len(one) == len(both) > 4
    torch.testing.assert_close(torch.tensor(both), torch.tensor(one), atol=5e-3, rtol=1e-2)
    near(folder / "two", folder / "one", atol=5e-3, rtol=5e-2)  # saved as float16


def test_two_ranks_go_on_where_they_were_ended(eight: Path, two: Done) -> None:
    assert two.stdout.count("stopped 2 times, finished") == 2
    assert same(eight.parent / "whole", eight.parent / "again")


def test_split_by_fsdp_they_learn_what_whole_ones_learn(eight: Path, two: Done) -> None:
    """The adapter of a cached encoder, then all; and LoRA with an encoder that is run."""
    alike(eight, "fsdp")


def test_where_fsdp_would_split_nothing_or_wait_for_ever_it_is_refused(two: Done) -> None:
    assert two.stdout.count("on CPUs: on CPUs accelerate leaves the weights whole") == 2
    assert two.stdout.count("with losses on frames: stage 'ears' has losses on the encoder's frames") == 2


@pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed")
@pytest.mark.parametrize("stage", [2, 3])
def test_split_by_deepspeed_they_learn_what_whole_ones_learn(eight: Path, two: Done, stage: int) -> None:
    folder = eight.parent
    launched("zero.py", folder / "parts", eight, folder, stage)
    alike(eight, f"zero{stage}")


def alike(corpus: Path, way: str) -> None:
    folder = corpus.parent
    assert same(folder / way / "stages", folder / way / "whole")  # ended twice and gone on with
    for name in ("stages", "lora"):
        near(folder / way / name, folder / "ddp" / name, atol=1e-5, rtol=1e-4)
        notes = [json.loads((folder / one / name / "checkpoint.json").read_text()) for one in (way, "ddp")]
        assert notes[0]["steps"] == notes[1]["steps"]
        assert notes[0]["evaluations"] == notes[1]["evaluations"]
    assert not same(folder / way / "stages", folder / way / "lora")
    clip = next(iter(read("items", corpus, task="t")))
    sound = Sound(clip.clips[0])
    turn = Turn(Request("1", "t", "audio", "Who?", (sound,)), (load(sound, 16000),))
    said = [
        list(load_model(str(folder / one / "lora"), {"max_new_tokens": "4"}).answer([turn])) for one in (way, "ddp")
    ]
    assert said[0][0].raw == said[1][0].raw


def near(one: Path, other: Path, *, atol: float, rtol: float) -> None:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value.float(), second[name].float(), atol=atol, rtol=rtol, msg=name)


def same(one: Path, other: Path) -> bool:
    first, second = ((folder / "model.safetensors").read_bytes() for folder in (one, other))
    return first == second


def launched(script: str, *given: object) -> Done:
    """A script of this folder in two processes of torchrun."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run(
        [sys.executable, *launch, str(Path(__file__).with_name(script)), *map(str, given)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def curve(said: str) -> list[float]:
    """The losses, a line of each step."""
    lines = dict.fromkeys(re.findall(r"(\w+: step \d+) of \d+, loss ([\d.]+)", said))
    return [float(loss) for _, loss in lines]
