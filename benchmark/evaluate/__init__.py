"""The recipe of `cpbench run`: load, check that the model hears, ask, judge, score."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from cpbench import results
from cpbench.chat.prices import Tally
from cpbench.comparison import Judged, listening
from cpbench.conditions import present
from cpbench.engine import check_hearing, hearing_turns, part_of, predict, rendered
from cpbench.errors import UserError
from cpbench.evaluate.blanks import Blank, blanks_of, fill, guessed, needed
from cpbench.evaluate.judging import Bench, Judging, Verdicts, note_cost, noted, open_bench, verdicts
from cpbench.evaluate.wording import Loaded, setting_of, spoken, wanted, without, word, wordings_digest
from cpbench.flow.memory import give_back
from cpbench.flow.ranks import Ranks, ranks
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watch, Watching
from cpbench.models import BASELINES, load_model
from cpbench.parts import Model
from cpbench.records import (
    HearingCheck,
    ModelCard,
    Outcome,
    Prediction,
    Request,
    Results,
    RunConfig,
    Score,
    Setting,
    Turn,
)
from cpbench.runfolder import Run, continued, open_run, write_json
from cpbench.tasks import check_rights, load_tasks


def evaluate(config: RunConfig, watching: Watching | None = None) -> Run:
    """Run one model on some tasks, or go on with a run; returns its folder, scored.

    Raises UserError for what the user can mend before anything is asked, and Stopped when `watching.stop` ended the run
    early: everything answered is on disk, and the same call goes on.
    """
    watching = watching or Watching()
    place = ranks(watching.stop)
    model = load_model(config.model, config.model_options)
    tasks = load_tasks(config.tasks, data_dirs=config.data_dirs, limit=config.limit, seed=config.seed)
    check_rights(
        model.card.name,
        [task for task, _ in tasks],
        third_party=model.card.third_party,
        ok=config.third_party_ok,
        flag="--third-party-ok",
    )
    run, requests = _prepared(config, model, tasks, place=place, watching=watching)
    config, tasks = run.config, run.loaded
    with run.predictions, run.judgements:
        benches = [open_bench(run, judging) for judging in _judgings(config)]
        if place.first:
            noted(benches)
        if any(request.key not in run.predictions for request in requests):
            if place.first:
                _note(run, model, requests, config, watching.watch)
            with _judged_beside(benches, watching.stop) as beside:
                for prediction in _ask(run, model, requests, config=config, place=place, watching=watching):
                    beside(prediction)
        for bench in benches if place.first else ():  # what an earlier start left unjudged: paid for by one rank
            judge_run(bench, watching)
    place.barrier()
    if not place.first:
        return run
    run = open_run(config, tasks)  # brings together what the ranks wrote
    if watching.stop():
        _check_whole(run, requests, benches)
    return score(run)


def _check_whole(run: Run, requests: Sequence[Request], benches: Sequence[Bench]) -> None:
    """Raise Stopped where a stopped run has something left to do."""
    left = sum(request.key not in run.predictions for request in requests)
    unjudged = sum(1 for bench in benches for _ in dataclasses.replace(bench, run=run).todo(run.predictions))
    if left or unjudged:
        judged = f" and {unjudged} judgements" if unjudged else ""
        raise Stopped(f"stopped with {left} of {len(requests)} answers{judged} to go; the same command goes on")


def judge_run(bench: Bench, watching: Watching) -> None:
    """Judge what a run's folder holds and this judge has not judged. Needs no model, audio or torch."""
    left = sum(1 for _ in bench.todo(bench.run.predictions))
    if left:
        watching.watch.stage(f"judging by {bench.judge.name}", total=left)
        bench.judge_all(bench.run.predictions, watching)


def judge_saved(run: Run, judging: Judging, watching: Watching) -> Run:
    """Judge a run that lies in its folder, and score it. Raises Stopped where `watching.stop` ended it early."""
    wrap = judging.paying.wrap(run.folder / "batches", watching.watch.say)
    bench = open_bench(run, judging, wrap=wrap)
    with run.judgements:
        noted([bench])
        try:
            judge_run(bench, watching)
        finally:  # a limit that stops the judging has cost something too
            note_cost(bench)
    if watching.stop():
        _check_whole(run, [], [bench])
    return score(run)


def price_judging(run: Run, judging: Judging) -> Tally:
    """What judging a run would take: calls, tokens and, with prices, money. Nothing is sent, and nothing is written."""
    tally = Tally()
    bench = open_bench(run, judging, wrap=judging.paying.counting(tally))
    for _ in bench.judge.judge(bench.todo(run.predictions)):
        pass  # the empty answers, which need no call
    return tally


