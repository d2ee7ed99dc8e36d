"""`results.json`, key by key: shaped like lm-eval's, with what cpbench knows beyond a value beside it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from cpbench.metrics import find_metrics
from cpbench.records import ModelCard, Results, Score, Task
from cpbench.results.beside import Tally
from cpbench.results.breakdown import STEP, Breakdown
from cpbench.results.listening import ListeningEntry

COSTS = frozenset(
    {"input_tokens", "output_tokens", "judge_calls", "judge_input_tokens", "judge_output_tokens", "money"}
)
"""The keys of `Results.usage` that are costs; all others say how fast it went."""


class Detail(TypedDict):
    """One value with all that belongs to it."""

    value: float | None
    """The metric: a share from 0 to 1, or 0 to 100 for overlap_score and the judge's scores."""
    low: float | None
    """The lower end of its 95 % interval; null with fewer than two recordings."""
    high: float | None
    """The upper end."""
    stderr: float | None
    """Its clustered standard error."""
    method: str
    """How the interval was made."""
    n: int
    """The items that are in the value."""
    recordings: int
    """The recordings that they come from."""
    coverage: float | None
    """The share of the items that have a usable answer (and judgement)."""
    worst: float | None
    """The value with the missing at worst; null where nothing is missing."""
    best: float | None
    """The value with the missing at best."""
    leaked: bool
    """Whether a prompt gave away an answer."""


class JudgeEntry(TypedDict):
    """A judge, by the name that fills the filter slot."""

    judge_id: str
    """The digest of all that defines the judge (JUDGE.md, 1)."""
    spec: str | None
    """The SPEC that built it."""
    card: str
    """What its validation says, or "not validated"."""
    prompt: str | None
    """The prompt that was asked for; null: the tasks' own, or the packaged one."""
    statuses: dict[str, int]
    """How its judgements came out: a failure of the judge is no failure of the model."""
    noise: dict[str, float] | None
    """How far its scores move by themselves: SD in points, and the share of pairs of repeats that flip the verdict."""
    cost: dict[str, Any] | None
    """The money that its calls took, and the currency; null without a price table."""
    agreement: list[dict[str, Any]]
    """How the members of a jury agree, pair by pair."""


class TaskEntry(TypedDict):
    """What was asked."""

    version: str
    """The task's version."""
    fingerprint: str | None
    """Of its items: the same numbers need the same one."""
    revision: str | None
    """Of the data set on the Hub."""
    license: str
    """Of the data."""
    citation: str
    """Of the data."""
    synthetic: bool
    """Whether its speech was synthesised."""
    types_from: str
    """Where the question types come from."""


class SampleCount(TypedDict):
    """lm-eval's count of a task's items."""

    original: int
    """The items asked, under the run's main condition."""
    effective: int
    """Those of them that were answered."""


class PartEntry(TypedDict):
    """Some of a task's items, under the run's main condition."""

    task: str
    """The task."""
    by: str
    """seconds (of the item's clips), or heard (the share of them that reached the model)."""
    low: float
    """The least in this part."""
    high: float
    """The most."""
    scores: dict[str, Detail]
    """By "metric,filter"."""


class SpreadEntry(TypedDict):
    """How a judge's scores are spread, under the run's main condition."""

    task: str
    """The task."""
    judge: str
    """The judge's name."""
    counts: dict[str, int]
    """Items by score, rounded to 0, 5, ..., 100."""
    missing: int
    """Items without a score."""


class ConfusionEntry(TypedDict):
    """Which label was taken for which, under the run's main condition."""

    task: str
    """The task."""
    labels: list[str]
    """The items' own: the rows."""
    said: list[str | None]
    """Read from the answers: the columns; null: no label could be read."""
    counts: list[list[int]]
    """Items."""
    errors: int
    """Items that the model failed on: in no row."""


class BreakdownEntry(TypedDict):
    """Where the scores come from."""

    parts: list[PartEntry]
    """The scores by duration, and by the share that was heard."""
    spreads: list[SpreadEntry]
    """The judges' scores."""
    confusions: list[ConfusionEntry]
    """One a set of labels that enough items of a task share."""


