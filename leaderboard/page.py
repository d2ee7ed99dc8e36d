"""The page of a board: one file that works from file://, made from board.json alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cpbench.pages import render

_LAST = 10**6  # where what has no rank stands when a column of ranks is sorted


@dataclass(frozen=True)
class Bar:
    """A value's interval drawn beside it, on the table's scale of 0 to 100."""

    low: float
    high: float
    at: float
    line: float | None  # where the best null baseline stands


def page(made: Mapping[str, Any]) -> str:
    """The page, from board.json."""
    return render(
        "cpbench.leaderboard",
        "board.html",
        own_style="board.css",
        own_script="board.js",
        title=made["title"],
        made=made,
        tables=[_table(table) for table in made["tables"]],
        entries=_entries(made),
        events=list(reversed(made["history"])),
    )


def _table(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with what the template needs besides: values in points, and the bars."""
    by_id = {row["entry"]: row for row in table["rows"]}
    best = by_id.get(table["best_baseline"] or "")
    line = None if best is None else _points(best["score"]["value"], table)
    rows = [{**row, **_shown(row, table, line)} for row in table["rows"]]
    conditions = list(dict.fromkeys(gain["condition"] for row in table["rows"] for gain in row["gains"][:1]))
    paid = any(_cost(row) is not None for row in table["rows"])
    names = [row["name"] for row in table["rows"]]
    doubled = {name for name in names if names.count(name) > 1}
    top = table["metric_top"]
    smallest = table["smallest_detectable_difference"]
    return {
        **table,
        "rows": [{**row, "shown_id": row["name"] in doubled} for row in rows],
        "conditions": conditions,
        "paid": paid,
        "smallest": None if smallest is None else 100 * smallest / top,
        "best_name": None if best is None else best["name"],
    }


def _shown(row: Mapping[str, Any], table: Mapping[str, Any], line: float | None) -> dict[str, Any]:
    rank = row["rank"]
    return {
        "points": _scaled(row["score"], table),
        "bar": _bar(row["score"], table, line),
        "by_type": [_scaled(row["types"].get(name), table) for name in table["types"]],
        "beside": [_scaled(row["others"].get(name), {"metric_top": _top(name)}) for name in table["others"]],
        "gain": _scaled(row["gains"][0], table) if row["gains"] else None,
        "rank_key": _LAST if rank is None else 1000 * rank["best"] + rank["worst"],
        "rank_said": "–" if rank is None else _span(rank["best"], rank["worst"]),
        "cost": _cost(row),
    }


def _top(metric: str) -> float:
    return 100.0 if metric.startswith("judge_") else 1.0


def _span(best: int, worst: int) -> str:
    return str(best) if best == worst else f"{best}–{worst}"


def _points(value: float, table: Mapping[str, Any]) -> float:
    return float(100 * value / table["metric_top"])


def _scaled(estimate: Mapping[str, Any] | None, table: Mapping[str, Any]) -> dict[str, Any] | None:
    """A value and its interval in points; what else is known of it stays."""
    if estimate is None:
        return None
    ends = {key: None if estimate[key] is None else _points(estimate[key], table) for key in ("value", "low", "high")}
    return {**estimate, **ends}


def _bar(score: Mapping[str, Any], table: Mapping[str, Any], line: float | None) -> Bar:
    at = _points(score["value"], table)
    low = at if score["low"] is None else _points(score["low"], table)
    high = at if score["high"] is None else _points(score["high"], table)
    return Bar(round(low, 2), round(high, 2), round(at, 2), None if line is None else round(line, 2))


def _cost(row: Mapping[str, Any]) -> str | None:
    """What it took, in a few words: money, then tokens, then speed."""
    usage = row["usage"]
    parts = []
    if "money" in usage:
        parts.append(f"{usage['money']:.2f} {usage.get('currency', '')}".strip())
    if "output_tokens" in usage:
        parts.append(f"{usage['output_tokens']:,} tokens out")
    if "items_per_second" in usage:
        parts.append(f"{rounded(usage['items_per_second'])} items/s")
    return ", ".join(parts) or None


def _entries(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every entry once, with the tables that it stands in."""
    found: dict[str, dict[str, Any]] = {}
    for table in made["tables"]:
        for row in table["rows"]:
            one = found.setdefault(row["entry"], {**row, "facts": list(_facts(row)), "tables": []})
            one["tables"].append(table)
    return sorted(found.values(), key=lambda one: (one["name"].casefold(), one["entry"]))


def _facts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the entry says of itself, name by name."""
    about = row["about"]
    yield "trained on the evaluated set", about["trained_on_eval"]
    for name in ("revision", "license", "backbone"):
        if name in about:
            yield name, about[name]
    if row["signer"]:
        yield "signed by", row["signer"]
    yield "condition", row["condition"]
    yield "runs", f"{about['attempted_runs']}; handed in: {about['selection_rule']}"
    for name, values in (("seeds", about["seeds"]), ("parameters", _pairs(about["parameters"]))):
        if values:
            yield name, ", ".join(map(str, values))
    failed = [f"{count} {name}" for name, count in row["statuses"].items() if count]
    if failed:
        yield "answers", ", ".join(failed)
    if about["note"]:
        yield "note", about["note"]


def _pairs(values: Mapping[str, Any]) -> Sequence[str]:
    return [f"{key} = {value}" for key, value in values.items()]


def rounded(value: float) -> str:
    """Three digits of a number, without an exponent.

    >>> rounded(22934.0), rounded(8.214)
    ('22,900', '8.21')
    """
    return f"{float(f'{value:.3g}'):,.10g}"
