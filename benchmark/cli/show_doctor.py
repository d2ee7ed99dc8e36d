"""What the doctor finds, on stdout: lines for a person, one object for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from cpbench.doctor.findings import Finding, State, healthy, plain

if TYPE_CHECKING:
    from rich.console import Console

STYLES: Mapping[State, str] = {"ok": "green", "note": "dim", "missing": "yellow", "broken": "bold red"}


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what was found, by what it is about, and beside what is missing what mends it."""
    if as_json:
        click.echo(json.dumps(plain(list(findings)), ensure_ascii=False, indent=1))
        return
    from rich.table import Table
    from rich.text import Text

    out = _console()
    for about, lines in groupby(findings, key=lambda one: one.about):
        out.print(about, style="bold", markup=False)
        table = Table.grid(padding=(0, 2))
        for one in _folded(list(lines)):
            says = one.says if one.mend is None else f"{one.says}\n→ {one.mend}"
            table.add_row("", Text(one.state, style=STYLES[one.state]), Text(one.name), Text(says))
        out.print(table)
    worst = [one.name for one in findings if one.state == "broken"]
    said = "what every run needs is here" if healthy(list(findings)) else f"broken: {', '.join(worst)}"
    out.print(said, style="bold", markup=False)


def _folded(lines: Sequence[Finding]) -> list[Finding]:
    """The packages that are as they should be in one line: a reader looks for the others."""
    well = [one for one in lines if one.about == "packages" and one.state == "ok" and _version(one)]
    if len(well) < 2:
        return list(lines)
    versions = ", ".join(f"{one.name} {one.says}" for one in well)
    folded = Finding("packages", f"{len(well)} required", "ok", versions)
    first = lines.index(well[0])
    return [*lines[:first], folded, *(one for one in lines[first:] if one not in well)]


def _version(one: Finding) -> bool:
    return one.name != "cpbench" and " " not in one.says


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)
