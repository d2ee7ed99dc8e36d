"""What an answer follows where something suggests another label than the item's own.

The clip that is played instead of the item's (`played`), wrong tags in the prompt (`told`), and words that contradict
the voice (`Item.lure`) each name a label. Counted are the answers that give it, over those items where it is not the
item's own label: there, following it and answering rightly are two things.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cpbench import parts
from cpbench.comparison.gaps import Shown, least
from cpbench.comparison.sheets import Sheet
from cpbench.labels import extract_label
from cpbench.metrics.classification import labelled, predicted
from cpbench.records import Estimate, Item, Outcome
from cpbench.stats import cluster_interval, influence
from cpbench.stats.paired import ALPHA

Array = npt.NDArray[np.floating[Any]]
Source = Literal["clip", "tags", "words"]
Left = Literal["no_donor", "no_label", "failed", "several_tags", "same_label"]


@dataclass(frozen=True)
class Suggested:
    """An answer, and the label that something other than the item suggests for it."""

    outcome: Outcome
    label: str
    played: str = ""  # the recording that is heard instead: those items are alike too

    @property
    def follows(self) -> bool:
        return predicted(self.outcome) == self.label


@dataclass(frozen=True)
class Untold:
    """The same items under the condition that is like this one but for its tags."""

    condition: str
    follow: float  # share that gives the tags' label all the same
    own: float
    lift: Estimate  # how much more often it is given with the tags, on the items answered under both


@dataclass(frozen=True)
class Followed:
    """How often one question type's answers give the suggested label, under one condition."""

    task: str
    type: str
    condition: str
    by: Source  # what suggests it
    n: int  # items whose own label is another
    recordings: int
    follow: float  # share of answers that give the suggested label
    follow_low: float | None
    follow_high: float | None
    own: float  # that give the item's own
    neither: float
    expected: float  # share that would give the suggested label, were answers independent of it
    excess: float  # follow - expected
    excess_low: float | None
    excess_high: float | None
    shown: Shown  # by tags: of the lift, where there is one; else of the excess
    one_in: float  # 1 / number of options, averaged
    method: str
    left_out: Mapping[Left, int]
    untold: Untold | None = None
    leaked: bool = False


def followed(sheet: Sheet, items: Sequence[Item]) -> list[Followed]:
    """Return what a sheet's answers follow: the played clips, the told tags, the lures; empty where nothing suggests.

    `items`: all of the run, among which the played clips' labels are looked up.
    """
    if sheet.judge is not None or not any(labelled(one) for one in sheet.columns[sheet.main]):
        return []
    return [*_clips(sheet, items), *_tags(sheet), *_lures(sheet)]


def _clips(sheet: Sheet, items: Sequence[Item]) -> Iterator[Followed]:
    recordings = {clip.sha256: clip.recording for item in items for clip in item.clips}
    for condition in sheet.others:
        if (label_of := _donor_label(condition, items)) is None:
            continue
        there = {one.item.id for one in sheet.columns[condition]}
        left = Counter[Left]()
        left["no_donor"] = sum(one.item.id not in there for one in sheet.columns[sheet.main])
        found = []
        for one in sheet.columns[condition]:
            label = label_of(one.item, one.prediction.played)
            if (why := _unusable(one, label)) is not None:
                left[why] += 1
            else:
                played = "+".join(str(recordings.get(sha)) for sha in one.prediction.played)
                found.append(Suggested(one, str(label), played))
        if found or left["no_label"] < sum(left.values()):
            yield from _made(sheet, condition, "clip", found, left)


def _donor_label(condition: str, items: Sequence[Item]) -> Callable[[Item, Sequence[str]], str | None] | None:
    """How a condition that plays other clips tells the label that would be right for them; None: it plays none."""
    for step in condition.split("+"):
        module = parts.find("conditions", step.partition(":")[0])
        if hasattr(module, "donor_label"):
            known = module.index(items)
            return lambda item, played: module.donor_label(item, played, known)
    return None


def _unusable(one: Outcome, label: str | None) -> Left | None:
    if one.prediction.status == "error":
        return "failed"
    if label is None or not labelled(one):
        return "no_label"
    return "same_label" if label == one.item.label else None


def told(sheet: Sheet) -> list[str]:
    """The conditions under which a prompt names emotions."""
    return [condition for condition in sheet.columns if sheet.told(condition)]


def untold(sheet: Sheet, condition: str) -> str | None:
    """The condition that is like this one but for its tags; None where the run has none."""
    alike = [each for each in sheet.columns if not sheet.told(each) and sheet.differ_in_tags_only(each, condition)]
    return sheet.main if sheet.main in alike else next(iter(alike), None)


