"""Metrics: a row of numbers an item, and a value of the summed rows, so that every one has a clustered interval.

Each file of this folder, and each entry point of the group `cpbench.metrics`, holds `METRICS: tuple[Metric, ...]`. A
task's YAML names its metrics; the metrics of a judge's scores (`Metric.judged`) are computed wherever a judge has
scored.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from cpbench import parts
from cpbench.errors import UsageError
from cpbench.parts import Metric


def find_metrics(names: Iterable[str]) -> list[Metric]:
    """Return the metrics of these names, in this order. Raises UsageError for an unknown one, with the nearest.

    >>> [metric.bounds for metric in find_metrics(["accuracy", "overlap_score"])]
    [(0.0, 1.0), (0.0, 100.0)]
    """
    known = _known()
    for name in (names := list(names)):
        if name not in known:
            raise UsageError("unknown metric", value=name, allowed=sorted(known))
    return [known[name] for name in names]


def judged_metrics() -> list[Metric]:
    """Return every metric that is made from a judge's scores."""
    return [metric for metric in _known().values() if metric.judged]


@cache
def _known() -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for file in parts.names("metrics"):
        for metric in parts.find("metrics", file).METRICS:
            if metric.name in found:
                raise UsageError(f"two metrics are named alike, one of them in {file}", value=metric.name)
            found[metric.name] = metric
    return found
