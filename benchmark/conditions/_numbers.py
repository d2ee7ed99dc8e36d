"""Numbers in a condition's argument."""

from __future__ import annotations

import re

from cpbench.errors import UsageError


def number(name: str, text: str, *, lowest: float, highest: float, unit: str = "", example: str) -> float:
    """Read "10db" where `unit` is "db", "1.1" where there is none. Raises UsageError with an example."""
    found = re.fullmatch(rf"(-?(?:\d+(?:\.\d*)?|\.\d+)){unit}", text.lower())
    if found is None or not lowest <= float(found[1]) <= highest:
        span = f"{lowest:g} to {highest:g}"
        what = f"{name} takes a number from {span}{f', with {unit} after it' if unit else ''}, and not"
        raise UsageError(what, value=text, mend=f"--condition {example}")
    return float(found[1])


def decibels(name: str, text: str, *, lowest: float, highest: float, example: str) -> float:
    """Read "-12db". Raises UsageError with an example."""
    return number(name, text, lowest=lowest, highest=highest, unit="db", example=example)
