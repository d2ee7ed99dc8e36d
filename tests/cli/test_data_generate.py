"""`cpbench data generate` and `export` as they are typed."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from cpbench import formats
from cpbench.audio import clip
from cpbench.cli import main
from cpbench.formats.clips import write_clips
from cpbench.records import Tag


@dataclasses.dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def cpbench(tmp_path, monkeypatch, capsys):
    """cpbench("data", ...) -> what the command line said, in this process: a start of its own takes two seconds."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
        return Done(code, *capsys.readouterr())

    return call


@pytest.fixture
def clips(tmp_path):
    made = []
    for n in range(12):
        path = tmp_path / "clips" / f"{n}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.full(1600 + n, 0.01, np.float32), 16000)
        tag = Tag(0.0, 0.1, "ser@1", {("anger", "happiness", "sadness")[n % 3]: 1.0})
        known = {"speaker": f"s{n % 4}", "gender": ("female", "male")[n % 2], "recording": f"s{n % 4}"}
        made.append(
            dataclasses.replace(clip(path), transcript=f"Anna lost camera number {n} today.", tags=(tag,), **known)
        )
    write_clips(made, tmp_path / "clips.jsonl")
    return tmp_path / "clips.jsonl"


def answered(endpoint, delay=0.0):
    pair = {"type": "C", "question": "What was lost today?", "answer": "A camera.", "label": ""}
    reply = dataclasses.replace(endpoint.completion(json.dumps({"pairs": [pair]})), delay=delay)
    endpoint.default = lambda body: reply


def test_templates_to_lines_to_every_tool(clips, cpbench, tmp_path):
    done = cpbench(
        "data", "generate", clips, "--templates", "--split", "train=.75,dev=.25", "--out", "q.jsonl", "--json"
    )
    assert done.returncode == 0, done.stderr
    sheet = json.loads(done.stdout)
    assert sheet["clips"] == 12 and set(sheet["by_split"]) == {"train", "dev"}
    items = list(formats.read_any(tmp_path / "q.jsonl", task="t"))
    assert len(items) == sheet["questions"]
    for tool in ("swift", "llamafactory", "axolotl", "nemo"):
        done = cpbench("data", "export", "q.jsonl", "--format", tool, "--variant", "combined", "--out", tool)
        assert done.returncode == 0, done.stderr
        files = [line.split(": ")[0] for line in done.stdout.splitlines()]
        back = [item for file in files for item in formats.read_any(tmp_path / file, task="t")]
        assert len(back) == len(items) and "with the tags of ser@1" in done.stderr
        assert all(re.match(r"Emotion tags: \[0\.0-0\.1 s: \w+\]\n", item.question) for item in back)
        assert {item.clips[0].sha256 for item in back} == {item.clips[0].sha256 for item in items}


@pytest.mark.parametrize("variant", ["baseline", "implicit", "explicit"])
def test_variants(clips, cpbench, tmp_path, variant):
    generated, tags = variant == "implicit", variant == "explicit"
    assert cpbench("data", "generate", clips, "--templates", "--out", "q.jsonl").returncode == 0
    items = list(formats.read_any(tmp_path / "q.jsonl", task="t"))
    wanted = [item for item in items if generated or "generator" not in item.origin]
    done = cpbench("data", "export", "q.jsonl", "--format", "swift", "--variant", variant, "--out", "x")
    back = list(formats.read_any(tmp_path / "x" / "q_train.jsonl", task="t"))
    assert len(back) == len(wanted) and done.stdout.endswith(f"{len(wanted)} questions (train)\n")
    assert all(("Emotion tags" in item.question) is tags for item in back)


def test_a_dry_run_is_priced_and_a_second_start_is_free(clips, cpbench, endpoint, tmp_path):
    answered(endpoint)
    (tmp_path / "prices.yaml").write_text("currency: EUR\nmodels:\n  writer: {input: 2, output: 8}\n")
    flags = ["data", "generate", clips, "--llm", "openai/writer", "-L", f"base_url={endpoint.url}", "--out", "q.jsonl"]
    dry = cpbench(*flags, "--dry-run", "--prices", "prices.yaml")
    assert dry.returncode == 0 and dry.stdout.startswith("12 calls, about ") and "EUR" in dry.stdout
    assert not endpoint.bodies and not (tmp_path / "q.jsonl").exists()
    first = cpbench(*flags)
    assert first.returncode == 0 and len(endpoint.bodies) == 12, first.stderr
    assert "baseline (no generator)" in first.stdout and "openai/writer" in first.stdout
    second = cpbench(*flags)
    assert second.stdout == first.stdout and len(endpoint.bodies) == 12


