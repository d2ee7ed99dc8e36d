"""The listening report on the terminal: a table a task, then what its numbers mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Entry = Mapping[str, Any]  # one of results/listening.py
HINT = "Does the model listen? --condition all asks the same items without their clips, and says."
BESIDE = ("changed", "followed")
"""What stands below the verdicts, of the report's lists; the rest is in the table, or in results.json."""
TITLES = {
    "Does it listen": frozenset({"other", "silent", "words", "part"}),
    "With the clip or the question changed": frozenset({"changed", "plain", "told"}),
}
"""The tables, and which kinds of condition stand in them."""
MARK = {"above": "*", "below": "*", "cannot_be_shown": "?"}


def show_listening(console: Console, report: Entry | None) -> None:
    """Print the report as results.json has it; None: a run with one condition, and how to get more."""
    if report is None:
        console.print(HINT, style="dim", markup=False)
        return
    for task in dict.fromkeys(one["task"] for one in report["agreements"]):
        here = {key: [one for one in value if one["task"] == task] for key, value in report.items() if _is_list(value)}
        for table in _tables(task, here):
            console.print(table)
        _print(console, here["verdicts"] if here.get("gaps") else ())
        for key in BESIDE:
            _print(console, here.get(key, ()), style="dim")
    console.print(_legend(report), style="dim", markup=False)


def _tables(task: str, here: Mapping[str, Sequence[Entry]]) -> Iterator[Table]:
    """Without the clip or a part of it; with the clip or the question changed; with tags."""
    for title, kinds in TITLES.items():
        gaps = [gap for gap in here.get("gaps", ()) if gap["kind"] in kinds]
        for first in dict.fromkeys(gap["a"] for gap in gaps):
            needs = [need for need in here.get("needs", ()) if need["main"] == first and "silent" in kinds]
            yield _table(f"{title}: {task}", first, [gap for gap in gaps if gap["a"] == first], needs)
    told = [
        {**gap, "a": gap["b"], "b": gap["a"], "value_a": gap["value_b"], "value_b": gap["value_a"]}
        for gap in here.get("told", ())
    ]
    for without in dict.fromkeys(gap["a"] for gap in told):
        yield _table(
            f"With tags, and how far they lift {without}: {task}", without, [gap for gap in told if gap["a"] == without]
        )


def _print(console: Console, entries: Sequence[Entry], style: str | None = None) -> None:
    """The sentences, each once, with the types that it holds for."""
    names: dict[str, list[str]] = {}
    for one in entries:
        names.setdefault(one["sentence"], []).append(_name(one))
    for sentence, whose in names.items():
        console.print(f"{', '.join(whose)}: {sentence}", style=style, markup=False)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and "task" in value[0]


def _table(title: str, first: str, gaps: Sequence[Entry], needs: Sequence[Entry] = ()) -> Table:
    """A row a type and metric: the value under the first condition, then under each other one with the difference."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("type")
    table.add_column(first, justify="right")
    conditions = list(dict.fromkeys(gap["b"] for gap in gaps))
    for condition in conditions:
        table.add_column(condition, justify="right")
    needed = {(one["type"], one["judge"]): one for one in needs}
    for name in (f"{first} and\nwithout", f"{first}\nonly") if needs else ():
        table.add_column(name, justify="right")
    for row in dict.fromkeys((gap["type"], gap["metric"], gap["judge"]) for gap in gaps):
        cells = {gap["b"]: gap for gap in gaps if (gap["type"], gap["metric"], gap["judge"]) == row}
        some = next(iter(cells.values()))
        name = f"{row[0]}{' (leaked)' if some['leaked'] else ''}\n{row[1]}" + (f"\n{row[2]}" if row[2] else "")
        values = (_number(some["value_a"], some), *(_cell(cells.get(each)) for each in conditions))
        table.add_row(name, *values, *(_counts(needed.get((row[0], row[2]))) if needs else ()))
    return table


def _counts(need: Entry | None) -> tuple[str, str]:
    """How many items are right under the main condition and without their clip too, and how many under it only."""
    if need is None or not need["n"]:
        return "-", "-"
    both = (len(need["always"]), len(need["only"]))
    first, second = (f"{count}\n{count / need['n']:.0%}" for count in both)
    return first, second


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
    return str(one["type"]) if judge is None else f"{one['type']} ({judge})"


def _legend(report: Entry) -> str:
    main = report["main"]
    said = [
        f"Under each condition: its value, {main} minus it, and the 95 % interval of that, clustered by recording "
        "(with tags: minus the same without). *: p < 0.05 after Holm over the conditions of a type. ?: too few "
        "recordings for any test."
    ]
    if any(report["needs"]):
        without = ", ".join(report["needs"][0]["conditions"])
        said.append(
            f"{main} and without: items that are right under {main} and under all of {without}: their clip is not "
            f"needed, or a habit is right. {main} only: right under {main} and under none of these."
        )
    meanings: dict[str, list[str]] = {}
    for each in report["conditions"]:
        meanings.setdefault(each["meaning"], []).extend([each["name"]] * (each["name"] != main))
    said += [f"{', '.join(names)}: {meaning}" for meaning, names in meanings.items() if names]
    said.append("Every difference has its sentence in results.json (listening); docs/listening.md says how to read it.")
    return "\n".join(said)
