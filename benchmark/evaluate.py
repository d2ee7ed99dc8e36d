"""The recipe of `cpbench run`: load, check that the model hears, ask, score."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cpbench import results
from cpbench.conditions import present
from cpbench.engine import check_hearing, hearing_turns, part_of, predict
from cpbench.errors import UserError
from cpbench.flow.ranks import Ranks, ranks
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Unwatched, Watch
from cpbench.models import BASELINES, load_model
from cpbench.parts import Model
from cpbench.records import (
    Generation,
    HearingCheck,
    Item,
    Outcome,
    Request,
    Results,
    RunConfig,
    Score,
    Setting,
    Task,
    Turn,
)
from cpbench.runfolder import Run, open_run, write_json
from cpbench.tasks import check_rights, load_tasks

Loaded = Sequence[tuple[Task, Sequence[Item]]]


@dataclass(frozen=True)
class Watching:
    """How a run is followed and stopped; none of it changes an answer."""

    watch: Watch = field(default_factory=Unwatched)
    stop: Callable[[], bool] = lambda: False
    show: int = 0  # how many prompts and answers to show


def evaluate(config: RunConfig, watching: Watching | None = None) -> Run:
    """Run one model on some tasks, or go on with a run; returns its folder, scored.

    Raises UserError for what the user can mend before anything is asked, and Stopped when `watching.stop` ended the run
    early: everything answered is on disk, and the same call goes on.
    """
    watching = watching or Watching()
    place = ranks()
    model = load_model(config.model, config.model_options)
    tasks = load_tasks(config.tasks, data_dirs=config.data_dirs, limit=config.limit, seed=config.seed)
    check_rights(
        model.card.name,
        [task for task, _ in tasks],
        third_party=model.card.third_party,
        ok=config.third_party_ok,
        flag="--third-party-ok",
    )
    whole = _requests(config, model, tasks)
    requests = part_of(whole, config.shard)
    if not requests:
        raise UserError("there is nothing to ask", mend="a larger --limit, or fewer shards")
    run = _opened(config, tasks, place)
    with run.predictions:
        if any(request.key not in run.predictions for request in requests):
            if place.first:
                run.note(asked_in_all=len(whole))
                _note(run, model, requests, config, watching.watch)
            _ask(run, model, requests, config=config, place=place, watching=watching)
    place.barrier()
    if not place.first:
        return run
    run = open_run(config, tasks)  # brings together what the ranks wrote
    left = sum(request.key not in run.predictions for request in requests)
    if left and watching.stop():
        raise Stopped(f"stopped with {left} of {len(requests)} answers to go; the same command goes on")
    return score(run)


def score(run: Run) -> Run:
    """Compute a run's results from what lies in its folder, and write results.json. Needs no model, audio or torch."""
    outcomes = list(run.outcomes())
    usage = {key: float(run.manifest[key]) for key in ("wall_s", "items_per_second") if key in run.manifest}
    caveats = results.caveats(outcomes, run.tasks, partial=run.config.limit is not None)
    said = (*_unasked(run, len(outcomes)), *caveats)
    made = Results(
        run.name,
        run.card,
        run.tasks,
        results.compute(outcomes, run.tasks),
        {},
        usage,
        said,
        _baselines(run),
    )
    tallies = results.tally(outcomes, run.tasks)
    write_json(run.folder / "results.json", results.to_lm_eval(made, tallies=tallies, config=run.settings))
    return dataclasses.replace(run, results=made)


def _baselines(run: Run) -> dict[str, tuple[Score, ...]]:
    """What models without ears reach on this run's items: the floor under every score."""
    items = {(item.task, item.id): item for item in run.items}
    turns = [Turn(request, ()) for request in present(run.items, "audio", Setting())]
    found = {}
    for name in BASELINES:
        model = load_model(name)
        if (study := getattr(model, "study", None)) is not None:
            study(run.items)
        outcomes = [Outcome(items[said.task, said.item_id], said) for said in model.answer(turns)]
        found[name] = results.compute(outcomes, run.tasks)
    return found


def _unasked(run: Run, answered: int) -> list[str]:
    """What must be said of a run that has not asked everything yet: one shard, or one that was stopped."""
    asked = run.manifest.get("asked_in_all", answered)
    if answered >= asked:
        return []
    return [f"{asked - answered} of {asked} questions are not answered: a shard is missing, or the run was stopped"]


def _requests(config: RunConfig, model: Model, tasks: Loaded) -> list[Request]:
    """Every item under every condition, worded for the model."""
    setting = Setting(config.seed, model.card.tag_template, trained_on=model.card.trained_on)
    conditions = config.conditions or (model.card.condition,)
    return [
        dataclasses.replace(request, generation=_generation(request, config))
        for condition in conditions
        for task, items in tasks
        for request in present(items, condition, setting, task.generation)
    ]


def _generation(request: Request, config: RunConfig) -> Generation:
    return dataclasses.replace(request.generation, seed=config.seed)


def _opened(config: RunConfig, tasks: Loaded, place: Ranks) -> Run:
    """The run's folder: made by the first rank, then opened by the others."""
    if place.count == 1:
        return open_run(config, tasks)
    if place.first:
        run = open_run(config, tasks, rank=0)
        place.barrier()
        return run
    place.barrier()
    return open_run(config, tasks, rank=place.index)


def _note(run: Run, model: Model, requests: Sequence[Request], config: RunConfig, watch: Watch) -> None:
    """Check that the model hears, and note what it is and what it is asked. Raises UserError if it is deaf."""
    turns = hearing_turns(requests, model)
    check = (
        HearingCheck("not_applicable", "--no-hearing-check")
        if not config.hearing_check
        else check_hearing(model, turns)
    )
    card = dataclasses.replace(model.card, trained_on=frozenset())
    rendered = getattr(model, "rendered", None)
    run.note(
        model=card,
        hearing_check=check,
        prompts=[rendered(turn) for turn in turns[:1]] if rendered else [request.text for request in requests[:1]],
        third_party_ok=config.third_party_ok,
    )
    watch.say(f"hearing check: {check.outcome} ({check.reason})")
    if check.outcome == "deaf":
        raise UserError(
            f"the audio does not reach {model.card.name}: {check.reason}",
            mend="mend the model; or --no-hearing-check, to run it all the same",
        )


def _ask(
    run: Run, model: Model, requests: Sequence[Request], *, config: RunConfig, place: Ranks, watching: Watching
) -> None:
    """Ask what is not answered yet, and note the time that it took."""
    if (study := getattr(model, "study", None)) is not None:
        study(run.items)
    watch, asked = watching.watch, {request.key: request for request in requests}
    done = sum(request.key in run.predictions for request in requests)
    watch.stage("answering", total=len(requests), done=done)
    start, answered = time.monotonic(), 0
    for prediction in predict(requests, model, run.predictions, ranks=place, strict=config.strict, stop=watching.stop):
        answered += 1
        watch.advance()
        if prediction.status == "error":
            watch.say(f"{prediction.key}: {prediction.error}")
        if answered <= watching.show:
            watch.say(f"{prediction.key} ({prediction.status})\n> {asked[prediction.key].text}\n< {prediction.raw}")
    if place.first:
        seconds = time.monotonic() - start
        run.note(wall_s=run.manifest.get("wall_s", 0.0) + seconds, items_per_second=answered / max(seconds, 1e-9))
