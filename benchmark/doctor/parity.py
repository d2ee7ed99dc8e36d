"""The same items through two backends: do they answer alike, and is their score the same within a margin?

    parity(Plan(Side("my-ckpt"), Side("openai/my-ckpt", {"base_url": "http://node7:8000/v1"}), tasks=("cpqa",)))

A checkpoint that is served elsewhere loses its adapter, its audio or its prompt without an error. So both sides are
asked the same requests, greedily, and what they say is held against each other item by item (`agreement`).
"""

from __future__ import annotations

import dataclasses
import gc
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpbench.conditions import needs, present
from cpbench.doctor.agreement import Asked, Line, Parity, compared
from cpbench.engine import check_hearing, hearing_turns, predict
from cpbench.errors import UsageError, UserError
from cpbench.evaluate.wording import setting_of
from cpbench.fingerprint import digest
from cpbench.flow.ledger import Ledger
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watching
from cpbench.models import load_model
from cpbench.parts import Model
from cpbench.records import Item, Prediction, Request, RunConfig, Task
from cpbench.runfolder import write_json
from cpbench.runfolder.identity import WHEREABOUTS
from cpbench.tasks import check_rights, load_tasks

Loaded = Sequence[tuple[Task, Sequence[Item]]]
MARGIN = 2.0  # points of 100


@dataclass(frozen=True)
class Side:
    """One backend: a model's spec and its options."""

    model: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is compared, on what, and which difference does not matter."""

    a: Side
    b: Side
    tasks: tuple[str, ...] = ("demo",)
    data_dirs: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None  # recordings a task, with all their items: intervals count recordings
    seed: int = 0
    condition: str | None = None  # None: the one that the first model was made for
    margin: float = MARGIN
    metric: str | None = None  # None: each task's main one
    out: Path | None = None  # where the answers are kept; None: nowhere
    third_party_ok: bool = False


def parity(plan: Plan, watching: Watching | None = None) -> Parity:
    """Ask both backends the same items and compare what they say.

    One is asked after the other, and the first is let go before, so that two checkpoints need not fit side by side.
    With `plan.out` the answers are kept, and the same plan goes on with what is left. Raises UserError for what the
    user can mend, a model that the audio does not reach among it, and Stopped.
    """
    watching = watching or Watching()
    loaded = [(task, drawn(items, plan.limit, plan.seed)) for task, items in _items(plan)]
    models = [_opened(side, loaded, plan) for side in (plan.a, plan.b)]
    condition = plan.condition or models[0].card.condition
    requests = _requests(loaded, models[0], condition, plan.seed)
    kept = _kept(plan, condition, loaded)
    asked = []
    for side, name in ((plan.a, "A"), (plan.b, "B")):
        if (study := getattr(models[0], "study", None)) is not None:  # a null baseline
            study([item for _, items in loaded for item in items])
        asked.append(_asked(models.pop(0), requests, kept[name], f"{name}, {side.model}", watching))
        _let_go()
    items = {(item.task, item.id): item for _, items in loaded for item in items}
    return compared(asked, items, [task for task, _ in loaded], Line(plan.margin, plan.metric), condition)


def drawn(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """The items of so many recordings, drawn by seed and name alone: a larger limit keeps those of a smaller one."""
    recordings = sorted({item.recording for item in items}, key=lambda name: digest(seed, name))
    chosen = frozenset(recordings[:limit])
    return [item for item in items if item.recording in chosen]


def _items(plan: Plan) -> Loaded:
    return load_tasks(plan.tasks, data_dirs=plan.data_dirs, seed=plan.seed)


def _opened(side: Side, loaded: Loaded, plan: Plan) -> Model:
    """A model whose weights are not loaded yet, so that a wrong word on either side costs no time."""
    if (warmth := side.options.get("temperature")) is not None and float(warmth) != 0:
        raise UsageError("parity is of greedy answers: two draws differ by chance, temperature is not", value=warmth)
    model = load_model(side.model, side.options)
    check_rights(
        model.card.name,
        [task for task, _ in loaded],
        third_party=model.card.third_party,
        ok=plan.third_party_ok,
        flag="--third-party-ok",
    )
    return model


def _requests(loaded: Loaded, model: Model, condition: str, seed: int) -> list[Request]:
    """The items as both sides are asked them: greedily, worded once."""
    if any(what != "wordings" and who is not None for what, who in needs(condition)):
        raise UsageError("this condition needs an annotator, which cpbench run makes:", value=condition)
    setting = setting_of(RunConfig("", (), seed=seed), model.card)
    found: list[Request] = []
    for task, items in loaded:
        greedy = dataclasses.replace(task.generation, temperature=0.0, seed=seed)
        found += present(items, condition, setting, greedy)
    if not found:
        raise UserError("there is nothing to ask", mend="a larger --limit, or other --tasks")
    return found


def _asked(
    model: Model, requests: Sequence[Request], ledger: Ledger[Prediction] | None, name: str, watching: Watching
) -> Asked:
    """One side's answers. Raises UserError if the audio does not reach it, and Stopped."""
    watch, card = watching.watch, model.card
    left = [request for request in requests if ledger is None or request.key not in ledger]
    hearing = check_hearing(model, hearing_turns(left, model)) if left else None
    if hearing is not None:
        watch.say(f"{name}: hearing check: {hearing.outcome} ({hearing.reason})")
        if hearing.outcome == "deaf":
            raise UserError(f"the audio does not reach {name}: {hearing.reason}", mend="mend that side first")
    watch.stage(f"asking {name}", total=len(requests), done=len(requests) - len(left))
    start, said = time.monotonic(), dict[str, Prediction]()
    for prediction in predict(left, model, ledger, stop=watching.stop):
        said[prediction.key] = prediction
        watch.advance()
        if prediction.status == "error":
            watch.say(f"{name}: {prediction.key}: {prediction.error}")
    seconds = time.monotonic() - start
    if watching.stop() and len(said) < len(left):
        again = "the same command goes on" if ledger is not None else "with --out DIR it could go on"
        raise Stopped(f"stopped with {len(left) - len(said)} of {len(requests)} answers of {name} to go; {again}")
    if ledger is not None:
        ledger.close()
        said = {one.key: one for one in Ledger(ledger.path, Prediction)}
    answers = tuple(said[request.key] for request in requests if request.key in said)
    return Asked(name, card, answers, seconds if left else None, len(left), hearing)


