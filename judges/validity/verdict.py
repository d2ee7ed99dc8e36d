"""From evidence to a verdict: PASS, FAIL or INSUFFICIENT by criterion and over all, and the sample that would decide.

An interval decides, never a point: PASS where all of it is good enough, FAIL where none of it is, and INSUFFICIENT in
between, since then another sample of the same judge might say the opposite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from cpbench.judges.validity import schema
from cpbench.judges.validity.schema import CriterionFacts, Outcome
from cpbench.judges.validity.thresholds import Thresholds

LEVEL, Z = 0.95, 1.645  # of the one-sided bounds of probes
CONTEXTUAL = ("C", "CE", "CG", "CS")  # what only the CROSS probes and people speak to
NEAR = 0.002  # from the threshold: no sample of a sensible size decides


def criteria(found: schema.Validity, thresholds: Thresholds) -> list[CriterionFacts]:
    """Every criterion of the verdict, from a validity.json that has none yet."""
    made = [
        _coverage(found, thresholds),
        _balanced(found, thresholds),
        _bias(found, thresholds),
        _spread(found, thresholds),
        _flips(found, thresholds),
        *_probes(found["probes"], thresholds),
    ]
    few = found["pack"]["recordings"] < thresholds.recordings
    return [_too_few(found, thresholds), *map(_withheld, made)] if few else made


def overall(made: Iterable[CriterionFacts]) -> Outcome:
    """FAIL over INSUFFICIENT over PASS."""
    outcomes = {one["outcome"] for one in made}
    return "FAIL" if "FAIL" in outcomes else "PASS" if outcomes == {"PASS"} else "INSUFFICIENT"


def above(number: schema.Number | None, limit: float) -> Outcome:
    """Whether a number's interval lies above a limit."""
    if number is None or number["low"] is None or number["high"] is None:
        return "INSUFFICIENT"
    return "PASS" if number["low"] >= limit else "FAIL" if number["high"] < limit else "INSUFFICIENT"


def with_verdict(one: schema.Accuracy, thresholds: Thresholds) -> schema.Accuracy:
    """A slice with the verdict on its balanced accuracy alone."""
    number = one["balanced_accuracy"]
    few = number is None or number["recordings"] < thresholds.recordings
    return {**one, "verdict": "INSUFFICIENT" if few else above(number, thresholds.balanced_accuracy)}


def covers(
    verdict: Outcome, by_type: Sequence[schema.Accuracy], by_language: Sequence[schema.Accuracy]
) -> schema.Covers:
    """What a verdict holds for: a PASS for types and languages that pass alone, any other for all measured.

    Labels certify direct questions only: of a contextual one they are a part of the truth, whatever they say there.
    """

    def named(slices: Sequence[schema.Accuracy]) -> list[str]:
        return [one["name"] for one in slices if verdict != "PASS" or one["verdict"] == "PASS"]

    types = [name for name in named(by_type) if verdict != "PASS" or name not in CONTEXTUAL]
    return {"types": types, "languages": named(by_language), "scale": "right or wrong, by the label"}


def _criterion(name: str, outcome: Outcome, reason: str, needs: str | None = None) -> CriterionFacts:
    return {"name": name, "outcome": outcome, "reason": reason, "needs": needs if outcome == "INSUFFICIENT" else None}


def _too_few(found: schema.Validity, thresholds: Thresholds) -> CriterionFacts:
    recordings = found["pack"]["recordings"]
    needs = f"{thresholds.recordings} recordings or more in this part of the pack"
    return _criterion("recordings", "INSUFFICIENT", f"{recordings} recordings allow no verdict", needs)


def _withheld(one: CriterionFacts) -> CriterionFacts:
    """A criterion where there are too few recordings to say anything."""
    return _criterion(one["name"], "INSUFFICIENT", one["reason"], one["needs"] or "more recordings")


def _coverage(found: schema.Validity, thresholds: Thresholds) -> CriterionFacts:
    share = found["coverage"]
    statuses = ", ".join(f"{count} {status}" for status, count in found["statuses"].items())
    outcome: Outcome = "PASS" if share >= thresholds.coverage else "FAIL"
    return _criterion("coverage", outcome, f"{share:.2%} have a score, {thresholds.coverage:.1%} needed ({statuses})")


def _balanced(found: schema.Validity, thresholds: Thresholds) -> CriterionFacts:
    number, limit = found["overall"]["balanced_accuracy"], thresholds.balanced_accuracy
    if number is None:
        needs = "right and wrong answers by counted systems"
        return _criterion("balanced_accuracy", "INSUFFICIENT", "only one of right and wrong answers occurs", needs)
    outcome, reason = above(number, limit), f"{_said(number)}, lower bound of {limit:.2f} needed"
    if outcome != "PASS" and (beside := _no_worse(found["baseline"], thresholds)) is not None:
        return _criterion("balanced_accuracy", "PASS", f"{reason}; {beside}")
    return _criterion("balanced_accuracy", outcome, reason, _more(number, limit))


def _no_worse(baseline: schema.BaselineFacts | None, thresholds: Thresholds) -> str | None:
    """In words that the judge is no worse than a baseline which itself passed; None where that is not shown."""
    if baseline is None or baseline["verdict"] != "PASS":
        return None
    paired = next((one for one in baseline["paired"] if one["metric"] == "balanced_accuracy"), None)
    if paired is None or paired["difference"]["low"] is None or paired["difference"]["low"] < -thresholds.margin:
        return None
    return f"not worse by {thresholds.margin:.2f} than {baseline['name']}, which passed"


