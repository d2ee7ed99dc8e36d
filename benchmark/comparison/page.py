"""The page of a comparison: one file that works from file://, made from what `cpbench compare --json` prints.

Numbers are chosen, put side by side and scaled to points of 100 here; none is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpbench.comparison.compare import Comparison
from cpbench.comparison.layout import plain
from cpbench.comparison.standings import Gate, points
from cpbench.errors import UsageError
from cpbench.flow.ledger import write_whole
from cpbench.metrics import find_metrics
from cpbench.pages import render
from cpbench.records import QTYPES

FORMS = (".html", ".htm")
FOLDED = 3  # pairs of systems, above which each one's tables are opened by hand
LISTED = 5000  # items in the page; a browser reads so many at once
LONGEST = 1000  # characters of one text in it
CUT = "\N{HORIZONTAL ELLIPSIS}"
_SPANS = (1, 2, 4, 10, 20, 40, 60, 80, 100)  # points to either side of no difference that an axis may have
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """What a forest plot is drawn on: points, as far to either side of no difference."""

    words: str  # the metric, and by whom
    span: float
    higher_is_better: bool
    digits: int = 1

    @property
    def ticks(self) -> list[float]:
        return [self.span * part / 2 for part in range(-2, 3)]

    def at(self, value: float) -> float:
        """Where a difference lies between the axis's ends, in percent."""
        return round(min(max(50 + 50 * value / self.span, 0.0), 100.0), 2)


@dataclass(frozen=True)
class Line:
    """A difference with its interval, in points, in a row of a forest plot."""

    label: str
    detail: Entry
    kind: str  # "better-a", "better-b"; "open" where neither is shown to be better


@dataclass(frozen=True)
class Forest:
    """Differences in one metric below each other."""

    title: str
    metric: Axis
    lines: Sequence[Line]
    first: str  # what the rows are


def check_page(path: Path) -> Path:
    """Return a page's path. Raises UsageError for another ending than a page has."""
    if path.suffix.lower() not in FORMS:
        raise UsageError("a page is called one of these, not", value=path.suffix or path.name, allowed=FORMS)
    return path


def write_page(comparison: Comparison, path: Path, *, gate: Gate | None = None) -> Path:
    """Write the page of a comparison, in place of what the file held, and return its path: the same bytes every time.

    `gate`: what it said, where somebody asked. Raises UsageError for a path that no page has, UserError for a file that
    cannot be written.
    """
    write_whole(check_page(path), page(plain(comparison, gate)).encode())
    return path


def page(made: Entry) -> str:
    """The page, from a comparison as JSON has it (`layout.plain`)."""
    names = [one["name"] for one in made["systems"]]
    several = len(names) > 2
    tasks = [_task(task, made) for task in made["main"]]
    listed, cut = _listed(made["items"])
    return render(
        "cpbench.comparison",
        "compare.html",
        own_style="compare.css",
        own_script="compare.js",
        title=f"{len(names)} runs compared" if several else f"{names[0]} against {names[1]}",
        made=made,
        tasks=[task for task in tasks if task["pairs"]],
        heads=[pair["head"] for task in tasks for pair in task["pairs"] if pair["head"] is not None],
        several=several,
        folded=len(names) * (len(names) - 1) // 2 > FOLDED,
        judges=", ".join(f"{name} ({judge_id[:8]})" for judge_id, name in made["judges"].items()),
        withheld=[task["name"] for task in tasks if task["withheld"]],
        left_out=len(made["items"]) - len(listed),
        cut=cut,
        data={"items": listed},
    )


def _task(task: str, made: Entry) -> dict[str, Any]:
    """What the page shows of one task: its pairs of systems, ranks, and the plot of all pairs where there are some."""
    main = made["main"][task]
    rows = [_row(one, made) for one in made["differences"] if one["task"] == task]
    known = [*rows, *(one for key in ("absent", "counts") for one in made[key] if one["task"] == task)]
    names = list(dict.fromkeys((one["a"], one["b"]) for one in known))
    axis = _axis(main, [row for row in rows if row["main"]], made)
    pairs = [_pair(task, pair, [row for row in rows if (row["a"], row["b"]) == pair], (axis, made)) for pair in names]
    heads = [pair["head"] for pair in pairs if pair["head"] is not None]
    every = [Line(f"{row['a']} \N{MINUS SIGN} {row['b']}", row["points"], row["side"]) for row in heads]
    return {
        "name": task,
        "metric": axis.words,
        "higher_is_better": axis.higher_is_better,
        "pairs": pairs,
        "forest": Forest("Every pair", axis, every, "first \N{MINUS SIGN} second") if len(every) > 1 else None,
        "ranks": _ranks(task, main, made),
        "withheld": any(one["task"] == task and one["question"] is None for one in made["items"]),
    }


