"""The listening report on the terminal: a table a task, then what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Entry = Mapping[str, Any]  # one of results/listening.py
HINT = "Does the model listen? --condition all asks the same items without their clips, and says."
BESIDE = ("told", "changed", "followed", "needs")
"""What stands below the verdicts, of the report's lists; the agreements are in results.json."""
MARK = {"above": "*", "below": "*", "cannot_be_shown": "?"}


def show_listening(console: Console, report: Entry | None) -> None:
    """Print the report as results.json has it; None: a run with one condition, and how to get more."""
    if report is None:
        console.print(HINT, style="dim", markup=False)
        return
    for task in dict.fromkeys(gap["task"] for gap in report["gaps"]):
        here = {key: [one for one in value if one["task"] == task] for key, value in report.items() if _is_list(value)}
        console.print(_table(f"Does it listen? {task}", report["main"], here["gaps"]))
        for one in here["verdicts"]:
            console.print(f"{_name(one)}: {one['sentence']}", markup=False)
        for one in (one for key in BESIDE for one in here.get(key, ())):
            console.print(f"{_name(one)}: {one['sentence']}", style="dim", markup=False)
    console.print(_legend(report), style="dim", markup=False)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and "task" in value[0]


def _table(title: str, main: str, gaps: Sequence[Entry]) -> Table:
    """A row a type and metric, a column a condition: its value, and how far the main condition is above it."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("type")
    table.add_column("metric")
    table.add_column(main, justify="right")
    conditions = list(dict.fromkeys(gap["b"] for gap in gaps))
    for condition in conditions:
        table.add_column(condition, justify="right")
    for row in dict.fromkeys((gap["type"], gap["metric"], gap["judge"]) for gap in gaps):
        cells = {gap["b"]: gap for gap in gaps if (gap["type"], gap["metric"], gap["judge"]) == row}
        leaked = " (leaked)" if any(gap["leaked"] for gap in cells.values()) else ""
        first = next(iter(cells.values()))
        by = row[1] if row[2] is None else f"{row[1]}\n{row[2]}"
        table.add_row(
            row[0] + leaked, by, _number(first["value_a"], first), *(_cell(cells.get(each)) for each in conditions)
        )
    return table


def _cell(gap: Entry | None) -> str:
    if gap is None or gap["shown"] == "no_number":
        return "-"
    text = f"{_number(gap['value_b'], gap)}\n{_number(gap['difference'], gap, signed=True)}{MARK.get(gap['shown'], '')}"
    if gap["low"] is not None:
        text += f"\n\\[{_number(gap['low'], gap, signed=True)}, {_number(gap['high'], gap, signed=True)}]"
    return f"{text}\n{gap['lost']} lost" if gap["lost"] else text


def _number(value: float | None, gap: Entry, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    digits = 1 if gap["points"] else 2
    value = round(value, digits) + 0.0  # no negative zero
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def _name(one: Entry) -> str:
    judge = one.get("judge")
    return one["type"] if judge is None else f"{one['type']}, {judge}"


def _legend(report: Entry) -> str:
    main = report["main"]
    said = [
        f"Under each condition: its value, how far {main} is above it, and the 95 % interval of that, clustered by "
        "recording. *: p < 0.05 after Holm over the conditions of a type. ?: too few recordings for any test."
    ]
    said += [f"{each['name']}: {each['meaning']}" for each in report["conditions"] if each["name"] != main]
    said.append("Every difference has its sentence in results.json (listening); docs/listening.md says how to read it.")
    return "\n".join(said)
