"""What the judge made of the probes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cpbench.judges.validity import schema
from cpbench.judges.validity.probes import Expects, Probe
from cpbench.judges.validity.table import as_number, mean
from cpbench.judges.validity.thresholds import Thresholds
from cpbench.stats import cluster_interval, influence
from cpbench.stats.diagnostic import clopper_pearson

CONTROL = "GOLD"


@dataclass(frozen=True)
class Probed:
    """A probe and its score; None: the judge gave none."""

    probe: Probe
    score: float | None


def probe_results(
    probed: Sequence[Probed], thresholds: Thresholds, *, correct_score: float
) -> list[schema.ProbeResult]:
    """Each kind of probe, those of one kind with different expectations apart, with the bound of its failures."""
    plain = {one.probe.item_id: one.score for one in probed if one.probe.kind == CONTROL}
    groups: dict[tuple[str, Expects], list[Probed]] = {}
    for one in probed:
        groups.setdefault((one.probe.kind, one.probe.expects), []).append(one)
    return [_result(each, plain, thresholds, correct_score) for each in groups.values() if any(_has(each))]


def fails(one: Probed, plain: Mapping[str, float | None], half_marks: float, correct_score: float) -> bool | None:
    """Whether a probe went wrong; None where nothing is expected of a single one, or there is no score."""
    if one.score is None:
        return None
    accepted = one.score >= correct_score
    if one.probe.expects == "same":
        before = plain.get(one.probe.item_id)
        return None if before is None else accepted != (before >= correct_score)
    return {"right": not accepted, "wrong": accepted, "half": one.score > half_marks}.get(one.probe.expects)


def _has(probed: Iterable[Probed]) -> list[bool]:
    return [one.score is not None for one in probed]


def _result(
    probed: Sequence[Probed], plain: Mapping[str, float | None], thresholds: Thresholds, correct_score: float
) -> schema.ProbeResult:
    first, scored = probed[0].probe, [one for one in probed if one.score is not None]
    failed = [fails(one, plain, thresholds.half_marks, correct_score) for one in scored]
    known = [each for each in failed if each is not None]
    bounds = clopper_pearson(sum(known), len(known), sided=1) if known else (None, None)
    found: schema.ProbeResult = {
        "kind": first.kind,
        "expects": first.expects,
        "n": len(scored),
        "missing": len(probed) - len(scored),
        "failures": sum(known) if known else None,
        "rate": sum(known) / len(known) if known else None,
        "upper": bounds[1],
        "lower": bounds[0],
        "mean": _mean(scored),
        "gated": first.expects in thresholds.gated,
        "verdict": None,
    }
    if found["gated"]:
        found["verdict"] = _verdict(found, thresholds)
    return found


def _verdict(found: schema.ProbeResult, thresholds: Thresholds) -> schema.Outcome:
    """Bounds on the wrong side decide; between them the sample does not."""
    if found["expects"] == "capped":
        low, high, limit = found["mean"]["low"], found["mean"]["high"], thresholds.hedge_marks
    else:
        low, high, limit = found["lower"], found["upper"], thresholds.probe
    if low is None or high is None:
        return "INSUFFICIENT"
    return "PASS" if high <= limit else "FAIL" if low > limit else "INSUFFICIENT"


def _mean(scored: Sequence[Probed]) -> schema.Number:
    """The mean score, clustered by the recording that the probe was made from."""
    rows = np.array([[float(one.score or 0.0), 1.0] for one in scored])
    recordings = [one.probe.case.item.recording for one in scored]
    estimate = cluster_interval(float(mean(rows.sum(axis=0))), influence(rows, mean), recordings)
    return as_number(estimate, (0.0, 100.0))
