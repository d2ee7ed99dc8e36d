"""A parity as plain JSON values: what `cpbench doctor --parity --json` prints."""

from __future__ import annotations

import dataclasses
from typing import Any

from cpbench.comparison.layout import difference
from cpbench.doctor.agreement import Asked, Parity

SCHEMA = "cpbench-parity-1"


def plain(found: Parity) -> dict[str, Any]:
    """Return a parity as JSON has it; its keys are told in docs/cluster.md. Values are in the metrics' own units."""
    shares = {name: getattr(found, name) for name in ("same", "alike", "same_label")}
    return {
        "schema": SCHEMA,
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "margin": found.margin,
        "condition": found.condition,
        "items": found.items,
        "both": found.both,
        "sides": {name: _side(one) for name, one in zip("AB", found.sides, strict=True)},
        "agreement": {name: one and dataclasses.asdict(one) for name, one in shares.items()},
        "unread": found.unread,
        "tokens": found.tokens and dataclasses.asdict(found.tokens),
        "differences": [difference(one) for one in found.differences],
        "absent": [{**dataclasses.asdict(one.about), "metric": one.metric, "why": one.why} for one in found.absent],
        "standings": [dataclasses.asdict(one) for one in found.standings],
        "partings": [dataclasses.asdict(one) for one in found.partings],
    }


def _side(one: Asked) -> dict[str, Any]:
    return {
        "name": one.name,
        "model": one.card.name,
        "family": one.card.family,
        "revision": one.card.revision,
        "details": dict(one.card.details),
        "statuses": one.statuses,
        "hearing_check": one.hearing and dataclasses.asdict(one.hearing),
        "asked": one.asked,
        "seconds": one.seconds,
        "audio_seconds_heard": sum(each.audio_seconds_heard for each in one.answers),
    }
