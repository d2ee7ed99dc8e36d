"""Two backends' answers to the same requests, held against each other.

Shares of equal answers and labels with clustered intervals; the difference of each metric, paired by item (as `cpbench
compare` has it); where answers part; and a verdict on whether a difference that matters is excluded: two one-sided
tests, read off the 95 % interval (Schuirmann 1987; each at 2.5 %).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from cpbench.comparison import About, NoDifference, Paired, measured, pair
from cpbench.comparison.compare import main_metric
from cpbench.comparison.standings import COVERED, better, points, undecidable
from cpbench.errors import UsageError
from cpbench.metrics.classification import predicted
from cpbench.records import Difference, Estimate, HearingCheck, Item, ModelCard, Outcome, Prediction, Task
from cpbench.results.scores import crossing
from cpbench.stats import cluster_interval
from cpbench.stats.diagnostic import clopper_pearson

Outcomes = tuple[Outcome, ...]
Verdict = Literal["identical", "equivalent", "different", "insufficient"]
EXITS: Mapping[Verdict, int] = {"identical": 0, "equivalent": 0, "different": 3, "insufficient": 4}


@dataclass(frozen=True)
class Asked:
    """What one side said."""

    name: str  # "A, SPEC"
    card: ModelCard
    answers: tuple[Prediction, ...]
    seconds: float | None  # for the answers that were asked for now; None: all were kept
    asked: int  # so many
    hearing: HearingCheck | None

    @property
    def statuses(self) -> dict[str, int]:
        return dict(Counter(one.status for one in self.answers))


@dataclass(frozen=True)
class Line:
    """Where the line is drawn: a difference that does not matter (points of 100), by this metric (None: the main)."""

    margin: float
    metric: str | None = None


@dataclass(frozen=True)
class Parting:
    """An item on which the two answers differ, and where they part."""

    task: str
    item_id: str
    characters: int  # that both begin with
    words: int  # whole words that both begin with
    a: str | None  # the answers; None: the task's rights do not let them be shown
    b: str | None


@dataclass(frozen=True)
class Tokens:
    """The prompts' lengths as the two sides count them, where both do: another template, or other audio, shows here."""

    items: int
    equal: float  # share
    median_a: float
    median_b: float


@dataclass(frozen=True)
class Standing:
    """What is shown of one task's deciding metric."""

    task: str
    metric: str | None  # None: the task has none that could be compared
    verdict: Verdict
    says: str


@dataclass(frozen=True)
class Parity:
    """What `cpbench doctor --parity` shows. A share is None where no item is left to take it of."""

    sides: tuple[Asked, Asked]
    condition: str
    margin: float
    items: int  # asked of both
    failed: tuple[int, int]  # errors on either side: counted, never scored
    both: int  # items with an answer on both sides
    same: Estimate | None  # share of equal answers, character by character
    alike: Estimate | None  # ... but for case, punctuation and blanks
    same_label: Estimate | None  # of the items with options: the same label is read from both, or none from either
    unread: int  # of those, items from which neither side's label could be read
    tokens: Tokens | None
    partings: tuple[Parting, ...]
    differences: tuple[Difference, ...]
    absent: tuple[NoDifference, ...]
    standings: tuple[Standing, ...]
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return EXITS[self.verdict]

    @property
    def early(self) -> float | None:
        """How many whole words differing answers have in common at their beginning, in the median."""
        return float(median(one.words for one in self.partings)) if self.partings else None