def _tags(sheet: Sheet) -> Iterator[Followed]:
    for condition in told(sheet):
        found, left = [], Counter[Left]()
        for one in sheet.columns[condition]:
            labels = {extract_label(word, one.item.options) for word in one.prediction.told}
            why = "several_tags" if len(labels) > 1 else _unusable(one, next(iter(labels), None))
            if why is not None:
                left[why] += 1
            else:
                found.append(Suggested(one, str(labels.pop())))
        yield from _made(sheet, condition, "tags", found, left)


def _lures(sheet: Sheet) -> Iterator[Followed]:
    for condition, column in sheet.columns.items():
        found, left = [], Counter[Left]()
        for one in column:
            if (why := _unusable(one, one.item.lure)) is not None:
                left[why] += 1
            else:
                found.append(Suggested(one, str(one.item.lure)))
        yield from _made(sheet, condition, "words", found, left)


def _made(
    sheet: Sheet, condition: str, by: Source, found: Sequence[Suggested], left: Counter[Left]
) -> Iterator[Followed]:
    if not found:
        return
    ids = [[one.outcome.item.recording for one in found]]
    if by == "clip":  # items that hear the same recording are alike, as are those cut from one
        ids.append([one.played for one in found])
    rate = _mean([one.follows for one in found], *ids)
    rows, value = _excess(found)
    excess = cluster_interval(float(value(rows.sum(axis=0))), influence(rows, value), *ids)
    own = float(np.mean([predicted(one.outcome) == one.outcome.item.label for one in found]))
    low, high = _cut(rate)
    untold = _without_tags(sheet, condition, found) if by == "tags" else None
    yield Followed(
        sheet.task.name,
        sheet.type,
        condition,
        by,
        len(found),
        rate.clusters,
        rate.value,
        low,
        high,
        own,
        1.0 - rate.value - own,
        rate.value - excess.value,
        excess.value,
        excess.low,
        excess.high,
        _shown(untold.lift if untold else excess),
        float(np.mean([1 / len(one.outcome.item.options) for one in found])),
        excess.method,
        {why: count for why, count in sorted(left.items()) if count},
        untold,
        leaked=any("leaked" in one.outcome.prediction.flags for one in found),
    )


def _cut(rate: Estimate) -> tuple[float | None, float | None]:
    """A share's interval, within 0 and 1."""
    if rate.low is None or rate.high is None:
        return None, None
    return max(rate.low, 0.0), min(rate.high, 1.0)


def _mean(values: Sequence[bool | float], *ids: Sequence[str]) -> Estimate:
    numbers = np.asarray(values, dtype=float)
    return cluster_interval(float(numbers.mean()), numbers - numbers.mean(), *ids)


def _excess(found: Sequence[Suggested]) -> tuple[Array, Callable[[Array], Array]]:
    """Rows and value of the rate above chance.

    Where all items have the same options, chance is sum_k P(answer = k) P(suggested = k), the agreement of independent
    answers with these margins (Cohen 1960); else 1 / the item's number of options.
    """
    follows = np.array([one.follows for one in found], dtype=float)
    options = {frozenset(one.outcome.item.options) for one in found}
    if len(options) > 1:
        chance = np.array([1 / len(one.outcome.item.options) for one in found])
        return np.stack([follows - chance, np.ones(len(found))], axis=1), lambda sums: sums[..., 0] / sums[..., 1]
    names = np.array(sorted(next(iter(options))))
    said = np.array([str(predicted(one.outcome)) for one in found])[:, None] == names
    suggested = np.array([one.label for one in found])[:, None] == names
    rows = np.concatenate([follows[:, None], np.ones((len(found), 1)), said, suggested], axis=1)

    def value(sums: Array) -> Array:
        n, k = sums[..., 1], len(names)
        above: Array = sums[..., 0] / n - (sums[..., 2 : 2 + k] * sums[..., 2 + k :]).sum(axis=-1) / n**2
        return above

    return rows, value


def _shown(excess: Estimate) -> Shown:
    """By the interval, where the recordings are enough for any test at all (`gaps.shown`)."""
    if excess.low is None or excess.high is None or least(excess.clusters) > ALPHA:
        return "cannot_be_shown"
    return "above" if excess.low > 0 else "below" if excess.high < 0 else "not_shown"


def _without_tags(sheet: Sheet, condition: str, found: Sequence[Suggested]) -> Untold | None:
    """The same items under the condition without tags: how often they get the tags' label there."""
    if (other := untold(sheet, condition)) is None:
        return None
    there = {one.item.id: one for one in sheet.columns[other] if one.prediction.status != "error"}
    both = [(one, there[one.outcome.item.id]) for one in found if one.outcome.item.id in there]
    if not both:
        return None
    anyway = [predicted(two) == one.label for one, two in both]
    moved = [one.follows - each for (one, _), each in zip(both, anyway, strict=True)]
    return Untold(
        other,
        float(np.mean(anyway)),
        float(np.mean([predicted(two) == two.item.label for _, two in both])),
        _mean(moved, [one.outcome.item.recording for one, _ in both]),
    )
