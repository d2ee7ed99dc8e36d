"""The rows of the terminal's table: plain, for whoever prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpbench.records import Estimate, Results, Score


@dataclass(frozen=True)
class Line:
    """One metric of one task under one condition."""

    task: str
    condition: str
    metric: str
    judge_id: str | None  # None: no judge
    estimate: Estimate
    coverage: float
    worst: float | None  # None: nothing is missing
    best: float | None
    leaked: bool
    types: Mapping[str, Score]  # by question type, where there is more than one


def tables(results: Results) -> list[Line]:
    """Return a line for every metric of every task and condition, with its question types beside it.

    >>> from cpbench.records import ModelCard
    >>> tables(Results("r", ModelCard("echo", "null"), (), (), {}))
    []
    """
    found: dict[tuple[str, str, str, str | None], dict[str, Score]] = {}
    for score in results.scores:
        key = (score.task, score.condition, score.metric, score.judge_id)
        found.setdefault(key, {})[score.slice] = score
    return [_line(parts) for parts in found.values()]


def _line(parts: Mapping[str, Score]) -> Line:
    types = {name: score for name, score in parts.items() if name != "all"}
    whole = parts.get("all") or next(iter(types.values()))
    return Line(
        whole.task,
        whole.condition,
        whole.metric,
        whole.judge_id,
        whole.estimate,
        whole.coverage,
        whole.worst,
        whole.best,
        whole.leaked,
        types,
    )