def test_a_kill_loses_nothing_that_was_paid_for(clips, cpbench, endpoint, tmp_path):
    answered(endpoint, delay=0.1)
    flags = ["data", "generate", str(clips), "--llm", "openai/writer", "-L", f"base_url={endpoint.url}"]
    flags += ["-L", "concurrency=1", "--out", str(tmp_path / "q.jsonl")]
    child = subprocess.Popen([sys.executable, "-m", "cpbench", *flags], stderr=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, env={**os.environ})  # fmt: skip
    while len(endpoint.bodies) < 6:
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "q.jsonl").exists()
    kept = len((tmp_path / "q.written.jsonl").read_text().splitlines())
    before = len(endpoint.bodies)
    assert kept in (before - 2, before - 1, before)
    done = cpbench(*flags)
    assert done.returncode == 0 and len(endpoint.bodies) == before + 12 - kept
    made = [item for item in formats.read_any(tmp_path / "q.jsonl", task="t") if "generator" in item.origin]
    assert len({item.clips[0].sha256 for item in made}) == 12


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ([], 2, "who writes the questions? Give either --llm SPEC or --templates"),
        (["--templates", "--llm", "openai/x"], 2, "who writes the questions"),
        (["--templates", "--types", "CX"], 2, "unknown question type 'CX'"),
        (["--templates", "--split", "train=.9"], 2, "the shares should make 1, and make 0.9"),
        (["--templates", "--split", "a=.2,b=.2,c=.2,d=.2,e=.2"], 1, "no clips are left for"),
        (["--llm", "opneai/x"], 2, "unknown text LLM 'opneai/x'"),
        (["--llm", "openai/x", "--prompt", "none.yaml"], 2, "none.yaml"),
        (["--llm", "openai/x", "--max-cost", "1"], 2, "--prices FILE.yaml"),
        (["--llm", "openai/x", "-L", "temperature=hot"], 2, "temperature is a number, not 'hot'"),
    ],
)
def test_wrong_words(clips, cpbench, endpoint, flags, code, message):  # noqa: PLR0917  fixtures
    extra = ["-L", f"base_url={endpoint.url}"] if "--max-cost" in flags else []
    done = cpbench("data", "generate", clips, "--out", "q.jsonl", *flags, *extra)
    assert done.returncode == code and message in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_wrong_words_for_export(clips, cpbench, tmp_path):
    assert cpbench("data", "generate", clips, "--templates", "--no-baseline", "--out", "q.jsonl").returncode == 0
    for flags, message in (
        (["--format", "swfit"], "no such training tool 'swfit' (did you mean 'swift'?)"),
        (["--format", "swift", "--variant", "baseline"], "no rows for the variant 'baseline'"),
        (
            ["--format", "swift", "--variant", "combined", "--tags", "gold"],
            "no row of the part train has tags from 'gold'",
        ),
    ):
        done = cpbench("data", "export", "q.jsonl", "--out", "x", *flags)
        assert done.returncode in (1, 2) and message in done.stderr, done.stderr
    done = cpbench("data", "export", clips, "--format", "swift", "--out", "x")
    assert done.returncode == 1 and "cpbench data generate" in done.stderr


def test_a_generator_that_returns_nonsense_costs_rows_and_says_so(clips, cpbench, endpoint, tmp_path):
    replies = ["I would rather not.", '{"pairs": 7}', json.dumps({"pairs": [{"question": ["a"], "answer": None}]})]
    endpoint.default = lambda body: endpoint.completion(replies[len(endpoint.bodies) % len(replies)])
    flags = ["data", "generate", clips, "--llm", "openai/writer", "-L", f"base_url={endpoint.url}", "--out", "q.jsonl"]
    done = cpbench(*flags, "--json")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    sheet = json.loads(done.stdout)
    assert sheet["written"].get("parse_error") and set(sheet["by_type"]) <= {"speech recognition", "DE", "DG"}
    left = list(formats.read_any(tmp_path / "q.jsonl", task="t"))
    assert left and not [item for item in left if "generator" in item.origin]  # what is known of the clips is kept


def test_annotators_with_other_label_sets_are_named(clips, cpbench, tmp_path):
    lines = [json.loads(line) for line in clips.read_text().splitlines()]
    for line in lines:
        (tag,) = line["tags"]
        line["tags"].append({**tag, "source": "numbers@1", "emotion": {"0": 0.5, "1": 0.5}})
    clips.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = cpbench("data", "condense", clips, "--out", "c.jsonl")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "numbers (0, 1) and ser (anger, happiness, sadness) share no label" in done.stderr
    assert "--categorical NAME" in done.stderr and not (tmp_path / "c.jsonl").exists()
