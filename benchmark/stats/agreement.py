"""Agreement between raters: kappa of two, and AC1, AC2 and alpha of any number with ratings missing.

Ratings of many raters are one array (raters, items), NaN where a rater gave none. Weights say how much two categories
agree: `identity` (nominal) 1 or 0, `linear` and `quadratic` by their distance on the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Weights = Literal["identity", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]


def cohen_kappa(
    a: Sequence[object], b: Sequence[object], *, weights: Weights = "identity", scale: Sequence[object] | None = None
) -> float | None:
    """Return Cohen's kappa of two raters over the same items; weighted (Cohen 1968) for an ordered scale.

    `scale`: the categories in order; None: those that occur, sorted. None where chance alone would agree fully (both
    raters always say the same one thing). Raises ValueError for no items, unequal lengths, or a rating off the scale.

    >>> round(cohen_kappa([1, 2, 3, 3], [1, 2, 3, 2]), 4)
    0.6364
    """
    if len(a) != len(b) or not len(a):
        raise ValueError(f"{len(a)} and {len(b)} ratings")
    known = sorted({*a, *b}) if scale is None else list(scale)  # type: ignore[type-var]
    place = {category: at for at, category in enumerate(known)}
    if strange := {*a, *b} - place.keys():
        raise ValueError(f"{next(iter(strange))!r} is not on the scale {known}")
    table = np.zeros((len(known), len(known)))
    np.add.at(table, ([place[one] for one in a], [place[one] for one in b]), 1 / len(a))
    distance = 1 - agreement_weights(len(known), weights)
    expected = float((np.outer(table.sum(1), table.sum(0)) * distance).sum())
    return None if expected == 0 else 1 - float((table * distance).sum()) / expected


def gwet_ac(ratings: Array, *, weights: Weights = "identity", scale: Sequence[float] | None = None) -> float | None:
    """Return Gwet's AC1 (identity weights) or AC2 of ratings (raters, items); None where no item has two ratings.

    Stable where nearly all ratings are one category, unlike kappa and alpha. Source: Gwet, Handbook of Inter-Rater
    Reliability (2014), with missing ratings as in chapter 5.
    """
    counts, known = _counts(ratings, scale)
    given = counts.sum(axis=1)
    several = given >= 2
    if not several.any():
        return None
    table, r = counts[several], given[several]
    similar = agreement_weights(len(known), weights)
    observed = float(((table * (table @ similar - 1)).sum(axis=1) / (r * (r - 1))).mean())
    if len(known) == 1:
        return 1.0
    share = (counts[given > 0] / given[given > 0][:, None]).mean(axis=0)
    chance = float(similar.sum() / (len(known) * (len(known) - 1)) * (share * (1 - share)).sum())
    return (observed - chance) / (1 - chance)


def krippendorff_alpha(ratings: Array, *, level: Level = "interval") -> float | None:
    """Return Krippendorff's alpha of ratings (raters, items); None where it has no value.

    That is where no item has two ratings, and where only one value occurs: then nothing shows that the raters could
    have disagreed. Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).
    """
    counts, values = _counts(ratings, None)
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return None
    coincidences = np.einsum("uc,uk,u->ck", counts, counts, 1 / (counts.sum(axis=1) - 1))
    coincidences -= np.diag((counts / (counts.sum(axis=1) - 1)[:, None]).sum(axis=0))
    totals = coincidences.sum(axis=1)
    distance = _distance(values, totals, level)
    expected = float((np.outer(totals, totals) * distance).sum()) / (totals.sum() - 1)
    return None if expected == 0 else 1 - float((coincidences * distance).sum()) / expected


def agreement_weights(categories: int, weights: Weights) -> Array:
    """Return how much each pair of ordered categories agrees: (categories, categories), 1 on the diagonal.

    >>> agreement_weights(3, "quadratic").tolist()
    [[1.0, 0.75, 0.0], [0.75, 1.0, 0.75], [0.0, 0.75, 1.0]]
    """
    steps = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories))).astype(float)
    furthest = max(categories - 1, 1)
    if weights == "identity":
        agree: Array = (steps == 0).astype(float)
    elif weights == "linear":
        agree = 1 - steps / furthest
    else:
        agree = 1 - (steps / furthest) ** 2
    return agree


def _counts(ratings: Array, scale: Sequence[float] | None) -> tuple[Array, Array]:
    """How often each category was given to each item, (items, categories), and the categories."""
    ratings = np.asarray(ratings, dtype=float)
    if ratings.ndim != 2:
        raise ValueError(f"ratings should be (raters, items), and are {ratings.shape}")
    given = np.unique(ratings[~np.isnan(ratings)])
    known = given if scale is None else np.asarray(scale, dtype=float)
    if strange := sorted({*given.tolist()} - {*known.tolist()}):
        raise ValueError(f"{strange[0]} is not on the scale {known.tolist()}")
    counts: Array = (ratings[:, :, None] == known).sum(axis=0).astype(float)
    return counts, known


def _distance(values: Array, totals: Array, level: Level) -> Array:
    """Krippendorff's squared metric of differences between the values."""
    if level == "nominal":
        apart: Array = 1 - np.eye(len(values))
    elif level == "interval":
        apart = np.subtract.outer(values, values) ** 2
    else:
        below = np.cumsum(totals) - totals / 2  # the ranks' middles: half of each end counts
        apart = np.subtract.outer(below, below) ** 2
    return apart