@contextmanager
def _judged_beside(benches: Sequence[Bench], stop: Callable[[], bool]) -> Iterator[Callable[[Prediction], None]]:
    """Hand each prediction to every judge as it comes; they work in threads of their own, and are done at the end."""
    with ExitStack() as stack:
        behind = [stack.enter_context(bench.beside(stop)) for bench in benches]

        def hand(prediction: Prediction) -> None:
            for judge in behind:
                judge.put(prediction)

        yield hand


def _judgings(config: RunConfig) -> list[Judging]:
    return [
        Judging(spec, config.judge_prompt, config.judge_options, third_party_ok=config.third_party_ok)
        for spec in config.judges
    ]


def score(run: Run) -> Run:
    """Compute a run's results from what lies in its folder, and write results.json. Needs no model, audio or torch."""
    made, layout = scored(run)
    write_json(run.folder / "results.json", layout)
    return dataclasses.replace(run, results=made)


def scored(run: Run) -> tuple[Results, results.ResultsFile]:
    """A run's results, and results.json as it would be written; nothing is."""
    outcomes = list(run.outcomes())
    usage = {key: float(run.manifest[key]) for key in ("wall_s", "items_per_second") if key in run.manifest}
    caveats = results.caveats(outcomes, run.tasks, partial=run.config.limit is not None)
    items = Counter(item.task for item in run.items)
    said: tuple[str, ...] = (*_unasked(run, len(outcomes)), *spoken(run.manifest, items), *caveats)
    judged = verdicts(run)
    for one in judged:
        usage |= {key: usage.get(key, 0.0) + value for key, value in one.usage.items()}
        said += tuple(one.warnings)
    made = Results(
        run.name,
        run.card,
        run.tasks,
        (*results.compute(outcomes, run.tasks), *(each for one in judged for each in one.scores)),
        {one.judge_id: one.facts["card"] for one in judged},
        usage,
        said,
        _baselines(run),
        {one.judge_id: one.sheet for one in judged},
        run.manifest.get("answered"),
    )
    layout = results.to_lm_eval(
        made,
        judges={one.judge_id: {**one.about, **one.facts} for one in judged},
        tallies=results.tally(outcomes, run.tasks),
        config=run.settings,
        listening=_listening(run, outcomes, judged),
        breakdown=_breakdown(run, outcomes, judged),
    )
    return made, layout


def _breakdown(run: Run, outcomes: Sequence[Outcome], judged: Sequence[Verdicts]) -> results.Breakdown:
    """Where the scores of the main condition come from."""
    by_judge = {one.judge_id: one.outcomes for one in judged}
    return results.breakdown(outcomes, run.tasks, condition=run.main_condition, judged=by_judge)


def _listening(run: Run, outcomes: Sequence[Outcome], judged: Sequence[Verdicts]) -> dict[str, Any] | None:
    """Does the model listen? None where the run has one condition, and so nothing to hold it against."""
    heard = [Judged(one.about["name"], one.judge_id, one.about["correct_score"], one.outcomes) for one in judged]
    found = listening(outcomes, run.tasks, run.items, main=run.main_condition, judged=heard)
    return found.plain() if found else None


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
    asked -= sum(len(out["items"]) for out in run.manifest.get("left_out", ()))
    if answered >= asked:
        return []
    return [f"{asked - answered} of {asked} questions are not answered: a shard is missing, or the run was stopped"]