ResultsFile = TypedDict(
    "ResultsFile",
    {
        # The layout of this file.
        "schema": str,
        # The run's name.
        "run": str,
        # The model as it described itself.
        "model": dict[str, Any],
        # The condition that "results" is about: the one that the model was made for, "audio" for most.
        "condition": str,
        # Per task "metric,filter" and "metric_stderr,filter"; the filter is the judge's name, or "none".
        "results": dict[str, dict[str, Any]],
        # The same for every other condition: by condition, then by task.
        "conditions": dict[str, dict[str, dict[str, Any]]],
        # By condition, task, "metric,filter" and slice ("all", or a question type): interval, n, coverage, bounds.
        "intervals": dict[str, dict[str, dict[str, dict[str, Detail]]]],
        # What the null baselines reach on the same items, by name, task, "metric,filter" and slice.
        "baselines": dict[str, dict[str, dict[str, dict[str, Detail]]]],
        # How many answers failed, were refused, cut off or empty, and how much audio was heard, per task and condition.
        "tallies": list[dict[str, Any]],
        # What was asked, by task.
        "tasks": dict[str, TaskEntry],
        # Task versions, as lm-eval has them.
        "versions": dict[str, str],
        # Whether more of a metric is better, by task and metric.
        "higher_is_better": dict[str, dict[str, bool]],
        # Numbers of items, by task.
        "n-samples": dict[str, SampleCount],
        # Judges by name.
        "judges": dict[str, JudgeEntry],
        # Items a second, seconds, and what else says how fast it went.
        "throughput": dict[str, float | None],
        # Tokens, calls, money.
        "costs": dict[str, float | None],
        # Sentences that belong beside the scores.
        "warnings": list[str],
        # Does the model listen? Null for a run with one condition.
        "listening": ListeningEntry | None,
        # Where the scores come from: duration, share heard, judges' scores, confusions.
        "breakdown": BreakdownEntry,
        # The resolved configuration of the run.
        "config": dict[str, Any],
    },
)


def to_lm_eval(
    results: Results,
    *,
    judges: Mapping[str, Mapping[str, Any]] | None = None,
    tallies: Sequence[Tally] = (),
    config: Mapping[str, Any] | None = None,
    listening: Mapping[str, Any] | None = None,
    breakdown: Breakdown | None = None,
) -> ResultsFile:
    """Return results.json: plain JSON values, null for what is not a number.

    `judges` says who each judge_id is: its name, spec, statuses, noise; `listening` is a run's listening report as
    plain values. `results` holds the condition that the model was made for where the run has it (`audio`, or an
    explicit checkpoint's tags), else `audio`, else the first. No number is made for a group of tasks: their scores are
    not of one kind.
    """
    known = judges or {}
    names = _judge_names(results, {judge_id: about["name"] for judge_id, about in known.items()})
    main = _main_condition(results.scores, results.model)
    nested = {condition: _by_task(results.scores, condition, names) for condition in _conditions(results.scores)}
    intervals = {
        condition: _intervals([score for score in results.scores if score.condition == condition], names)
        for condition in nested
    }
    made: ResultsFile = {
        "schema": "cpbench-results-1",
        "run": results.run,
        "model": dataclasses.asdict(dataclasses.replace(results.model, trained_on=frozenset())),
        "condition": main,
        "results": nested.pop(main, {}),
        "conditions": nested,
        "intervals": intervals,
        "baselines": {name: _intervals(scores, names) for name, scores in results.baselines.items()},
        "tallies": [{**dataclasses.asdict(each), "heard": each.heard} for each in tallies],
        "tasks": {task.name: _task(task) for task in results.tasks},
        "versions": {task.name: task.version for task in results.tasks},
        "higher_is_better": _directions(results.scores),
        "n-samples": {
            each.task: {"original": each.n, "effective": each.n - each.errors}
            for each in tallies
            if each.condition == main
        },
        "judges": {name: _judge(judge_id, results, known.get(judge_id, {})) for judge_id, name in names.items()},
        "throughput": {key: value for key, value in results.usage.items() if key not in COSTS},
        "costs": {key: value for key, value in results.usage.items() if key in COSTS},
        "warnings": list(results.warnings),
        "listening": listening,  # type: ignore[typeddict-item]
        "breakdown": _breakdown(breakdown or Breakdown((), (), ()), names),
        "config": dict(config or {}),
    }
    plain: ResultsFile = _plain(made)
    return plain


