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
    from rich.table import Table

    from cpbench.doctor.agreement import Parity, Parting

STYLES: Mapping[State, str] = {"ok": "green", "note": "dim", "missing": "yellow", "broken": "bold red"}

BEFORE, AFTER = 80, 160
"""Characters of an answer that are shown before and after the place where it parts from the other."""


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


def show_parity(found: Parity, *, shown: int, as_json: bool) -> None:
    """Print how far two backends agree, by how much their scores differ, where their answers part, and what follows."""
    if as_json:
        from cpbench.doctor.layout import plain as layout

        click.echo(json.dumps(layout(found), ensure_ascii=False, indent=1, allow_nan=False))
        return
    from rich.text import Text

    out = _console()
    for one in found.sides:
        rate = "" if not one.seconds else f", {one.asked / one.seconds:.1f} items a second"
        counts = ", ".join(f"{count} {status}" for status, count in sorted(one.statuses.items()))
        out.print(Text(f"{one.name}: {counts}{rate}"))
    if found.both:
        out.print(_agreement(found))
    if found.differences:
        out.print(_scores(found))
    for absent in found.absent:
        if absent.about.slice == "all":
            out.print(Text(f"no {absent.metric} on {absent.about.task}: {absent.why}"))
    if found.partings:
        out.print(
            Text(f"{len(found.partings)} answers differ; in the median their first {found.early:g} words are the same")
        )
    for parting in found.partings[:shown]:
        out.print(_parted(parting))
    if max(found.failed):
        out.print(
            Text(f"failed: {found.failed[0]} items in A, {found.failed[1]} in B; counted, and not scored", "yellow")
        )
    out.print(Text(f"verdict: {found.verdict} (margin: {found.margin:g} points)", "bold"))
    for reason in found.reasons:
        out.print(Text(f"  {reason}"))


def _agreement(found: Parity) -> Table:
    from rich.table import Table

    table = Table(title=f"agreement ({found.condition})", title_justify="left", title_style="bold")
    for name in ("of the answers", "share [95 %]", "items", "recordings"):
        table.add_column(name, justify="left" if name == "of the answers" else "right")
    unread = f"\nfrom {found.unread} of both none is read" if found.unread else ""
    rows = {
        "are the same, character by character": found.same,
        "are the same but for case, punctuation and blanks": found.alike,
        f"name the same label{unread}": found.same_label,
    }
    for what, share in rows.items():
        if share is not None:
            ends = "" if share.low is None else f" \\[{share.low:.3f}, {share.high:.3f}]"
            table.add_row(what, f"{share.value:.3f}{ends}", str(share.n), str(share.clusters))
    if found.tokens is not None:
        counts = f"A {found.tokens.median_a:g}, B {found.tokens.median_b:g} in the median"
        table.add_row(
            f"come after prompts of as many tokens\n({counts})",
            f"{found.tokens.equal:.3f}",
            str(found.tokens.items),
            "",
        )
    return table


def _scores(found: Parity) -> Table:
    from rich.table import Table

    from cpbench.comparison.standings import points

    table = Table(title="scores, in points of 100", title_justify="left", title_style="bold")
    table.add_column("task, metric")
    for name in ("items", "recordings", "A", "B", "A - B [95 %]", "p"):
        table.add_column(name, justify="right")
    deciding = {(one.task, one.metric) for one in found.standings}
    for one in found.differences:
        if one.slice != "all":
            continue
        estimate = one.estimate
        value, a, b = (points(each, one.metric) for each in (estimate.value, one.value_a, one.value_b))
        low, high = (None if end is None else points(end, one.metric) for end in (estimate.low, estimate.high))
        ends = "" if low is None else f" \\[{low:+.1f}, {high:+.1f}]"
        style = "bold" if (one.task, one.metric) in deciding else None
        lost = f" ({one.n_lost} lost)" if one.n_lost else ""
        p = "-" if one.p is None else f"{one.p:.3f}"
        words = (f"{one.task}, {one.metric}", f"{estimate.n}{lost}", str(estimate.clusters), f"{a:.1f}", f"{b:.1f}")
        table.add_row(*words, f"{value:+.1f}{ends}", p, style=style)
    return table


def _parted(one: Parting) -> Table:
    """Two answers side by side, with a mark where they part."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"{one.task}/{one.item_id}: the first {one.words} words are the same",
        title_justify="left",
        title_style="dim",
    )
    for name in ("A", "B"):
        table.add_column(name, overflow="fold", ratio=1)
    cells = []
    for answer in (one.a, one.b):
        if answer is None:
            cells.append(Text("(not shown: rights)", "dim"))
            continue
        start = max(0, one.characters - BEFORE)
        cell = Text(("…" if start else "") + answer[start : one.characters] + "▸")
        cell.append(
            answer[one.characters : one.characters + AFTER] + ("…" if len(answer) > one.characters + AFTER else ""),
            "bold",
        )
        cells.append(cell)
    table.add_row(*cells)
    return table


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