def _kept(plan: Plan, condition: str, loaded: Loaded) -> Mapping[str, Ledger[Prediction] | None]:
    """Where each side's answers are kept. Raises UserError for a folder of another plan."""
    if plan.out is None:
        return {"A": None, "B": None}
    told = _identity(plan, condition, loaded)
    path = plan.out / "plan.json"
    if path.is_file() and (before := json.loads(path.read_text(encoding="utf-8"))) != told:
        other = next(key for key in told if before.get(key) != told[key])
        raise UserError(f"{plan.out} holds another comparison: {other} was {before.get(other)!r}", mend="another --out")
    if not path.is_file() and plan.out.is_dir() and any(plan.out.iterdir()):
        raise UserError("this is not the folder of a comparison:", value=str(plan.out), mend="another --out")
    plan.out.mkdir(parents=True, exist_ok=True)
    write_json(path, told)
    return {
        name: Ledger(plan.out / f"{name.lower()}.jsonl", Prediction, again=lambda one: one.status == "error")
        for name in ("A", "B")
    }


def _identity(plan: Plan, condition: str, loaded: Loaded) -> dict[str, Any]:
    """What makes two plans one: not where the endpoints are, nor the margin."""
    sides = {
        name: [side.model, {key: value for key, value in side.options.items() if key not in WHEREABOUTS}]
        for name, side in (("a", plan.a), ("b", plan.b))
    }
    prints = {task.name: task.fingerprint for task, _ in loaded}
    return {**sides, "tasks": prints, "limit": plan.limit, "seed": plan.seed, "condition": condition}


def _let_go() -> None:
    """Give back what a model that nobody holds any more still has of the accelerator."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