def _prepared(
    config: RunConfig, model: Model, tasks: Loaded, *, place: Ranks, watching: Watching
) -> tuple[Run, list[Request]]:
    """Open the run, have its blanks filled, and word what this shard asks.

    What is shared among shards is decided before anything is recognised, as if every blank could be filled. A condition
    whose blanks are not filled yet is not of the run: an annotator that fails leaves no trace in its configuration.
    """
    config, before = continued(config)
    conditions = wanted(config, model.card, before.conditions if before else ())
    setting = setting_of(config, model.card)
    draft = word(guessed(tasks, blanks_of(conditions, config.asr)), conditions, setting)
    mine = part_of(draft.requests, config.shard)
    if not mine:
        raise UserError("there is nothing to ask", mend="a larger --limit, or fewer shards")
    blanks = blanks_of(draft.conditions, config.asr)
    asr = config.asr if any(blank.what == "transcript" for blank in blanks) else None
    settled = dataclasses.replace(config, conditions=draft.conditions, asr=asr)
    facts = {"asked_in_all": draft.pairs, "model": _described(model)}
    run = _opened(_ready(settled, before, blanks), tasks, place, facts, wordings_digest(draft.conditions, setting))
    final, notes = draft, tuple[dict[str, Any], ...]()
    if blanks:
        wanting, folder = needed(blanks, mine, tasks), run.folder / "annotations"
        filled = fill(tasks, wanting, folder, place=place, watching=watching)
        tasks, notes = filled.tasks, filled.notes
        final = word(tasks, conditions, dataclasses.replace(setting, annotators=filled.sources))
        run.keep(settled, tasks, write=place.first)
    keys = frozenset(request.key for request in mine)
    if place.first:
        left_out = without(draft, final, keys)
        run.note(left_out=[dataclasses.asdict(one) for one in left_out], annotations=notes)
        for said in spoken(run.manifest, {task.name: len(items) for task, items in tasks}):
            watching.watch.say(said)
        if config.asr and asr is None:
            watching.watch.say(f"--asr {config.asr}: no condition of this run needs words")
    return run, [request for request in final.requests if request.key in keys]


def _ready(settled: RunConfig, before: RunConfig | None, blanks: Mapping[Blank, Sequence[str]]) -> RunConfig:
    """The configuration without the conditions that wait for their blanks."""
    had = before.conditions if before else ()
    waiting = {name for names in blanks.values() for name in names if name not in had}
    conditions = tuple(name for name in settled.conditions if name not in waiting)
    return dataclasses.replace(settled, conditions=conditions, asr=before.asr if before else None)


def _opened(config: RunConfig, tasks: Loaded, place: Ranks, facts: Mapping[str, Any], wordings: str | None) -> Run:
    """The run's folder: made by the first rank, with what the others have to know, then opened by them.

    Raises UserError where the questions had other `wordings` when the run was begun.
    """
    if place.first:
        run = open_run(config, tasks, rank=None if place.count == 1 else 0)
        had = run.manifest.get("wordings")
        if None not in (had, wordings) and had != wordings:
            raise UserError("the questions had other wordings when this run was begun", mend="another --out")
        run.note(**facts, wordings=had or wordings)
        place.barrier()
        return run
    place.barrier()
    return open_run(config, tasks, rank=place.index)


def _described(model: Model) -> ModelCard:
    """The model's card for the manifest, without the thousands of hashes of what it was trained on."""
    return dataclasses.replace(model.card, trained_on=frozenset())


def _note(run: Run, model: Model, requests: Sequence[Request], config: RunConfig, watch: Watch) -> None:
    """Check that the model hears, and note what it is and what it is asked. Raises UserError if it is deaf."""
    turns = hearing_turns(requests, model)
    check = (
        HearingCheck("not_applicable", "--no-hearing-check")
        if not config.hearing_check
        else check_hearing(model, turns)
    )
    shown = getattr(model, "rendered", None)
    run.note(
        hearing_check=check,
        prompts=[shown(turn) for turn in turns[:1]] if shown else [request.text for request in requests[:1]],
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
) -> Iterator[Prediction]:
    """Ask what is not answered yet, yield each answer once it is on disk, and note the time that it took."""
    if (study := getattr(model, "study", None)) is not None:
        study(run.items)
    watch, asked = watching.watch, {request.key: request for request in requests} if watching.show else {}
    done = sum(request.key in run.predictions for request in requests)
    watch.stage("answering", total=len(requests), done=done)
    start, answered = time.monotonic(), 0
    for prediction in predict(requests, model, run.predictions, ranks=place, strict=config.strict, stop=watching.stop):
        yield prediction
        answered += 1
        watch.advance()
        if prediction.status == "error":
            watch.say(f"{prediction.key}: {prediction.error}")
        if answered <= watching.show and prediction.status != "error":
            prompt = rendered(asked[prediction.key], model)
            watch.say(f"{prediction.key} ({prediction.status})\n> {prompt}\n< {prediction.raw}")
    give_back()  # what the batches took: the scores need room for all answers at once
    if place.first:
        seconds = time.monotonic() - start
        now = datetime.now(UTC).isoformat(timespec="seconds")
        taken = run.manifest.get("wall_s", 0.0) + seconds
        run.note(wall_s=taken, items_per_second=answered / max(seconds, 1e-9), answered=now)
        if (account := getattr(model, "account", None)) is not None:
            run.note(work=account())
