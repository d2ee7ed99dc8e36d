"""The two aggregates of a judge's scores, 0 to 100. They are never to be compared with each other.

`judge_score` is the mean over items; `judge_score_uas` the unweighted mean over question types. An item that the judge
could not score is missing: its row is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.errors import UserError
from cpbench.metrics._means import mean, mean_rows
from cpbench.parts import Metric
from cpbench.records import Outcome

Array = npt.NDArray[np.floating[Any]]


def score(outcome: Outcome) -> float:
    """The mean of the outcome's judgements, 0 to 100; NaN where there is none, or nothing to judge."""
    if outcome.prediction.status == "error" or outcome.score is None:
        return float("nan")
    return outcome.score


def type_rows(outcomes: Sequence[Outcome]) -> Array:
    """Return rows (N, 2 T) for the T types of the outcomes: the score in its type's column, and one in its count's.

    Raises UserError for fewer than two types: then it would be `judge_score` by another name.
    """
    types = sorted({str(outcome.item.type) for outcome in outcomes})
    if len(types) < 2:
        raise UserError("a mean over question types needs items of two types or more")
    rows = np.zeros((len(outcomes), 2, len(types)))
    for row, outcome in zip(rows, outcomes, strict=True):
        row[:, types.index(str(outcome.item.type))] = score(outcome), 1
        if np.isnan(row).any():
            row[:] = np.nan
    return rows.reshape(len(outcomes), -1)


def type_mean(sums: Array) -> Array:
    """The unweighted mean over the types that have scores, of sums (..., 2 T)."""
    total, count = np.moveaxis(sums.reshape(*sums.shape[:-1], 2, -1), -2, 0)
    averaged: Array = (total / np.where(count > 0, count, 1)).sum(axis=-1) / (count > 0).sum(axis=-1)
    return averaged


METRICS = (
    Metric("judge_score", partial(mean_rows, score), mean, lambda outcome: True, judged=True, bounds=(0.0, 100.0)),
    Metric(
        "judge_score_uas",
        type_rows,
        type_mean,
        lambda outcome: outcome.item.type is not None,
        judged=True,
        bounds=(0.0, 100.0),
    ),
)
