"""The rows of the terminal's table: plain, for whoever prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpbench.records import Results, Score


@dataclass(frozen=True)
class Line:
    """One metric of one task under one condition."""

    task: str
    condition: str
    metric: str
    judge_id: str | None  # None: no judge
    whole: Score | None  # over all items; None where the metric has a value on single question types only
    types: Mapping[str, Score]  # by question type, in the order of QTYPES


def tables(results: Results) -> list[Line]:
    """Return a line for every metric of every task and condition, with its question types beside it.

    >>> from cpbench.records import Estimate, ModelCard
    >>> score = Score("cpqa", "audio", "all", "accuracy", None, Estimate(0.5, 0.3, 0.7, 0.1, 40, 12, "t"))
    >>> (line,) = tables(Results("a-run", ModelCard("demo", "speechlm"), (), (score,), {}))
    >>> line.metric, line.whole.estimate.value, dict(line.types)
    ('accuracy', 0.5, {})
    """
    found: dict[tuple[str, str, str, str | None], dict[str, Score]] = {}
    for score in results.scores:
        key = (score.task, score.condition, score.metric, score.judge_id)
        found.setdefault(key, {})[score.slice] = score
    return [Line(*key, slices.pop("all", None), slices) for key, slices in found.items()]
