"""Results as rows: one score a row, with all that belongs to it, the same columns in every format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cpbench.metrics import find_metrics
from cpbench.records import ModelCard, Results, Score, Task

Kind = type[str] | type[int] | type[float] | type[bool]
COLUMNS: Mapping[str, Kind] = {
    "run": str,
    "model": str,
    "baseline": bool,  # a null baseline on the same items; it is no system
    "task": str,
    "condition": str,
    "slice": str,  # "all", or a question type
    "metric": str,
    "judge": str,
    "judge_id": str,
    "judge_validity": str,
    "value": float,
    "low": float,  # of the 95 % interval, clustered by recording
    "high": float,
    "stderr": float,
    "method": str,
    "n": int,  # items
    "recordings": int,
    "coverage": float,
    "worst": float,  # the value with the missing at worst, and at best
    "best": float,
    "higher_is_better": bool,
    "leaked": bool,
    "synthetic": bool,
    "task_version": str,
    "fingerprint": str,
    "license": str,
}


@dataclass(frozen=True)
class Table:
    """Rows of plain values by column; None where there is none."""

    columns: Mapping[str, Kind]
    rows: tuple[Mapping[str, Any], ...]


def score_table(results: Results) -> Table:
    """Every score of a run and of the null baselines on the same items."""
    rows = list(_rows(results, model_name(results.model), results.scores, baseline=False))
    for name, scores in results.baselines.items():
        rows += _rows(results, name, scores, baseline=True)
    return Table(COLUMNS, tuple(rows))


def model_name(card: ModelCard) -> str:
    """A model's name, without the folders of the machine that it lies on."""
    path = PurePath(card.name)
    return path.name if path.is_absolute() else card.name


def judge_name(results: Results, judge_id: str) -> str:
    """A judge's name, or the beginning of its judge_id where nobody has named it."""
    sheet = results.sheets.get(judge_id)
    return sheet.name if sheet is not None else f"judge#{judge_id[:8]}"


def main_condition(results: Results) -> str | None:
    """The condition that the results are about: the model's own, else `audio`, else the first; None without scores."""
    present = list(dict.fromkeys(score.condition for score in results.scores))
    return next((one for one in (results.model.condition, "audio", *present) if one in present), None)


def written(value: float, metric: str) -> str:
    """A metric's value in words: a decimal on a scale of points, three on one up to 1."""
    return f"{value:.1f}" if find_metrics([metric])[0].bounds[1] > 1 else f"{value:.3f}"


def number(value: float | None) -> float | None:
    """None for what is not a number."""
    return value if value is not None and math.isfinite(value) else None


def _rows(results: Results, model: str, scores: Iterable[Score], *, baseline: bool) -> Iterator[dict[str, Any]]:
    tasks = {task.name: task for task in results.tasks}
    for score in scores:
        yield {"run": results.run, "model": model, "baseline": baseline} | _row(score, tasks[score.task], results)


def _row(score: Score, task: Task, results: Results) -> dict[str, Any]:
    estimate, judge_id = score.estimate, score.judge_id
    return {
        "task": score.task,
        "condition": score.condition,
        "slice": score.slice,
        "metric": score.metric,
        "judge": None if judge_id is None else judge_name(results, judge_id),
        "judge_id": judge_id,
        "judge_validity": None if judge_id is None else results.judges.get(judge_id, "not validated"),
        "value": number(estimate.value),
        "low": number(estimate.low),
        "high": number(estimate.high),
        "stderr": number(estimate.se),
        "method": estimate.method,
        "n": estimate.n,
        "recordings": estimate.clusters,
        "coverage": number(score.coverage),
        "worst": number(score.worst),
        "best": number(score.best),
        "higher_is_better": find_metrics([score.metric])[0].higher_is_better,
        "leaked": score.leaked,
        "synthetic": task.synthetic,
        "task_version": task.version,
        "fingerprint": task.fingerprint,
        "license": task.rights.license,
    }
