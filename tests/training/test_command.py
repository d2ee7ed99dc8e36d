"""`cpbench train` as it is typed: what it makes, what it refuses, and that nothing is lost."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import re
import runpy
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from cpbench.cli import main

SETTINGS = """\
sizes:
  vocabulary: 400
  window_seconds: 2.0
  adapter_hidden_size: 32
  encoder: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64, dropout: 0.2}
  text: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64}
stages:
  - {name: ears, epochs: 2, learning_rate: 0.001, trainable: encoder, ctc_weight: 1, voice_weight: 1, prosody_weight: 1}
  - {name: all, epochs: 4, learning_rate: 1.0e-3, ctc_weight: 0.2}
batch_size: 2
accumulation: 2
masked_frames: 0.1
save_every: 2
threads: 1
"""


@dataclasses.dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Typed = Callable[..., Done]


@pytest.fixture
def typed(corpus: Path, capfd: pytest.CaptureFixture[str]) -> Typed:
    """typed("--variant", ..., out=) -> what `cpbench train` of the corpus said, in this process."""
    (corpus.parent / "c.yaml").write_text(SETTINGS)

    def call(*flags: object, out: str = "out", config: bool = True) -> Done:
        capfd.readouterr()
        code = 0
        try:
            main([*arguments(corpus, out, config=config), *map(str, flags)])
        except SystemExit as left:
            code = int(left.code or 0)
        return Done(code, *capfd.readouterr())

    return call


def arguments(corpus: Path, out: str, *, config: bool = True) -> list[str]:
    folder = corpus.parent
    how = ["--config", str(folder / "c.yaml")] if config else []
    return ["train", *how, "--data", str(corpus), "--out", str(folder / out)]


def changed(corpus: Path, how: Callable[[dict[str, Any]], dict[str, Any]], name: str = "items.jsonl") -> Path:
    lines = [how(json.loads(line)) for line in corpus.read_text(encoding="utf-8").splitlines()]
    path = corpus.with_name(name)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def weights(corpus: Path, out: str) -> bytes:
    return (corpus.parent / out / "model.safetensors").read_bytes()


def test_killed_at_any_step_it_goes_on_to_the_same_bytes(typed: Typed, corpus: Path) -> None:
    """Real processes, a real SIGKILL; they fork off a server that has imported what a training needs."""
    assert typed(out="whole").code == 0
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["cpbench.training.train", "cpbench.training.stages", "cpbench.training.fresh"])
    script = str(Path(__file__).with_name("killed.py"))
    for at in (1, 3, "training all", 5):  # from where the one before left it: the last checkpoint
        given = {"GIVEN": arguments(corpus, "killed"), "AT": at}
        process = processes.Process(target=runpy.run_path, args=(script, given))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, at
        assert not (corpus.parent / "killed" / "checkpoint.json").exists()
    assert list((corpus.parent / "killed" / "work").glob("2-all/checkpoint-*"))
    assert typed(out="killed").code == 0
    assert weights(corpus, "killed") == weights(corpus, "whole")
    said = json.loads((corpus.parent / "killed" / "checkpoint.json").read_text())
    assert said["steps"] == {"ears": 4, "all": 8}


def test_held_out_files_are_asked_and_no_bar_but_ours_is_drawn(typed: Typed, corpus: Path) -> None:
    dev = changed(corpus, lambda line: line, "dev.jsonl")
    test = [line for line in dev.read_text().splitlines() if json.loads(line)["split"] == "test"]
    dev.write_text("\n".join(test) + "\n")
    done = typed("--eval-data", dev, "--set", "evaluation.every=4", "--set", "evaluation.max_new_tokens=3")
    assert done.code == 0, done.err
    assert done.out.strip() == str(corpus.parent / "out")
    assert [line.split(",")[0] for line in done.err.splitlines() if "held out" in line] == [
        "all: step 4",
        "all: step 8",
    ]
    said = json.loads((corpus.parent / "out" / "checkpoint.json").read_text())
    assert {(line["task"], line["n"]) for line in said["held_out"] if line["slice"] == "all"} == {("dev", 2)}
    assert [line["step"] for line in said["evaluations"]] == [4, 8]
    assert not re.search(r"it/s|shards|\d%\|", done.err)


def test_lora_is_merged_by_flag(typed: Typed, bases: dict[str, Path], corpus: Path) -> None:
    from cpbench.models import load_model

    flags = ("--base", bases["glmasr"], "--lora", "--merge", "--variant", "explicit", "--set", "stages.0.epochs=1")
    done = typed(*flags, "--set", "precision=float32", "--threads", 1, config=False)
    assert done.code == 0, done.err
    folder = corpus.parent / "out"
    assert not (folder / "adapter_config.json").exists()
    assert (folder / "model.safetensors").is_file()
    assert load_model(str(folder)).card.condition == "tags:gold"


class Log(TrainerCallback):  # type: ignore[misc]
    """A log like tensorboard's, that remembers."""

    lines: list[dict[str, float]] = []  # noqa: RUF012  # one for all, as a log's file is

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        Log.lines.append(dict(logs or {}))


