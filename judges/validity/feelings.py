"""How a label is put into words, and which label is far from it: what probes are made of."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from cpbench.lexicon import concept_of

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


def wordable(label: str) -> bool:
    """Whether a label's feeling is known, so that a probe can word it."""
    return concept_of(label) in _feelings()


def words(label: str, language: Language) -> tuple[str, str]:
    """How a speaker sounds, and the same otherwise put.

    >>> words("anger", "en")
    ('angry', 'furious')
    """
    said = _feelings()[str(concept_of(label))][language]
    return said[0], said[1]


def far(label: str, options: Sequence[str]) -> str:
    """The option furthest from a label in valence and arousal; neutral has no opposite, and is none.

    >>> far("anger", ["anger", "sadness", "happiness", "neutral", "frustration"])
    'happiness'
    """
    others = _others(label, options)
    told = [other for other in others if concept_of(other) != "neutral"] or others
    return max(told, key=lambda other: (_apart(label, other), other))


def near(label: str, options: Sequence[str]) -> str:
    """The option nearest to a label.

    >>> near("anger", ["anger", "sadness", "happiness", "neutral", "frustration"])
    'frustration'
    """
    return min(_others(label, options), key=lambda other: (_apart(label, other), other))


def _others(label: str, options: Sequence[str]) -> list[str]:
    mine = concept_of(label)
    return [option for option in options if wordable(option) and concept_of(option) != mine]


def _apart(a: str, b: str) -> float:
    first, second = (_feelings()[str(concept_of(name))]["place"] for name in (a, b))
    return math.dist(first, second)


@cache
def _feelings() -> dict[str, Any]:
    return tomllib.loads((files("cpbench.judges") / "validity" / "feelings.toml").read_text(encoding="utf-8"))
