"""The mean over items, which most metrics are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench.records import Outcome

Array = npt.NDArray[np.floating[Any]]


def mean_rows(number: Callable[[Outcome], float], outcomes: Sequence[Outcome]) -> Array:
    """Return rows (N, 2): each outcome's number, and one; NaN where the model failed or the number is none."""
    numbers = [np.nan if outcome.prediction.status == "error" else number(outcome) for outcome in outcomes]
    rows = np.ones((len(outcomes), 2))
    rows[:, 0] = numbers
    rows[np.isnan(rows[:, 0])] = np.nan
    return rows


def mean(sums: Array) -> Array:
    """The mean, of sums (..., 2)."""
    averaged: Array = sums[..., 0] / sums[..., 1]
    return averaged