def test_logs_go_where_report_to_says_and_nowhere_by_default(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, corpus: Path
) -> None:
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "tensorboard", Log)
    asked: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **rest: asked.append(address))
    Log.lines.clear()
    flags = ("--set", "trainer.logging_steps=1", "--set", "stages.0.epochs=1", "--set", "stages.1.epochs=1")
    assert typed(*flags).code == 0
    assert (asked, Log.lines) == ([], [])
    assert typed(*flags, "--set", "report_to=[tensorboard]", out="logged").code == 0
    assert sum("loss" in line for line in Log.lines) == 2 + 2  # seven clips are four batches, and two steps
    assert weights(corpus, "logged") == weights(corpus, "out")
    for name, says in (("tensorbord", "did you mean 'tensorboard'"), ("wandb", "pip install wandb")):
        done = typed("--set", f"report_to=[{name}]", out="no")
        assert (done.code in (1, 2), says in done.err, "Traceback" in done.err) == (True, True, False), done.err


def test_memory_runs_out_and_nothing_is_lost(typed: Typed, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cpbench.speechlm import SpeechLMForConditionalGeneration as Model

    flags = ("--set", "batch_size=1", "--set", "stages.0.epochs=1", "--set", "stages.1.epochs=2")
    assert typed(*flags, out="whole").code == 0
    forward, calls = Model.forward, 0

    def short(self: Any, *inputs: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 9:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return forward(self, *inputs, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Model, "forward", short)
        done = typed(*flags)
    assert done.code == 1
    assert "memory runs out with a batch of one: [enforce fail] DefaultCPUAllocator" in done.err
    assert "--set gradient_checkpointing=true" in done.err
    assert "Traceback" not in done.err
    assert list((corpus.parent / "out" / "work").glob("2-all/checkpoint-4"))  # of four whole steps and a half
    again = typed(*flags)
    assert (again.code, weights(corpus, "out") == weights(corpus, "whole")) == (0, True), again.err


def test_what_cannot_be_trained_on_is_one_message_that_mends(
    typed: Typed, bases: dict[str, Path], corpus: Path
) -> None:
    bare = shutil.copytree(bases["glmasr"], corpus.parent / "bare")
    (bare / "processor_config.json").unlink()
    prose, other = corpus.with_name("prose.txt"), corpus.with_name("other.jsonl")
    prose.write_text("Dear reader,\n")
    other.write_text('{"text": "words", "n": 1}\n')
    by_two = changed(
        corpus,
        lambda line: line | {"speaker": "anna", "split": {"test": "dev"}.get(line["split"], "train")},
        "two.jsonl",
    )
    for flags, config, says, mends in (
        (("--base", bare, "--lora"), False, "without its processor", "processor"),
        (("--data", prose), True, "prose.txt", ""),
        (("--data", other), True, "other.jsonl is in no known format of questions; its keys are 'text, n'", ""),
        (("--data", by_two), True, "1 speakers are in two splits", "--set shared_speakers=true"),
        (
            ("--variant", "explicit", "--tags", "my-ser"),
            True,
            "none of 14 items has emotion tags from my-ser",
            "--tags MODEL",
        ),
        (("--set", "trainer.fsdp=full_shard"), True, "fsdp is asked for in a way", "--set sharding=fsdp"),
        (("--set", "trainer.deepspeed=ds.json"), True, "deepspeed is asked for in a way", "sharding_config=FILE"),
        (("--set", "sharding=fsdp"), True, "fsdp splits the weights among several processes, and this", "torchrun"),
        (("--set", "sharding_config=x"), True, "sharding_config without sharding", "sharding=fsdp"),
        (("--variant", "implicit"), True, "none of the 14 training rows was generated", "cpbench data generate"),
        (("--base", corpus.parent / "nowhere", "--lora"), False, "nowhere", ""),
    ):
        done = typed(*flags, config=config)
        seen = (done.code in (1, 2), says in done.err, mends in done.err, "Traceback" in done.err)
        assert seen == (True, True, True, False), done.err
        assert not (corpus.parent / "out").exists()


def test_clips_without_tags_are_left_out_and_said(typed: Typed, corpus: Path) -> None:
    changed(corpus, lambda line: line | ({"emotion": None} if line["recording"] in ("r1", "r2") else {}))
    done = typed("--variant", "explicit")
    assert done.code == 0
    assert "4 of 14 training items have no tags from gold: left out" in done.err
    said = json.loads((corpus.parent / "out" / "checkpoint.json").read_text())
    assert said["condition"] == "tags:gold"


def test_a_second_training_in_the_same_folder_is_refused(typed: Typed, corpus: Path) -> None:
    short = ("--set", "stages.0.epochs=1", "--set", "stages.1.epochs=1")
    assert typed(*short).code == 0
    before = weights(corpus, "out")
    done = typed(*short, "--seed", 7)
    assert (done.code, "holds another training: its seed was 0, and is now 7" in done.err) == (1, True)
    assert "--overwrite" in done.err
    assert weights(corpus, "out") == before
    assert typed(*short, "--seed", 7, "--overwrite").code == 0
    assert weights(corpus, "out") != before