def _pair(task: str, pair: tuple[str, str], rows: Sequence[Entry], drawn: tuple[Axis, Entry]) -> dict[str, Any]:
    """Two systems on one task: the main difference, those beside it, the plot by type, and who was right."""
    axis, made = drawn
    a, b = pair
    whole = [row for row in rows if row["slice"] == "all"]
    main = [row for row in rows if row["main"]]
    own = [one for one in made["counts"] if (one["task"], one["a"], one["b"]) == (task, a, b)]
    title = f"{a} \N{MINUS SIGN} {b}"
    types = [Line(row["slice"], row["points"], row["side"]) for row in main]
    return {
        "a": a,
        "b": b,
        "head": next((row for row in main if row["slice"] == "all"), None),
        "rows": [*whole, *(row for row in main if row["slice"] != "all")],
        "more": [row for row in rows if row["slice"] != "all" and not row["main"]],
        "forest": Forest(title, axis, types, "type") if types else None,
        "counts": own,
        "absent": [one for one in made["absent"] if (one["task"], one["a"], one["b"]) == (task, a, b)],
    }


def _row(one: Entry, made: Entry) -> dict[str, Any]:
    """A difference as the page has it: in points, with who is better as a word for its colour."""
    main, metric = made["main"][one["task"]], one["metric"]
    ends = {key: _points(one[of], metric) for key, of in (("value", "difference"), ("low", "low"), ("high", "high"))}
    side = {one["a"]: "better-a", one["b"]: "better-b", None: "open"}[one["better"]]
    return {
        **one,
        "words": _words(metric, one["judge_id"], made),
        "main": metric == main["metric"] and main["judge_id"] in (None, one["judge_id"]),
        "points": {**ends, "n": one["n"], "coverage": None, "leaked": one["leaked"]},
        "value_a": _points(one["value_a"], metric),
        "value_b": _points(one["value_b"], metric),
        "smallest": _points(one["smallest_detectable_difference"], metric),
        "side": side,
    }


def _points(value: float | None, metric: str) -> float | None:
    return None if value is None else points(value, metric)


def _words(metric: str, judge_id: str | None, made: Entry) -> str:
    """A metric with who made it; the offline scorer is called what it is."""
    if judge_id is not None:
        return f"{metric} by {made['judges'][judge_id]}"
    return f"{metric} (no LLM judge)" if metric == "overlap_score" else metric


def _axis(main: Entry, rows: Iterable[Entry], made: Entry) -> Axis:
    """One scale for all of a task's plots, so that they can be laid beside each other."""
    ends = [abs(end) for row in rows for key in ("value", "low", "high") if (end := row["points"][key]) is not None]
    span = next((span for span in _SPANS if span >= max(ends, default=0)), _SPANS[-1])
    words = _words(main["metric"], main["judge_id"], made)
    return Axis(words, float(span), find_metrics([main["metric"]])[0].higher_is_better)


def _ranks(task: str, main: Entry, made: Entry) -> dict[str, Any]:
    """The places that each system may have in the main metric, over all items and by type."""
    own = [
        one
        for one in made["ranks"]
        if (one["task"], one["metric"]) == (task, main["metric"]) and main["judge_id"] in (None, one["judge_id"])
    ]
    slices = [name for name in ("all", *QTYPES) if any(one["slice"] == name for one in own)]
    cells = {(one["system"], one["slice"]): one for one in own}
    rows = [
        (each["name"], [cells.get((each["name"], name)) for name in slices])
        for each in made["systems"]
        if any(one["system"] == each["name"] for one in own)
    ]
    return {"slices": slices, "rows": rows}


def _listed(items: Sequence[Entry]) -> tuple[list[dict[str, Any]], int]:
    """The items of the page's table, without what is empty, and how many texts had to be cut."""
    kept = [dict(_full(one)) for one in items[:LISTED]]
    long = sum(isinstance(text, str) and len(text) > LONGEST for one in items[:LISTED] for text in one.values())
    return kept, long


def _full(one: Entry) -> Iterator[tuple[str, Any]]:
    for key, value in one.items():
        if isinstance(value, str) and len(value) > LONGEST:
            yield key, value[:LONGEST] + CUT
        elif value is not None:
            yield key, value
