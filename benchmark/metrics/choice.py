"""The lure rate: how often the option is chosen that the words alone suggest, where the voice says another
(VoxParadox).

Low is good: the model went by the voice. An answer that chooses nothing, or another option, did not take the lure.
"""

from __future__ import annotations

from functools import partial

from cpbench.metrics._means import mean, mean_rows
from cpbench.metrics.classification import predicted
from cpbench.parts import Metric
from cpbench.records import Outcome


def has_lure(outcome: Outcome) -> bool:
    """Whether the item has options, and one that only the words suggest."""
    return outcome.item.lure is not None and bool(outcome.item.options)


def took_lure(outcome: Outcome) -> bool:
    """Whether the option that the answer names is the lure."""
    return predicted(outcome) == outcome.item.lure


METRICS = (Metric("lure_rate", partial(mean_rows, took_lure), mean, has_lure, higher_is_better=False),)
