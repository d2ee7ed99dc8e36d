"""Metrics of a label read from the answer: accuracy, balanced accuracy (UAR), macro and weighted F1, the unextractable.

An answer that was refused, cut off or empty, and one from which no label can be read, is wrong: it counts against the
class of its reference and for no other. The classes are the labels that occur among the references of the slice,
whatever the models say, so that two models are measured on the same list. Values are those of sklearn's
`accuracy_score`, `balanced_accuracy_score` and `f1_score(labels=classes, average=...)` with the unreadable as one more
predicted class.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cpbench import labels
from cpbench.errors import UserError
from cpbench.metrics._means import mean, mean_rows
from cpbench.parts import Metric
from cpbench.records import Outcome

Array = npt.NDArray[np.floating[Any]]


def predicted(outcome: Outcome) -> str | None:
    """Return the one of the item's options that the answer names; None if there is none, or the status is not `ok`."""
    if outcome.prediction.status != "ok":
        return None
    return _extracted(outcome.prediction.answer, outcome.item.options)


@lru_cache(maxsize=1 << 17)  # every metric and slice asks again
def _extracted(answer: str, options: tuple[str, ...]) -> str | None:
    return labels.extract_label(answer, options)


def labelled(outcome: Outcome) -> bool:
    """Whether the item has a label and the options that it is one of."""
    return outcome.item.label is not None and bool(outcome.item.options)


def class_rows(outcomes: Sequence[Outcome]) -> Array:
    """Return rows (N, 3 K) of counts for K classes: is its reference, is predicted, is both; NaN where the model
    failed.

    Raises UserError where the outcomes' options are not one set of labels: a mean over emotions and genders means
    nothing.
    """
    if len(sets := {frozenset(options) for options in {outcome.item.options for outcome in outcomes}}) > 1:
        raise UserError(f"the items have {len(sets)} different sets of labels, and a mean over classes needs one")
    truth = [str(outcome.item.label) for outcome in outcomes]
    said = [predicted(outcome) for outcome in outcomes]
    classes: dict[str | None, int] = {label: at for at, label in enumerate(sorted(set(truth)))}
    is_reference, is_predicted = (
        np.array([classes.get(label, -1) for label in column])[:, None] == np.arange(len(classes))
        for column in (truth, said)
    )
    rows = np.concatenate([is_reference, is_predicted, is_reference & is_predicted], axis=1).astype(float)
    rows[[outcome.prediction.status == "error" for outcome in outcomes]] = np.nan
    return rows


def balanced_accuracy(sums: Array) -> Array:
    """The mean recall over the classes that have items, of sums (..., 3 K)."""
    support, _, both = _split(sums)
    return _over_classes(both / np.where(support > 0, support, 1), support > 0)


def macro_f1(sums: Array) -> Array:
    """The mean F1 over the classes that have items, of sums (..., 3 K)."""
    support, named, both = _split(sums)
    return _over_classes(_f1(support, named, both), support > 0)


def weighted_f1(sums: Array) -> Array:
    """The mean F1 over the classes, each by its number of items, of sums (..., 3 K)."""
    support, named, both = _split(sums)
    return _over_classes(_f1(support, named, both), support)


def _split(sums: Array) -> tuple[Array, Array, Array]:
    support, named, both = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    return support, named, both


def _f1(support: Array, named: Array, both: Array) -> Array:
    total = support + named
    f1: Array = 2 * both / np.where(total > 0, total, 1)
    return f1


def _over_classes(values: Array, weights: npt.NDArray[Any]) -> Array:
    averaged: Array = (values * weights).sum(axis=-1) / weights.sum(axis=-1)
    return averaged


def _is_right(outcome: Outcome) -> bool:
    return predicted(outcome) == outcome.item.label


def _is_unread(outcome: Outcome) -> bool:
    return predicted(outcome) is None


METRICS = (
    Metric("accuracy", partial(mean_rows, _is_right), mean, labelled),
    Metric("balanced_accuracy", class_rows, balanced_accuracy, labelled),
    Metric("macro_f1", class_rows, macro_f1, labelled),
    Metric("weighted_f1", class_rows, weighted_f1, labelled),
    Metric("unextractable", partial(mean_rows, _is_unread), mean, labelled, higher_is_better=False),
)
