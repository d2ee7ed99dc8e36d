"""A comparison as plain JSON values: what `cpbench compare --json` prints."""

from __future__ import annotations

import dataclasses
from typing import Any

from cpbench.comparison.compare import Comparison
from cpbench.comparison.standings import Gate, better, verdict
from cpbench.records import Difference

SCHEMA = "cpbench-compare-1"


def plain(comparison: Comparison, gate: Gate | None = None) -> dict[str, Any]:
    """Return a comparison as JSON has it; its keys are told in docs/compare.md.

    Values are in the metric's own unit. `gate` is null where nobody asked for one.
    """
    return {
        "schema": SCHEMA,
        "systems": [
            {key: getattr(one, key) for key in ("name", "folder", "model", "condition", "answers")}
            for one in comparison.systems
        ],
        "judges": dict(comparison.judges),
        "main": {task: {"metric": metric, "judge_id": judge} for task, (metric, judge) in comparison.main.items()},
        "differences": [difference(one, comparison.pairs(one)) for one in comparison.differences],
        "absent": [
            {**dataclasses.asdict(one.about), "metric": one.metric, "why": one.why} for one in comparison.absent
        ],
        "ranks": [dataclasses.asdict(one) for one in comparison.ranks],
        "counts": [dataclasses.asdict(one) for one in comparison.tables],
        "items": [dataclasses.asdict(one) for one in comparison.alone],
        "notes": list(comparison.notes),
        "gate": None if gate is None else dataclasses.asdict(gate),
    }


def difference(one: Difference, pairs: int = 1) -> dict[str, Any]:
    """Return a difference as JSON has it. `pairs` of systems were compared beside each other."""
    estimate = one.estimate
    return {
        "task": one.task,
        "slice": one.slice,
        "metric": one.metric,
        "judge_id": one.judge_id,
        "a": one.a,
        "b": one.b,
        "value_a": one.value_a,
        "value_b": one.value_b,
        "difference": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "stderr": estimate.se,
        "method": estimate.method,
        "n": estimate.n,
        "recordings": estimate.clusters,
        "lost": one.n_lost,
        "p": one.p,
        "p_least": one.p_least,
        "p_holm": one.p_holm,
        "pairs": pairs,
        "smallest_detectable_difference": one.smallest,
        "leaked": one.leaked,
        "better": None if (side := better(one)) is None else getattr(one, side),
        "verdict": verdict(one, pairs),
    }