def _bias(found: schema.Validity, thresholds: Thresholds) -> CriterionFacts:
    number, limit = found["overall"]["bias"], thresholds.bias
    if number is None or number["low"] is None or number["high"] is None:
        return _criterion("bias", "INSUFFICIENT", "no interval", "answers of two recordings or more")
    inside = -limit <= number["low"] and number["high"] <= limit
    outside = number["low"] > limit or number["high"] < -limit
    outcome: Outcome = "PASS" if inside else "FAIL" if outside else "INSUFFICIENT"
    near = math.copysign(limit, number["value"])
    reason = f"{_said(number, sign=True)}, within ±{limit:.2f} needed"
    return _criterion("bias", outcome, reason, _more(number, near))


def _spread(found: schema.Validity, thresholds: Thresholds) -> CriterionFacts:
    name, spread, limit = "specificity_between_systems", found["spread"], thresholds.specificity_sd
    there = f"{found['pack']['systems']} systems of {found['pack']['families']} families"
    needs = f"{thresholds.systems} systems of {thresholds.families} families, with wrong answers; there are {there}"
    if spread is None:
        return _criterion(name, "INSUFFICIENT", "no two systems with wrong answers", needs)
    interval = f"SD {spread['sd']:.3f} [{spread['lower']:.3f}, {spread['upper']:.3f}]"
    reason = f"{interval}, {spread['bound_level']:.1%} bound {spread['bound']:.3f}, {limit:.2f} needed"
    if spread["systems"] < thresholds.systems or spread["families"] < thresholds.families:
        return _criterion(name, "INSUFFICIENT", f"{reason}; over {there} nothing is said about systems", needs)
    outcome: Outcome = "PASS" if spread["bound"] <= limit else "FAIL" if spread["lower"] > limit else "INSUFFICIENT"
    more = f"more systems (now {spread['systems']}), or more wrong answers of each"
    return _criterion(name, outcome, reason, more)


def _flips(found: schema.Validity, thresholds: Thresholds) -> CriterionFacts:
    if found["repeats"] is None:
        return _criterion("flips", "INSUFFICIENT", "no answer was judged twice", "answers judged several times")
    number, limit = found["repeats"]["flips"], thresholds.flips
    if number["low"] is None or number["high"] is None:
        return _criterion("flips", "INSUFFICIENT", "no interval", "repeated answers of two recordings or more")
    outcome: Outcome = "PASS" if number["high"] <= limit else "FAIL" if number["low"] > limit else "INSUFFICIENT"
    return _criterion("flips", outcome, f"{_said(number)}, upper bound of {limit:.2f} needed", _more(number, limit))


def _probes(results: Sequence[schema.ProbeResult], thresholds: Thresholds) -> Iterator[CriterionFacts]:
    gated = [one for one in results if one["gated"]]
    if not gated:
        needs = "items with an emotion label that can be put into words"
        yield _criterion("probes", "INSUFFICIENT", "no probe could be made of these items", needs)
    for one in gated:
        yield _criterion(f"probe {one['kind']}", one["verdict"] or "INSUFFICIENT", *_probe_words(one, thresholds))


def _probe_words(one: schema.ProbeResult, thresholds: Thresholds) -> tuple[str, str]:
    if one["expects"] == "capped":
        limit = thresholds.hedge_marks
        return f"mean score {_said(one['mean'], digits=1)}, at most {limit:g} allowed", _more(one["mean"], limit)
    if one["rate"] is None or one["upper"] is None:
        return "no score", "scores of its probes"
    reason = f"{one['failures']} of {one['n']} failed, upper bound {one['upper']:.3f}, {thresholds.probe:.2f} allowed"
    return reason, f"{_probes_needed(one['rate'], thresholds.probe, one['n'])}; there are {one['n']}"


def _probes_needed(rate: float, limit: float, n: int) -> str:
    """So many that the one-sided bound around the same rate no longer holds the limit (normal approximation)."""
    if abs(rate - limit) < NEAR:
        return "no number of probes: the rate lies at the limit"
    clean = math.log(1 - LEVEL) / math.log(1 - limit)
    spread = rate * (1 - rate) * (Z / (rate - limit)) ** 2
    return f"about {math.ceil(max(clean, spread, n + 1))} probes at this rate"


def _said(number: schema.Number, *, digits: int = 3, sign: bool = False) -> str:
    form = f"{'+' if sign else ''}.{digits}f"
    said = format(number["value"], form)
    if number["low"] is None or number["high"] is None:
        return said
    return f"{said} [{format(number['low'], form)}, {format(number['high'], form)}]"


def _more(number: schema.Number, limit: float) -> str:
    """The recordings at which an interval around the same value would no longer hold the limit: widths go by 1/sqrt."""
    apart, low, high = abs(number["value"] - limit), number["low"], number["high"]
    if low is None or high is None:
        return "answers of two recordings or more"
    half = number["value"] - low if number["value"] > limit else high - number["value"]
    if apart < NEAR:
        return "no sample of a sensible size: the value lies at the threshold"
    times = (half / apart) ** 2
    return f"about {math.ceil(number['recordings'] * times)} recordings like these {number['recordings']}"
