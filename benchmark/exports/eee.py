"""Every Eval Ever, schema 0.3.0: the common store of evaluation results (github.com/evaleval/every_eval_ever).

One log a model, in `data/cpbench/DEVELOPER/MODEL/UUID.json` below the folder, as the store has it: every finite score
with its clustered interval, over all items and by question type, under every condition. The UUID is made from the log's
own bytes, so the same results give the same file. Question types are parts of the score over all: `level` says which is
which. Answers are not written: their texts would need the data's rights.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any, Literal

from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import canonical, digest
from cpbench.flow.ledger import write_whole
from cpbench.metrics import find_metrics
from cpbench.records import Generation, JudgeSheet, Results, Score, Task

DEFAULT = "every_eval_ever"
SCHEMA_VERSION = "0.3.0"
COLLECTION = "cpbench"
GLOBAL = {"accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy", "macro_f1": "f1_macro"} | {
    "weighted_f1": "f1_weighted"
}
"""Metrics that mean the same everywhere, by the store's names; all others are named after this benchmark."""

RESERVED = re.compile(r"(?i)data|con|prn|aux|nul|com\d|lpt\d")  # by the store, and by Windows


@dataclass(frozen=True)
class Options:
    """What the store wants to know and a run does not."""

    organisation: str = "unknown"  # who evaluated
    url: str | None = None  # of that organisation
    relationship: Literal["first_party", "third_party", "collaborative", "other"] = "other"  # of it to the model
    model: str | None = None  # the model's id, DEVELOPER/NAME; None: as the model says it
    developer: str | None = None  # None: the first part of that id
    availability: Literal["open_weights", "closed_weights", "unknown"] = "unknown"
    time: str | None = None  # when it was evaluated, ISO 8601; None: as the run says


def write(results: Results, path: Path, options: Options | None = None) -> list[Path]:
    """Write the log below the folder `path`, and return its file.

    Raises UserError for results without a time, which the store needs and which is never read from a clock here, and
    for results without a finite score.
    """
    made = log(results, options or Options())
    model = made["model_info"]
    name = uuid.UUID(digest(made)[:32], version=4)
    file = path / "data" / COLLECTION / _folder(model["developer"]) / _folder(_last(model["id"])) / f"{name}.json"
    write_whole(file, json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    return [file]


def log(results: Results, options: Options) -> dict[str, Any]:
    """The log as plain JSON values. Raises as `write`."""
    if (time := options.time or results.time) is None:
        raise UserError(
            f"{results.run} does not say when it was answered, and the store wants to know",
            mend="-E time=2026-01-31T12:00:00Z",
        )
    epoch = _epoch(time)
    tasks = {task.name: task for task in results.tasks}
    scores = [_result(score, tasks[score.task], results) for score in results.scores if _finite(score.estimate.value)]
    if not scores:
        raise UserError(f"{results.run} has no score to write")
    model = _model(results, options)
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{COLLECTION}.{results.run}/{model['id']}/{epoch}",
        "evaluation_timestamp": epoch,
        "retrieved_timestamp": epoch,
        "source_metadata": _source(results, options),
        "eval_library": {"name": "cpbench", "version": importlib.metadata.version("cpbench")},
        "model_info": model,
        "evaluation_results": scores,
    }


def _source(results: Results, options: Options) -> dict[str, Any]:
    source: dict[str, Any] = {
        "source_name": "cpbench",
        "source_type": "evaluation_run",
        "source_organization_name": options.organisation,
        "evaluator_relationship": options.relationship,
        "additional_details": _details(run=results.run, warnings=list(results.warnings)),
    }
    return source | ({"source_organization_url": options.url} if options.url else {})


def _model(results: Results, options: Options) -> dict[str, Any]:
    card = results.model
    name = options.model or (PurePath(card.name).name if PurePath(card.name).is_absolute() else card.name)
    about = _about(
        name,
        deployment="externally_managed" if card.third_party else "self_deployed",
        availability=options.availability,
        developer=options.developer,
    )
    about["additional_details"] |= _details(
        family=card.family, kind=card.kind, revision=card.revision, made_for=card.condition, window_s=card.window
    )
    return about


def _about(
    name: str, *, deployment: str, availability: str = "unknown", developer: str | None = None
) -> dict[str, Any]:
    """A model as the store knows one; `name` is DEVELOPER/NAME, or a name alone."""
    whole = name.removeprefix("hf/")
    owner = developer or (whole.split("/")[0] if "/" in whole else "unknown")
    return {
        "name": whole,
        "id": whole if "/" in whole else f"{owner}/{whole}",
        "developer": owner,
        "additional_details": {"deployment_type": deployment, "model_availability": availability},
    }