def compared(
    asked: Sequence[Asked], items: Mapping[tuple[str, str], Item], tasks: Sequence[Task], line: Line, condition: str
) -> Parity:
    """Hold the answers of two sides against each other. Raises UsageError for a metric that no task has."""
    if line.metric is not None and not any(line.metric in task.metrics for task in tasks):
        raise UsageError(
            "no task has the metric", value=line.metric, allowed=sorted({m for t in tasks for m in t.metrics})
        )
    a, b = (tuple(Outcome(items[one.task, one.item_id], one) for one in side.answers) for side in asked)
    paired = pair(a, b)
    first, second = _usable(paired)
    found = list(measured(paired, tasks, About("", "all", "A", "B")))
    differences = tuple(one for one in found if isinstance(one, Difference))
    standings = tuple(_standing(task, a, found, line) for task in tasks)
    options = [at for at, one in enumerate(first) if one.item.options]
    labels = [(predicted(first[at]), predicted(second[at])) for at in options]
    texts = frozenset(task.name for task in tasks if task.rights.text_in_report)
    partings = tuple(_partings(first, second, texts))
    verdict, reasons = _verdict(standings, paired, partings, len(items))
    return Parity(
        sides=(asked[0], asked[1]),
        condition=condition,
        margin=line.margin,
        items=len(items),
        failed=(_failed(a), _failed(b)),
        both=len(first),
        same=_share(first, [_said(x) == _said(y) for x, y in zip(first, second, strict=True)]),
        alike=_share(first, [_bare(x) == _bare(y) for x, y in zip(first, second, strict=True)]),
        same_label=_share([first[at] for at in options], [one == other for one, other in labels]),
        unread=sum(each == (None, None) for each in labels),
        tokens=_tokens(first, second),
        partings=partings,
        differences=differences,
        absent=tuple(one for one in found if isinstance(one, NoDifference)),
        standings=standings,
        verdict=verdict,
        reasons=reasons,
    )


def _usable(paired: Paired) -> tuple[Outcomes, Outcomes]:
    """The pairs in which neither side failed."""
    kept = [
        (x, y)
        for x, y in zip(paired.a, paired.b, strict=True)
        if "error" not in (x.prediction.status, y.prediction.status)
    ]
    return tuple(x for x, _ in kept), tuple(y for _, y in kept)


def _failed(outcomes: Outcomes) -> int:
    return sum(one.prediction.status == "error" for one in outcomes)


def _said(outcome: Outcome) -> tuple[str, str]:
    return outcome.prediction.status, outcome.prediction.answer


def _bare(outcome: Outcome) -> tuple[str, str]:
    """Letters and digits alone, in one case."""
    return outcome.prediction.status, re.sub(r"[\W_]+", " ", outcome.prediction.answer).strip().casefold()


def _share(part: Sequence[Outcome], holds: Sequence[bool]) -> Estimate | None:
    """The share of items, with its interval clustered as everywhere; where nothing varies, over recordings, exactly."""
    if not part:
        return None
    x = np.array(holds, dtype=float)
    recordings = [one.item.recording for one in part]
    ids = [recordings, words] if (words := crossing(part, recordings)) else [recordings]
    found = cluster_interval(float(x.mean()), x - x.mean(), *ids)
    if found.low is None or found.high is None:
        return found
    low, high, method = max(found.low, 0.0), min(found.high, 1.0), found.method
    if x.min() == x.max():
        whole = found.clusters if x[0] else 0
        low, high = clopper_pearson(whole, found.clusters)
        method = "exact, of the recordings, which are all alike in this"
    return Estimate(found.value, low, high, found.se, found.n, found.clusters, method)


def _partings(a: Outcomes, b: Outcomes, texts: frozenset[str]) -> Iterator[Parting]:
    for x, y in zip(a, b, strict=True):
        if _said(x) == _said(y):
            continue
        one, other = x.prediction.answer, y.prediction.answer
        characters = next(
            (at for at, (c, d) in enumerate(zip(one, other, strict=False)) if c != d), min(len(one), len(other))
        )
        shown = x.item.task in texts
        words = _words(one, other)
        yield Parting(x.item.task, x.item.id, characters, words, one if shown else None, other if shown else None)


def _words(a: str, b: str) -> int:
    """How many words two texts have in common at their beginning."""
    pairs = zip(a.split(), b.split(), strict=False)
    return next((at for at, (c, d) in enumerate(pairs) if c != d), min(len(a.split()), len(b.split())))


def _tokens(a: Outcomes, b: Outcomes) -> Tokens | None:
    counted = [
        (x.prediction.input_tokens, y.prediction.input_tokens)
        for x, y in zip(a, b, strict=True)
        if x.prediction.input_tokens is not None and y.prediction.input_tokens is not None
    ]
    if not counted:
        return None
    equal = sum(one == other for one, other in counted) / len(counted)
    return Tokens(len(counted), equal, float(median(a for a, _ in counted)), float(median(b for _, b in counted)))


