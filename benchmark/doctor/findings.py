"""What a machine is found to be: one line each, with what mends it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["ok", "note", "missing", "broken"]
"""In order; a fact that is neither good nor bad, such as a key that is not set; something that a part of cpbench needs
is not here; something that every run needs is not here."""
SCHEMA = "cpbench-doctor-1"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    about: str  # "python", "packages", "device", "programs", "keys", "hub", "data", "disk", "endpoints"
    name: str
    state: State
    says: str
    mend: str | None = None


@dataclass(frozen=True)
class Place:
    """Where the doctor looks."""

    runs: Path = Path("runs")
    data_dirs: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


def examine(place: Place) -> list[Finding]:
    """Look at this machine. Nothing is asked over the network and no value of a key is read out.

    torch, which takes most of the time to import and may be what is broken, is looked at from a process of its own
    while the rest is looked at here.
    """
    from cpbench.doctor import machine, packages, reach

    torch = machine.ask_torch()
    found = [*packages.findings(), *machine.audio(), *machine.programs()]
    found += [*reach.keys(place.environment), *reach.hub(place.environment), *reach.tasks(place.data_dirs)]
    found += machine.disk(place.runs)
    at = next((n for n, one in enumerate(found) if one.about not in ("python", "packages")), len(found))
    return [*found[:at], *machine.device(torch, place.environment), *found[at:]]


def healthy(findings: list[Finding]) -> bool:
    """Whether everything that every run needs is here."""
    return all(one.state != "broken" for one in findings)


def plain(findings: list[Finding]) -> dict[str, Any]:
    """Findings as JSON has them, to be put into a bug report."""
    return {
        "schema": SCHEMA,
        "healthy": healthy(findings),
        "findings": [dataclasses.asdict(one) for one in findings],
    }


def homeless(path: Path | str) -> str:
    """A path without the user's name: their home is "~".

    >>> homeless(Path.home() / "runs")
    '~/runs'
    """
    return str(path).replace(str(Path.home()), "~", 1) if Path.home() != Path("/") else str(path)