def _result(score: Score, task: Task, results: Results) -> dict[str, Any]:
    part = "" if score.slice == "all" else f".{score.slice}"
    changed = "" if score.condition == results.model.condition else f"[{score.condition}]"
    judged = "" if score.judge_id is None else f"#{score.judge_id[:8]}"
    name = f"{COLLECTION}.{score.task}{part}{changed}"
    return {
        "evaluation_result_id": f"{name}:{score.metric}{judged}",
        "evaluation_name": name,
        "source_data": _data(task),
        "metric_config": _metric(score, results),
        "score_details": _value(score),
        "generation_config": _generation(task.generation, score.condition),
    }


def _data(task: Task) -> dict[str, Any]:
    about = _details(
        fingerprint=task.fingerprint,
        version=task.version,
        revision=task.revision,
        license=task.rights.license,
        citation=task.citation,
        synthetic=task.synthetic,
    )
    if task.repository is None:
        return {"dataset_name": task.name, "source_type": "other", "additional_details": about}
    return {
        "dataset_name": task.name,
        "source_type": "hf_dataset",
        "hf_repo": task.repository,
        "additional_details": about,
    }


def _metric(score: Score, results: Results) -> dict[str, Any]:
    metric = find_metrics([score.metric])[0]
    low, high = metric.bounds
    made: dict[str, Any] = {
        "metric_id": GLOBAL.get(score.metric, f"{COLLECTION}.{score.metric}"),
        "metric_name": score.metric,
        "metric_kind": GLOBAL.get(score.metric, score.metric),
        "metric_unit": "proportion" if metric.bounds == (0.0, 1.0) else "points",
        "metric_parameters": {"condition": score.condition, "slice": score.slice},
        "lower_is_better": not metric.higher_is_better,
        "score_type": "continuous",
        "min_score": low,
        "max_score": high,
        "additional_details": {"level": "overall" if score.slice == "all" else "question type"},
    }
    if score.judge_id is not None:
        card = results.judges.get(score.judge_id, "not validated")
        made["additional_details"] |= {"judge_id": score.judge_id, "judge_validity": card}
        sheet = results.sheets.get(score.judge_id)
        made["additional_details"] |= {} if sheet is None else {"judge": sheet.name}
        if sheet is not None and sheet.models and sheet.prompt is not None:
            made["llm_scoring"] = _scoring(sheet)
    return made


def _scoring(sheet: JudgeSheet) -> dict[str, Any]:
    judges = [{"model_info": _about(model, deployment="unknown")} for model in sheet.models]
    made: dict[str, Any] = {"judges": judges, "input_prompt": sheet.prompt}
    if sheet.aggregate is not None:
        made["aggregation_method"] = {"mean": "average", "median": "median"}[sheet.aggregate]
    return made


def _value(score: Score) -> dict[str, Any]:
    estimate = score.estimate
    uncertainty: dict[str, Any] = {"num_samples": estimate.n}
    if _finite(estimate.se):
        uncertainty["standard_error"] = {"value": estimate.se, "method": estimate.method}
    if _finite(estimate.low) and _finite(estimate.high):
        uncertainty["confidence_interval"] = {
            "lower": estimate.low,
            "upper": estimate.high,
            "confidence_level": 0.95,
            "method": estimate.method,
        }
    about = _details(recordings=estimate.clusters, coverage=score.coverage, worst=score.worst, best=score.best)
    leaked = {"leaked": "the prompt gives away the answer"} if score.leaked else {}
    return {"score": estimate.value, "uncertainty": uncertainty, "details": about | leaked}


def _generation(generation: Generation, condition: str) -> dict[str, Any]:
    return {
        "generation_args": {"temperature": generation.temperature, "max_tokens": generation.max_new_tokens},
        "additional_details": _details(condition=condition, seed=generation.seed, stop=list(generation.stop)),
    }


def _details(**facts: Any) -> dict[str, str]:
    """Facts as the store has them, all text; what is not known, or says nothing, is left out."""
    return {
        key: value if isinstance(value, str) else canonical(value).decode()
        for key, value in facts.items()
        if value is not None and value != []
    }


def _epoch(time: str) -> str:
    """ISO 8601 as seconds since 1970; UTC where it names no offset."""
    try:
        read = datetime.fromisoformat(time)
    except ValueError:
        raise UsageError("a time is written as 2026-01-31T12:00:00Z, not", value=time) from None
    return f"{(read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp():.0f}"


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _last(name: str) -> str:
    return name.partition("/")[2] or name


def _folder(name: str) -> str:
    """A name as one folder of the store's path, on every system."""
    plain = "".join("_" if sign in '<>:"/\\|?*' or ord(sign) < 32 else sign for sign in name).rstrip(". ")
    return f"_{plain}" if not plain or RESERVED.fullmatch(plain.partition(".")[0]) else plain