def _judge(judge_id: str, results: Results, known: Mapping[str, Any]) -> JudgeEntry:
    return {
        "judge_id": judge_id,
        "spec": known.get("spec"),
        "prompt": known.get("prompt"),
        "card": results.judges.get(judge_id, "not validated"),
        "statuses": known.get("statuses", {}),
        "noise": known.get("noise"),
        "cost": known.get("cost"),
        "agreement": known.get("agreement", []),
    }


def _conditions(scores: Iterable[Score]) -> list[str]:
    return list(dict.fromkeys(score.condition for score in scores))


def _main_condition(scores: Iterable[Score], model: ModelCard) -> str:
    present = _conditions(scores)
    return next((each for each in (model.condition, "audio", *present) if each in present), model.condition)


def _judge_names(results: Results, specs: Mapping[str, str]) -> dict[str, str]:
    """Each judge_id's name: its spec, with some of its digest where two judges share one, or have none."""
    ids = [*results.judges, *(score.judge_id for score in results.scores if score.judge_id is not None)]
    wanted = {judge_id: specs.get(judge_id, "judge") for judge_id in ids}
    spoken = list(wanted.values())
    return {
        judge_id: name if judge_id in specs and spoken.count(name) == 1 else f"{name}#{judge_id[:8]}"
        for judge_id, name in wanted.items()
    }


def _filter(score: Score, names: Mapping[str, str]) -> str:
    return "none" if score.judge_id is None else names[score.judge_id]


def _by_task(scores: Iterable[Score], condition: str, names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for score in scores:
        if score.condition == condition and score.slice == "all":
            entry = found.setdefault(score.task, {"alias": score.task})
            entry[f"{score.metric},{_filter(score, names)}"] = score.estimate.value
            entry[f"{score.metric}_stderr,{_filter(score, names)}"] = score.estimate.se
    return found


def _intervals(scores: Iterable[Score], names: Mapping[str, str]) -> dict[str, dict[str, dict[str, Detail]]]:
    found: dict[str, dict[str, dict[str, Detail]]] = {}
    for score in scores:
        slices = found.setdefault(score.task, {}).setdefault(f"{score.metric},{_filter(score, names)}", {})
        slices[score.slice] = _detail(score)
    return found


def _breakdown(found: Breakdown, names: Mapping[str, str]) -> BreakdownEntry:
    return {
        "parts": [
            {
                "task": part.task,
                "by": part.by,
                "low": part.low,
                "high": part.high,
                "scores": {f"{score.metric},{_filter(score, names)}": _detail(score) for score in part.scores},
            }
            for part in found.parts
        ],
        "spreads": [
            {
                "task": one.task,
                "judge": names[one.judge_id],
                "counts": {str(STEP * at): count for at, count in enumerate(one.counts)},
                "missing": one.missing,
            }
            for one in found.spreads
        ],
        "confusions": [
            {
                "task": one.task,
                "labels": list(one.labels),
                "said": list(one.said),
                "counts": [list(row) for row in one.counts],
                "errors": one.errors,
            }
            for one in found.confusions
        ],
    }


def _detail(score: Score) -> Detail:
    estimate = score.estimate
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "stderr": estimate.se,
        "method": estimate.method,
        "n": estimate.n,
        "recordings": estimate.clusters,
        "coverage": score.coverage,
        "worst": score.worst,
        "best": score.best,
        "leaked": score.leaked,
    }


def _task(task: Task) -> TaskEntry:
    return {
        "version": task.version,
        "fingerprint": task.fingerprint,
        "revision": task.revision,
        "license": task.rights.license,
        "citation": task.citation,
        "synthetic": task.synthetic,
        "types_from": task.types_from,
    }


def _directions(scores: Iterable[Score]) -> dict[str, dict[str, bool]]:
    found: dict[str, dict[str, bool]] = {}
    for task, metric in dict.fromkeys((score.task, score.metric) for score in scores):
        found.setdefault(task, {})[metric] = find_metrics([metric])[0].higher_is_better
    return found


def _plain(value: Any) -> Any:
    """A value as JSON has it: lists and dictionaries of text keys, and null for what is not a number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(each) for each in value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
