"""A comparison on stdout: tables for a person, one object for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import click

from cpbench.comparison.compare import Comparison
from cpbench.comparison.layout import plain
from cpbench.comparison.right import Alone
from cpbench.comparison.standings import Gate, better, points, verdict
from cpbench.records import Difference

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LONGEST = 160
"""Characters of a text that a table shows; --items FILE and --json hold all of it."""


def show_comparison(found: Comparison, gate: Gate | None, *, items: int, as_json: bool) -> None:
    """Print a comparison: the differences, what they mean, ranks, the items one side got right, and the caveats."""
    if as_json:
        click.echo(json.dumps(plain(found, gate), ensure_ascii=False, indent=1, allow_nan=False))
        return
    out = _console()
    for (task, a, b), rows in groupby(_shown(found), key=lambda one: (one.task, one.a, one.b)):
        out.print(_differences(f"{task}: {a} (a) against {b} (b)", list(rows), found))
    out.print(
        "Differences are a minus b in points of 100, on the items that both answered; in brackets the 95 % interval, "
        "clustered by recording. p: two-sided, corrected for the pairs of systems.",
        style="dim",
        markup=False,
    )
    if found.ranks:
        out.print(_ranks(found))
        out.print("A rank holds every place that no significant difference excludes.", style="dim", markup=False)
    _show_items(out, found, items)
    for absent in found.absent:
        if absent.about.slice == "all":
            about = absent.about
            out.print(f"no {absent.metric} on {about.task} for {about.a} and {about.b}: {absent.why}", markup=False)
    for note in found.notes:
        out.print(f"! {note}", style="yellow", markup=False)
    if gate is not None:
        first, last = found.systems[0].name, found.systems[-1].name
        main = "; ".join(f"{task}: {metric}" for task, (metric, _) in found.main.items())
        out.print(f"gate, {last} against {first} ({main}): {gate.outcome}", style="bold", markup=False)
        for reason in gate.reasons:
            out.print(f"  {reason}", markup=False)


def _shown(found: Comparison) -> Iterator[Difference]:
    """All metrics over all items, and the main one by type; the other types are in --json."""
    order = {name: at for at, name in enumerate(found.main)}
    every = sorted(found.differences, key=lambda one: (order.get(one.task, 0), one.a, one.b))
    for one in every:
        if one.slice == "all" or one.metric == found.main.get(one.task, ("", None))[0]:
            yield one


def _differences(title: str, rows: list[Difference], found: Comparison) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("metric", "type"):
        table.add_column(name)
    for name in ("items", "recordings", "a", "b", "a - b", "p"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for one in rows:
        by = "" if one.judge_id is None else f"\n{found.judges[one.judge_id]}"
        lost = f"\n{one.n_lost} lost" if one.n_lost else ""
        p = one.p if one.p_holm is None else one.p_holm
        style = {"a": "green", "b": "magenta", None: None}[better(one)]
        table.add_row(
            one.metric + by,
            one.slice + (" (leaked)" if one.leaked else ""),
            f"{one.estimate.n}{lost}",
            str(one.estimate.clusters),
            f"{points(one.value_a, one.metric):.1f}",
            f"{points(one.value_b, one.metric):.1f}",
            _interval(one),
            "-" if p is None else "<.001" if p < 0.001 else f"{p:.3f}",
            verdict(one, found.pairs(one)),
            style=style,
        )
    return table


def _interval(one: Difference) -> str:
    estimate = one.estimate
    text = f"{points(estimate.value, one.metric):+.1f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text}\n\\[{points(estimate.low, one.metric):+.1f}, {points(estimate.high, one.metric):+.1f}]"


def _ranks(found: Comparison) -> Table:
    """Each system's rank as an interval, in each task's main metric."""
    from rich.table import Table

    table = Table(title="ranks", title_justify="left", title_style="bold")
    table.add_column("system")
    cells: dict[tuple[str, str], str] = {}
    for one in found.ranks:
        metric, judge_id = found.main.get(one.task, ("", None))
        if one.slice == "all" and one.metric == metric and judge_id in (None, one.judge_id):
            cells[one.system, one.task] = str(one.best) if one.best == one.worst else f"{one.best} to {one.worst}"
    tasks = [task for task in found.main if any(each == task for _, each in cells)]
    for task in tasks:
        table.add_column(f"{task}\n{found.main[task][0]}", justify="right")
    for system in found.systems:
        table.add_row(system.name, *(cells.get((system.name, task), "-") for task in tasks))
    return table


def _show_items(out: Console, found: Comparison, count: int) -> None:
    for one in found.tables:
        if one.slice == "all":
            n = one.both + one.only_a + one.only_b + one.neither
            out.print(
                f"{one.task}: of {n} items {one.both} are right in both, {one.only_a} only in {one.a}, "
                f"{one.only_b} only in {one.b}, {one.neither} in neither",
                markup=False,
            )
    sides: dict[tuple[str, str, str], list[Alone]] = {}
    for item in found.alone:
        sides.setdefault((item.task, item.right, item.wrong), []).append(item)
    for (task, right, wrong), items in sides.items():
        if count:
            out.print(_items(f"{task}: right in {right} only, not in {wrong} ({len(items)})", items[:count]))


def _items(title: str, items: list[Alone]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="dim", show_lines=True)
    for name in ("item", "type", "by", "question", "reference", "right", "wrong"):
        table.add_column(name, overflow="fold")
    for one in items:
        texts = (one.question, one.reference, one.answer_right, one.answer_wrong)
        words = [Text(_short("(not shown: rights)" if text is None else text)) for text in texts]
        table.add_row(Text(one.item_id), one.type or "-", one.basis, *words)
    return table


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=180)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