def _standing(task: Task, column: Outcomes, found: Sequence[Difference | NoDifference], line: Line) -> Standing:
    metric = line.metric if line.metric in task.metrics else main_metric(task, column)
    for one in found:
        if isinstance(one, Difference) and (one.task, one.slice, one.metric) == (task.name, "all", metric):
            verdict, says = _shown(one, line.margin)
            return Standing(task.name, metric, verdict, f"{task.name}, {metric}: {says}")
    whys = [
        one.why
        for one in found
        if isinstance(one, NoDifference) and (one.about.task, one.metric) == (task.name, metric)
    ]
    why = next(iter(whys), "it applies to none of the items")
    return Standing(task.name, None, "insufficient", f"{task.name}: no {metric}: {why}")


def _shown(one: Difference, margin: float) -> tuple[Verdict, str]:
    """What the interval of one difference shows against the margin, in words."""
    if one.estimate.low is None or one.estimate.high is None:
        return "insufficient", "one recording shows nothing"
    if one.p_least == 1.0:
        return _level(one.estimate.clusters, margin)
    low, high = points(one.estimate.low, one.metric), points(one.estimate.high, one.metric)
    interval = f"A - B is {points(one.estimate.value, one.metric):+.1f} points [{low:+.1f}, {high:+.1f}]"
    largest = max(abs(low), abs(high))
    if largest < margin:
        return "equivalent", f"{interval}; a difference of {margin:g} points or more is excluded"
    if better(one) is not None:
        least = min(abs(low), abs(high)) if low * high > 0 else 0.0
        return "different", f"{interval}: the two differ" + (f", by {least:.1f} points at least" if least else "")
    few = f" ({why})" if (why := undecidable(one)) else ""
    return (
        "insufficient",
        f"{interval}; only differences above {largest:.1f} points are excluded{few}{_needed(one, margin)}",
    )


def _level(recordings: int, margin: float) -> tuple[Verdict, str]:
    """Scores that are equal in every recording: how many recordings could differ all the same."""
    hidden = 100 * (1 - clopper_pearson(recordings, recordings)[0])
    says = f"equal in each of {recordings} recordings, so a difference in more than {hidden:.1f} % of them is excluded"
    if hidden < margin:
        return "equivalent", f"{says}, and with it one of {margin:g} points"
    return "insufficient", f"{says}; one of {margin:g} points would need more recordings to be excluded"


def _needed(one: Difference, margin: float) -> str:
    """About how many recordings would show equivalence, if the difference stays what it is."""
    value = abs(points(one.estimate.value, one.metric))
    half = points((one.estimate.high or 0.0) - (one.estimate.low or 0.0), one.metric) / 2
    if value >= margin:
        return ""
    return f"; about {int(np.ceil(one.estimate.clusters * (half / (margin - value)) ** 2))} recordings would decide"


def _verdict(
    standings: Sequence[Standing], paired: Paired, partings: Sequence[Parting], asked: int
) -> tuple[Verdict, tuple[str, ...]]:
    """All tasks together: a difference goes before what cannot be told, and that before equivalence."""
    usable = len(_usable(paired)[0])
    reasons = [one.says for one in standings]
    if any(one.verdict == "different" for one in standings):
        return "different", tuple(reasons)
    if usable < COVERED * asked:
        return "insufficient", (f"{usable} of {asked} items have an answer on both sides", *reasons)
    if not partings:
        recordings = len({one.item.recording for one in paired.a})
        hidden = 100 * (1 - clopper_pearson(recordings, recordings)[0])
        says = f"all {usable} answers are the same, character by character; in {recordings} recordings none differs, "
        return "identical", (f"{says}so at most {hidden:.1f} % of recordings would (95 %)",)
    if any(one.verdict == "insufficient" for one in standings):
        return "insufficient", tuple(reasons)
    return "equivalent", tuple(reasons)
