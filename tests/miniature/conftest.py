"""A miniature that nobody trained: runs with scores made by hand, and the checkpoints' accounts of themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cpbench.miniature.findings import METRIC, SLICES, TASK, Asked
from cpbench.miniature.plan import SYSTEMS, Job, System, Tuned
from cpbench.records import Clip, Estimate, Item, Prediction, RunConfig, Score, Task
from cpbench.runfolder import Run

Value = Callable[[Job, str, str], float | None]
"""A job, a condition and a slice ("words" and "voice" in the conflict) -> its score."""
RECORDINGS = 12


def runs(value: Value, *, seeds: int = 3, tuned: Sequence[Tuned] = ("adapter",)) -> list[Asked]:
    """Every system of every seed, asked under its conditions, with `value` as its scores."""
    jobs = [Job(system, way, seed) for way in tuned for system in SYSTEMS for seed in range(seeds)]
    return [Asked(job, run(job), tuple(scores(job, value))) for job in jobs]


def scores(job: Job, value: Value) -> list[Score]:
    found = []
    for condition in job.system.conditions:
        for task, part, metric, name in (
            *((TASK, part, METRIC, part) for part in SLICES),
            ("conflict", "all", "lure_rate", "words"),
            ("conflict", "all", "accuracy", "voice"),
        ):
            if (number := value(job, condition, name)) is not None:
                estimate = Estimate(number, None, None, None, 10, 1, "made by hand")
                found.append(Score(task, condition, part, metric, None, estimate))
    return found


def run(job: Job) -> Run:
    """A run of 24 questions: the control is right about the first three recordings, the others about the first nine."""
    right = 3 if job.system.name == "control" else 9
    items, said = [], []
    for number in range(RECORDINGS):
        clip = Clip(f"{number}.flac", f"{number:064d}", 1.0, f"r{number}")
        for kind in ("DE", "CE"):
            about = {"type": kind, "label": "sadness", "options": ("anger", "sadness")}
            items.append(Item(f"{number}-{kind}", TASK, (clip,), "How?", ("sadness",), **about))
            answer = "sadness" if number < right else "anger"
            said.append(Prediction(items[-1].id, TASK, "audio", answer, None, answer, "ok"))
    task = Task(TASK, "1", "", (METRIC,))
    return Run(Path(job.name), RunConfig("m", (TASK,)), (task,), tuple(items), said, [], {"wall_s": 30.0})


def notes(asked: Sequence[Asked], folder: Path) -> None:
    """Write what the base's and every checkpoint's own account say of its training."""
    questions = {"S10": 300, "S20": 400, "S30": 500, "explicit": 300, "S32": 500, "control": 500}
    several = {one.job.name: (one.job.system, one.job.seed) for one in asked}
    for name, (system, seed) in several.items():
        write(folder / "checkpoints" / name, questions.get(system.name, 100), {"variant": 40}, 60.0 + seed)
    write(folder / "base", 900, {"ears": 30, "words": 20, "together": 10}, 300.0)


def write(folder: Path, items: int, steps: dict[str, int], seconds: float) -> None:
    folder.mkdir(parents=True)
    said = {"trained_on": ["0" * 64, "1" * 64], "items": items, "steps": steps, "seconds": seconds}
    (folder / "checkpoint.json").write_text(json.dumps(said))


def likely(job: Job, condition: str, part: str) -> float | None:
    """Scores as a miniature might have them: each addition helps, tags matter, and a seed is worth a little."""
    worth = {"S10": 40.0, "S20": 46.0, "S30": 52.0, "explicit": 44.0, "S32": 56.0, "control": 24.0}
    more = {"all": 0.0, "C": 8.0, "DE": -2.0, "DG": 10.0, "DS": -6.0, "CE": -4.0, "CG": 3.0, "CS": -8.0}
    if part in ("words", "voice"):
        return {"words": 0.22, "voice": 0.61}[part] + 0.01 * job.seed
    told = {"tags:gold": 0.0, "audio": -12.0, "tags:wrong": -20.0} if len(job.system.conditions) > 1 else {"audio": 0.0}
    shift = 3.0 * (job.tuned == "lora") + (-1.5, 0.5, 1.0, 2.0, -2.0)[job.seed] * (1 + len(job.system.name) / 9)
    return worth[job.system.name] + more[part] + told[condition] + shift


@pytest.fixture(scope="session")
def hand_made() -> Callable[..., list[Asked]]:
    """hand_made(value, seeds=, tuned=) -> runs with those scores."""
    return runs


@pytest.fixture
def miniature_of(tmp_path: Path) -> Callable[..., tuple[list[Asked], Path]]:
    """miniature_of(value, ...) -> runs and the folder that holds their checkpoints' accounts."""

    def make(
        value: Value = likely, *, seeds: int = 3, tuned: Sequence[Tuned] = ("adapter",)
    ) -> tuple[list[Asked], Path]:
        asked = runs(value, seeds=seeds, tuned=tuned)
        notes(asked, tmp_path)
        return asked, tmp_path

    return make


@pytest.fixture(scope="session")
def named() -> dict[str, System]:
    return {system.name: system for system in SYSTEMS}
