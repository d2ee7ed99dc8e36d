"""A run as `cpbench run` and `judge run` leave it, its submission, a board that knows its set, and tampering."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from beside import module_at

from cpbench.chat import ChatRequest, Reply
from cpbench.evaluate import judge_run
from cpbench.evaluate.judging import Judging, noted, open_bench
from cpbench.fingerprint import canonical, dataset_fingerprint
from cpbench.flow.ledger import adapter
from cpbench.flow.watch import Watching
from cpbench.leaderboard.datasets import describe, save_dataset
from cpbench.leaderboard.submit import About, submit
from cpbench.records import Call, Clip, Item, ModelCard, Request, Rights, RunConfig, Sound, Task
from cpbench.runfolder import Run, open_run

OPEN = Rights("CC-BY-4.0", audio_in_report=True, text_in_report=True, third_party_api=True)
EMOTIONS = ("anger", "happiness", "neutral", "sadness")
N = 24
FILES = ("submission.json", "predictions.jsonl", "judgements.jsonl")


@dataclass(frozen=True)
class StrictJudge:
    """A text LLM without a network: 4 of 5 for an answer that names its item's number, else 1."""

    name: str = "test"
    third_party: bool = False

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        for request in requests:
            asked = request.messages[-1].text
            said = re.search(r"number (\d+)", asked.rpartition('"answer"')[2])
            score = 4 if said and f"Question {said[1]}:" in asked else 1
            call = Call(
                "openai/test", "test-2026", {}, {"input_tokens": 10, "output_tokens": 2}, "2026-01-01T00:00:00Z"
            )
            yield Reply(request.key, "ok", json.dumps({"reason": f"gave {score} points", "score": score}), call=call)


def make_items() -> list[Item]:
    """24 items of six recordings: half ask for one of four emotions, half are free."""
    made = []
    for at in range(N):
        clip = Clip(f"/home/somebody/{at}.wav", f"{at:064x}", 2.0, f"r{at % 6}", transcript=f"spoken {at}")
        labelled = {"type": "DE", "label": EMOTIONS[at // 2 % 4], "options": EMOTIONS}
        known = labelled if at % 2 == 0 else {"type": "C"}
        question = f"Question {at}: what is it?"
        made.append(Item(f"i{at:02}", "task", (clip,), question, (f"A reference of number {at}.",), **known))
    return made


def says(at: int) -> str:
    """Two in three are right."""
    right = at % 3 != 0
    if at % 2 == 0:
        return f"The voice expresses {EMOTIONS[(at // 2 + (not right)) % 4]}."
    return f"It is about number {at if right else 99}."


@pytest.fixture
def run_of(tmp_path):
    return lambda name="run", **known: make_run(tmp_path / name, **known)


def make_run(
    folder: Path,
    *,
    answer: Callable[[int], str] = says,
    judge: str | None = "openai/test",
    rights: Rights = OPEN,
    conditions: tuple[str, ...] = ("audio",),
    repeats: int = 1,
    statuses: dict[int, str] | None = None,
    **known: Any,
) -> Run:
    """A run folder, written by the functions that write one; `known`: of the RunConfig."""
    items = make_items()
    metrics = known.pop("metrics", ("accuracy", "macro_f1", "unextractable", "overlap_score"))
    card = known.pop("card", ModelCard("somebody/model", "qwen2_audio", revision="abc"))
    task = Task("task", "1.0", "Nobody (2026)", metrics, rights, fingerprint=dataset_fingerprint(items))
    config = RunConfig("answers:x", ("task",), out=str(folder), conditions=conditions, **known)
    run = open_run(config, [(task, items)])
    run.note(model=adapter(ModelCard).dump_python(card, mode="json"))
    with run.predictions as ledger:
        for condition in conditions:
            for at, item in enumerate(items):
                status = (statuses or {}).get(at, "ok")
                request = Request(item.id, "task", condition, item.question, tuple(map(Sound, item.clips)))
                if status == "error":
                    ledger.append(request.failed(f"no such file {item.clips[0].path}"))
                elif status != "missing":
                    raw = f"<think>thought {at}</think>{answer(at)}"
                    ledger.append(request.answered(raw, heard=2.0, status=status, output_tokens=3))
    if judge:
        let_judge(run, judge, repeats)
    return run


def let_judge(run: Run, spec: str, repeats: int = 1, only: Callable[[str], bool] = lambda key: True) -> None:
    wrap = None if spec.startswith("simulated") else (lambda chat: StrictJudge())
    bench = open_bench(run, Judging(spec, repeats=repeats), wrap=wrap)
    with run.judgements:
        noted([bench])
        judge_run(bench, Watching())


@dataclass(frozen=True)
class Ground:
    """An accepted submission, and a board that knows its set."""

    run: Run = field(repr=False)
    folder: Path
    board: Path
    files: dict[str, bytes] = field(repr=False)

    def change(
        self,
        out: Path,
        *,
        head: Callable[[dict[str, Any]], Any] = lambda head: None,
        answers: Callable[[list[dict[str, Any]]], Any] = lambda rows: None,
        judged: Callable[[list[dict[str, Any]]], Any] = lambda rows: None,
    ) -> Path:
        """Write the submission changed in place, with hashes that fit: somebody tampers who knows the format."""
        value = json.loads(self.files["submission.json"])
        files = {}
        for name, change in (("predictions", answers), ("judgements", judged)):
            rows = [json.loads(line) for line in self.files[f"{name}.jsonl"].splitlines()]
            change(rows)
            data = b"".join(canonical(row) + b"\n" for row in rows)
            value[name] = {"sha256": hashlib.sha256(data).hexdigest(), "lines": len(rows), "bytes": len(data)}
            files[f"{name}.jsonl"] = data
        head(value)
        return write(out, {**files, "submission.json": canonical(value) + b"\n"})

    def replace(self, out: Path, **files: bytes | None) -> Path:
        """Write the submission with other bytes: `submission=`, `predictions=`, `judgements=`."""
        names = {name.partition(".")[0]: name for name in FILES}
        held = {**self.files, **{names[name]: data for name, data in files.items()}}
        return write(out, {name: data for name, data in held.items() if data is not None})


def write(out: Path, files: dict[str, bytes]) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (out / name).write_bytes(data)
    return out


def make_ground(place: Path, **known: Any) -> Ground:
    run = make_run(place / "run", **known)
    about = About(name="My model", organisation="My lab", trained_on_eval="no", url="https://example.org/m")
    (folder,) = submit(run, place / "out", about=about)
    save_dataset(place / "board", describe(run.tasks[0], run.items))
    return Ground(run, folder, place / "board", {name: (folder / name).read_bytes() for name in FILES})


@pytest.fixture(scope="session")
def ground(tmp_path_factory) -> Ground:
    """Judged twice by an LLM with a rubric of its own; nothing may be changed in it."""
    return make_ground(tmp_path_factory.mktemp("ground"), repeats=2)


@pytest.fixture(scope="session")
def small_ground(tmp_path_factory) -> Ground:
    """The same with one metric: most of a check's time is theirs."""
    return make_ground(tmp_path_factory.mktemp("small"), metrics=("accuracy",))


@pytest.fixture
def ground_of(tmp_path):
    return lambda **known: make_ground(tmp_path / "made", **known)


@pytest.fixture(scope="session")
def boards() -> ModuleType:
    """boards.py beside this file."""
    return module_at(Path(__file__).with_name("boards.py"))
