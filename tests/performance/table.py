"""Writes the table of docs/performance.md from what `figure` kept.

    CPBENCH_PERF_OUT=runs/performance.jsonl python -m pytest -m performance tests/performance
    python tests/performance/table.py runs/performance.jsonl docs/performance.md

The table stands between two marks; what is around it is written by hand and stays. The last line of a figure's name
counts, so one file of tests may be measured again alone. Figures of several machines stand in a table each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
NUMBER = "{:.3g}"
Line = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    kept, page = map(Path, arguments)
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    page.write_text(replaced(page.read_text(encoding="utf-8"), tables(lines)), encoding="utf-8")
    missed = [line["name"] for line in last(lines) if not held(line)]
    print(f"{page}: {len(last(lines))} figures" + (f"; missed: {'; '.join(missed)}" if missed else ""))


def last(lines: Iterable[Line]) -> list[Line]:
    """One line a figure and machine, its last; in the order in which the figures first came."""
    found: dict[str, Line] = {}
    for line in lines:
        found[line["name"] + json.dumps(line["machine"])] = line
    return list(found.values())


def held(line: Line) -> bool:
    """Whether a figure keeps its bound."""
    value, bound = line["value"], line["bound"]
    return bound is None or (value <= bound if line["at"] == "most" else value >= bound)


def tables(lines: Iterable[Line]) -> str:
    """A table for each machine; figures with a number ("2. ...") come first, by their numbers."""
    by_machine: dict[str, list[Line]] = {}
    for line in sorted(last(lines), key=_numbered):
        by_machine.setdefault(json.dumps(line["machine"]), []).append(line)
    return "\n\n".join(_table(several) for several in by_machine.values())


def _numbered(line: Line) -> float:
    number, dot, _ = line["name"].partition(". ")
    return int(number) if dot and number.isdigit() else float("inf")


def replaced(page: str, table: str) -> str:
    """The page with a new table between its marks. Raises SystemExit for a page without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"the page has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def _table(lines: Sequence[Line]) -> str:
    dates, commits = (sorted({line[key] for line in lines}) for key in ("date", "commit"))
    rows = [f"| {_cell(line['name'])} | {_measured(line)} | {_bound(line)} | {_cell(line['on'])} |" for line in lines]
    where = f"{_machine(lines[0]['machine'])}; {', '.join(dates)}; commit {', '.join(commits)}:"
    return "\n".join([where, "", "| figure | measured | bound | on |", "|---|---|---|---|", *rows])


def _machine(facts: Line) -> str:
    gpu = f", {facts['gpu']}" if facts["gpu"] else ""
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB{gpu}; Python {facts['python']}, "
        f"torch {facts['torch']}, transformers {facts['transformers']}"
    )


def _measured(line: Line) -> str:
    said = f"{_number(line['value'])} {line['unit']}".strip()
    return said if held(line) else f"**{said}** (missed)"


def _bound(line: Line) -> str:
    if line["bound"] is None:
        return "-"
    return f"at {line['at']} {_number(line['bound'])}"


def _number(value: float) -> str:
    """Three digits that count, and whole numbers whole: 1.03, 12.5, 4,830."""
    return f"{value:,.0f}" if abs(value) >= 100 else NUMBER.format(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main(sys.argv[1:])
