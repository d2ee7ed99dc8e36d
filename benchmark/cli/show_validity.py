"""A validation on stdout: the verdict first, then what it rests on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpbench.judges.validity import schema

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLE = {"PASS": "green", "FAIL": "red", "INSUFFICIENT": "yellow", None: ""}


def show_validity(found: schema.Validity, page: Path, *, as_json: bool) -> None:
    """Print the verdict, its criteria, the judge on each slice, the systems, the probes, and the notes."""
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False))
        return
    out = _console()
    _head(out, found)
    out.print(_criteria(found))
    slices = [found["overall"], *found["by_type"], *found["by_language"], *found["by_system"]]
    out.print(_slices(slices))
    out.print(_ranks(found["ranks"]))
    out.print(_probes(found["probes"]))
    _rest(out, found)
    for note in (*found["pack"]["warnings"], *found["notes"]):
        out.print(f"! {note}", style="yellow", markup=False)
    out.print(f"{page}", style="dim", markup=False, soft_wrap=True)


def number(one: schema.Number | None, digits: int = 3) -> str:
    """A number with its interval."""
    if one is None:
        return "-"
    said = f"{one['value']:.{digits}f}"
    if one["low"] is None or one["high"] is None:
        return said
    return f"{said} [{one['low']:.{digits}f}, {one['high']:.{digits}f}]"


def _head(out: Console, found: schema.Validity) -> None:
    judge, pack = found["judge"], found["pack"]
    simulated = " (simulated, no LLM)" if judge["simulated"] else ""
    out.print(f"{judge['name']}{simulated}: {found['verdict']}", style=f"bold {STYLE[found['verdict']]}", markup=False)
    covers = f"{', '.join(found['covers']['types'])}; {', '.join(found['covers']['languages'])}"
    out.print(
        f"measured on {covers}, {found['covers']['scale']}; {pack['part']} part of pack {pack['pack_id'][:12]}: "
        f"{pack['items']} items, {pack['recordings']} recordings, {pack['systems']} systems of {pack['families']} "
        f"families, {pack['answers']} answers",
        markup=False,
    )
    if found["looks"]:
        out.print(f"look number {found['looks']} at this gate; the card says: {judge['card']}", markup=False)


def _criteria(found: schema.Validity) -> Table:
    table = _table("criteria", "criterion", "verdict", "why", "what would decide")
    for one in found["criteria"]:
        style = STYLE[one["outcome"]]
        table.add_row(*_plain(one["name"], one["outcome"], one["reason"], one["needs"] or ""), style=style)
    return table


def _slices(slices: Sequence[schema.Accuracy]) -> Table:
    table = _table("the judge as a test", "on", "sensitivity", "specificity", "balanced accuracy", "bias", "verdict")
    for one in slices:
        numbers = (number(one[key]) for key in ("sensitivity", "specificity", "balanced_accuracy", "bias"))
        table.add_row(*_plain(one["name"], *numbers, one["verdict"] or ""))
    return table


def _ranks(ranks: Sequence[schema.Rank]) -> Table:
    table = _table("systems ranked", "against", "statistic", "value", "p", "over items", "over items and systems")
    for one in ranks:
        value, p = "-" if one["value"] is None else f"{one['value']:.3f}", _chance(one["p"])
        ends = (_between(one[key]) for key in ("over_items", "over_items_and_systems"))
        table.add_row(*_plain(one["target"], one["statistic"], value, p, *ends))
    return table


def _chance(p: float | None) -> str:
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _between(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _probes(results: Sequence[schema.ProbeResult]) -> Table:
    table = _table("probes", "kind", "expected", "n", "failures", "at most", "mean score", "verdict")
    for one in results:
        failures, upper = one["failures"], one["upper"]
        cells = (
            str(one["n"]),
            "-" if failures is None else str(failures),
            "-" if upper is None else f"{upper:.3f}",
            number(one["mean"], 1),
        )
        row = _plain(one["kind"], one["expects"], *cells, one["verdict"] or "")
        table.add_row(*row, style=STYLE[one["verdict"]] if one["verdict"] != "PASS" else "")
    return table


def _rest(out: Console, found: schema.Validity) -> None:
    for name in ("auc", "kappa", "phi"):
        out.print(f"{name} {number(found[name])}", markup=False)
    if (rising := found["rising"]) is not None:
        shares = ", ".join(
            f"{at:g}: {one['value']:.2f}" for at, one in zip(rising["scores"], rising["shares"], strict=True)
        )
        out.print(f"P(correct | score) {rising['verdict']}: {shares}", markup=False)
    if (noise := found["repeats"]) is not None:
        said = f"flips {number(noise['flips'])}, SD {noise['sd']:.1f} points, alpha {number(noise['alpha'])}"
        out.print(f"{noise['items']} answers judged {noise['repeats']} times: {said}", markup=False)
    if found["same_family"] is not None:
        out.print(f"bias for its own family {number(found['same_family'])}", markup=False)
    for truth, one in found["length"].items():
        out.print(f"{truth} answers, longer half accepted more often by {number(one)}", markup=False)
    if (people := found["humans"]) is not None:
        for name, between in (("judge and humans", people["judge"]), ("humans among each other", people["among"])):
            if between is not None:
                said = f"quadratic kappa {number(between['quadratic_kappa'])}, alpha {number(between['alpha'])}"
                out.print(f"{name}: {said}, AC2 {number(between['ac2'])} ({between['labels']} labels)", markup=False)
    if (baseline := found["baseline"]) is not None:
        out.print(f"baseline {baseline['name']}: {baseline['verdict']}", markup=False)
        for pair in baseline["paired"]:
            out.print(f"  {pair['metric']}: {number(pair['difference'])} on the same answers", markup=False)


def _plain(*words: str) -> tuple[str, ...]:
    from rich.markup import escape

    return tuple(escape(word) for word in words)


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=170)
