"""The judge as a diagnostic test: sensitivity, specificity, bias, and whether a higher score is more often right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpbench.judges.validity import schema
from cpbench.judges.validity.table import (
    RIGHT,
    UNREAD,
    WRONG,
    Array,
    Bools,
    Table,
    Value,
    as_number,
    exact_interval,
    mean,
)
from cpbench.stats import cluster_interval
from cpbench.stats.diagnostic import auc as area
from cpbench.stats.monotone import rising as rises

MOST_SCORES = 12  # different ones; above, they are rounded to tens: a jury's means, expected scores


def accuracy(table: Table, where: Bools, name: str) -> schema.Accuracy:
    """The judge on a slice of the answers; `verdict` is left to the verdict."""
    told = where & table.scored & (table.truth != UNREAD)
    right, wrong = told & (table.truth == RIGHT), told & (table.truth == WRONG)
    return {
        "name": name,
        "counts": counts(table, where),
        "sensitivity": table.share(table.accepted, right),
        "specificity": table.share(~table.accepted, wrong),
        "balanced_accuracy": _balanced(table, told),
        "bias": bias(table, told),
        "verdict": None,
    }


def counts(table: Table, where: Bools) -> schema.Counts:
    """The confusion matrix with its three truths."""

    def of(truth: int, accepted: bool) -> int:
        return int((where & table.scored & (table.truth == truth) & (table.accepted == accepted)).sum())

    return {
        "right_accepted": of(RIGHT, True),
        "right_rejected": of(RIGHT, False),
        "wrong_accepted": of(WRONG, True),
        "wrong_rejected": of(WRONG, False),
        "unextractable_accepted": of(UNREAD, True),
        "unextractable_rejected": of(UNREAD, False),
        "missing": int((where & ~table.scored).sum()),
    }


def confusion_rows(table: Table, where: Bools) -> Array:
    """Rows (n, 4): right and accepted, right, wrong and rejected, wrong."""
    right, accepted = table.truth[where] == RIGHT, table.accepted[where]
    return np.stack([right & accepted, right, ~right & ~accepted, ~right], axis=1).astype(float)


def sensitivity(sums: Array) -> Array:
    found: Array = sums[..., 0] / sums[..., 1]
    return found


def specificity(sums: Array) -> Array:
    found: Array = sums[..., 2] / sums[..., 3]
    return found


def balanced_accuracy(sums: Array) -> Array:
    """Of summed confusion rows (..., 4)."""
    found: Array = (sensitivity(sums) + specificity(sums)) / 2
    return found


def both(table: Table, where: Bools) -> bool:
    """Whether there are right and wrong answers."""
    return bool((table.truth[where] == RIGHT).any() and (table.truth[where] == WRONG).any())


def _balanced(table: Table, told: Bools) -> schema.Number | None:
    if not both(table, told):
        return None
    rows = confusion_rows(table, told)
    found = table.number(rows, balanced_accuracy, told)
    hits, of, rejected, wrong = (int(each) for each in rows.sum(axis=0))
    if hits not in (0, of) or rejected not in (0, wrong):
        return found
    ends = [exact_interval(hits, of), exact_interval(rejected, wrong)]
    low, high = (sum(end[side] for end in ends) / 2 for side in ("low", "high"))
    return {**found, "low": low, "high": high, "method": ends[0]["method"]}


def bias(table: Table, told: Bools) -> schema.Number | None:
    """The share accepted minus the share right."""
    if not told.any():
        return None
    apart = table.accepted[told].astype(float) - (table.truth[told] == RIGHT)
    rows = np.stack([apart, np.ones(len(apart))], axis=1)
    return table.number(rows, mean, told, bounds=(-1.0, 1.0))


def auc(table: Table) -> schema.Number | None:
    told = table.told
    if not both(table, told):
        return None
    value, influence = area(table.score[told], table.truth[told] == RIGHT)
    return as_number(cluster_interval(value, influence, *table.ids(told)), (0.0, 1.0))


def kappa(table: Table) -> schema.Number | None:
    """Cohen's, of accepted with right."""
    return _of_two(table, _kappa)


def phi(table: Table) -> schema.Number | None:
    """On binary data Pearson, Spearman, tau-b and Matthews' correlation are this one number."""
    return _of_two(table, _phi)


def _of_two(table: Table, value: Value) -> schema.Number | None:
    told = table.told
    accepted, right = table.accepted[told], table.truth[told] == RIGHT
    if not both(table, told) or accepted.all() or not accepted.any():
        return None
    rows = np.stack([accepted & right, accepted, right, np.ones(len(right))], axis=1).astype(float)
    return table.number(rows, value, told, bounds=(-1.0, 1.0))


def _kappa(sums: Array) -> Array:
    together, accepted, right, n = (sums[..., at] / sums[..., 3] for at in range(4))
    observed = together + (1 - accepted - right + together)
    expected = accepted * right + (1 - accepted) * (1 - right)
    found: Array = (observed - expected) / (n - expected)
    return found


def _phi(sums: Array) -> Array:
    together, accepted, right, _ = (sums[..., at] / sums[..., 3] for at in range(4))
    found: Array = (together - accepted * right) / np.sqrt(accepted * (1 - accepted) * right * (1 - right))
    return found


def rising(table: Table) -> schema.Rising | None:
    """P(correct | score), whether it rises; None where the judge has one score for everything."""
    told = table.told
    score = table.score[told]
    if len(np.unique(score)) > MOST_SCORES:
        score = np.round(score / 10) * 10
    if len(np.unique(score)) < 2:
        return None
    found = rises(score, (table.truth[told] == RIGHT).astype(float), _sequence(table, told))
    return {
        "verdict": found.verdict,
        "scores": list(found.scores),
        "shares": [as_number(share, (0.0, 1.0)) for share in found.shares],
        "falls": [(step.below, step.above) for step in found.falls],
    }


def _sequence(table: Table, where: Bools) -> Sequence[object]:
    recordings: Sequence[object] = table.recording[where].tolist()
    return recordings


def slices(table: Table, labels: np.ndarray[tuple[int], np.dtype[np.str_]]) -> list[schema.Accuracy]:
    """The judge on each value of a column, over counted systems."""
    return [accuracy(table, table.counted & (labels == name), str(name)) for name in sorted(set(labels.tolist()))]
