"""What the null baselines share: they hear nothing, and no board counts them as systems."""

from __future__ import annotations

from cpbench.records import ModelCard

BASELINES = ("echo", "empty", "majority", "all-labels")
"""The null baselines: each one's spec."""


def null_card(name: str) -> ModelCard:
    """The card of a null baseline: wants no audio."""
    return ModelCard(name=name, family="null", sampling_rate=None, kind="null")
