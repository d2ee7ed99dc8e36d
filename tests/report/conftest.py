"""What the tests of the report use: run folders as `cpbench run` leaves them, with real clips."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cpbench.evaluate import score
from cpbench.fingerprint import dataset_fingerprint, judgement_key, text_sha256
from cpbench.flow.ledger import adapter
from cpbench.records import Clip, Item, Judgement, ModelCard, Request, Rights, RunConfig, Sound, Task
from cpbench.runfolder import Run, case_of, load_run, open_run

OPEN = Rights("CC0", audio_in_report=True, text_in_report=True, third_party_api=True)
LABELS = ("anger", "joy", "sadness")
JUDGE = "1" * 64
SOUNDS = sorted(Path(str(files("cpbench.tasks") / "demo" / "clips")).glob("*.ogg"))


def items_of(task: str, count: int, *, say: Callable[[str, int], str], prefix: str = "i") -> list[Item]:
    """Items of two types in turn, the first with labels. `say`: (field, number) -> the text."""
    made = []
    for at in range(count):
        path = SOUNDS[at % len(SOUNDS)]
        seconds = 1.0 + at / 10
        sha = text_sha256(path.name)
        clip = Clip(str(path), sha, seconds, f"{say('recording', at % 8)}", transcript=say("transcript", at))
        item = Item(f"{prefix}{at:04d}", task, (clip,), say("question", at), (say("reference", at),), type="C")
        if at % 2 == 0:
            label = LABELS[at // 2 % 3]
            item = dataclasses.replace(item, type="DE", label=label, options=LABELS, references=(label,))
        made.append(item)
    return made


def plain(field: str, at: int) -> str:
    return f"{field} {at}"


def asked(run: Run, item: Item, condition: str, at: int, *, say: Callable[[str, int], str]) -> None:
    """One answer: labels right two times of three, every tenth failed, every eleventh cut off; then its judgement."""
    request = Request(item.id, item.task, condition, item.question, tuple(Sound(clip) for clip in item.clips))
    answer = LABELS[(at // 2 + (at % 3 == 0)) % 3] if item.label else say("answer", at)
    raw = f"<think>{say('reasoning', at)}</think>{answer}"
    heard = (item.clips[0].seconds or 0.0) * (0.5 if at % 5 == 0 else 1.0)
    said = request.answered(raw, heard=heard, status="truncated" if at % 11 == 3 else "ok")
    said = request.failed(say("error", at)) if at % 10 == 9 else said
    run.predictions.append(said)
    if at % 10 == 9:
        return
    key = judgement_key(JUDGE, case_of(item, said))
    scored = {"status": "ok", "score": float(at * 7 % 101)} if at % 7 else {"status": "parse_error", "score": None}
    known = {"reason": say("reason", at), "raw": say("raw", at)}
    judgement = Judgement(key, item.id, item.task, condition, "0" * 64, JUDGE, **scored, **known)
    if key not in run.judgements:
        run.judgements.append(judgement)


def make_run(
    folder: Path,
    tasks: list[tuple[Task, list[Item]]],
    *,
    conditions: tuple[str, ...] = ("audio",),
    say: Callable[[str, int], str] = plain,
    model: str = "model",
) -> Run:
    tasks = [(dataclasses.replace(task, fingerprint=dataset_fingerprint(items)), items) for task, items in tasks]
    names = tuple(task.name for task, _ in tasks)
    run = open_run(RunConfig("answers:x", names, out=str(folder), conditions=conditions), tasks)
    about = {"name": "openai/judge", "spec": "openai/judge", "prompt": None, "families": [], "correct_score": 60.0}
    run.note(
        model=adapter(ModelCard).dump_python(ModelCard(model, "test"), mode="json"),
        judges={JUDGE: {**about, "repeats": None, "same_family": False, "third_party_ok": False}},
        hearing_check={"outcome": "heard", "reason": "the scores follow", "clips": 1.0, "silence": 1.0, "repeat": 0.0},
        wall_s=2.0,
        items_per_second=5.0,
    )
    with run.predictions, run.judgements:
        for _, items in tasks:
            for condition in conditions:
                for at, item in enumerate(items):
                    asked(run, item, condition, at, say=say)
    return score(load_run(folder))


def task(name: str = "task", rights: Rights = OPEN, **known: Any) -> Task:
    return Task(name, "1.0", f"Somebody, {name}", ("accuracy", "macro_f1", "overlap_score"), rights, **known)


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of 120 items under two conditions, judged and scored. It is shared: only reports are written into it."""
    kinds = ("audio", "silence")
    folder = tmp_path_factory.mktemp("report") / "run"
    return make_run(folder, [(task(synthetic=True), items_of("task", 120, say=plain))], conditions=kinds)


@pytest.fixture
def copied(scored: Run, tmp_path: Path) -> Run:
    """A copy of that run, without its report, that a test may spoil."""
    shutil.copytree(scored.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("report.html", "clips"))
    return load_run(tmp_path / "copy")
