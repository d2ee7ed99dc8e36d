"""`board.json`, key by key, and `board.csv`: what the page shows, as plain values, from the tables alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cpbench.leaderboard import levels, ranking
from cpbench.leaderboard.board import Board, Entry
from cpbench.leaderboard.history import Event
from cpbench.leaderboard.measure import Broken, Measured
from cpbench.leaderboard.tables import SPOKEN, Row, Table, validated
from cpbench.records import QTYPES, Estimate, Score

SCHEMA = "cpbench-board-1"
_ADDED = ("near_duplicate", "same_name", "unsigned")
"""Flags that depend on the board as it was when the entry came: kept in the history, not found again."""

SHOWN = ("items_per_second", "input_tokens", "output_tokens", "judge_calls", "money", "currency")


@dataclass(frozen=True)
class Found:
    """Everything that a board's pages are made from."""

    board: Board
    tables: Sequence[Table]
    measured: Sequence[Measured]
    broken: Sequence[Broken]

    @property
    def claims(self) -> list[Entry]:
        return [entry for entry in self.board.entries if entry.standing.level == 0 and entry.is_claim]


def layout(found: Found) -> dict[str, Any]:
    """board.json: the same for the same board, whenever and wherever it is built."""
    board = found.board
    return {
        "schema": SCHEMA,
        "title": board.rules.title,
        "about": board.rules.about,
        "changed": board.changed,
        "rule": ranking.RULE,
        "levels": {f"L{level}": name for level, name in levels.NAMES.items()},
        "limit": levels.LIMIT,
        "tables": [_table(table) for table in found.tables],
        "claimed": [_claim(entry) for entry in found.claims],
        "broken": [{"entry": one.entry, "why": one.why} for one in found.broken],
        "broken_cards": [{"judge_id": name, "why": why} for name, why in board.broken_cards.items()],
        "drift": [_event(one) for one in board.history if one.what == "drift"],
        "history": [_event(one) for one in board.history],
    }


def table_csv(made: Mapping[str, Any]) -> str:
    """board.csv, from board.json: one row an entry of a table. Text a spreadsheet would run has a quote before it."""
    out = io.StringIO()
    rows = [_flat(table, row) for table in made["tables"] for row in table["rows"]]
    names = list(rows[0]) if rows else ["table", "entry"]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _table(table: Table) -> dict[str, Any]:
    task, judge, ranks = table.dataset.task, table.judge, table.ranking
    best = table.best_baseline()
    return {
        "id": table.id,
        "dataset": task.name,
        "version": task.version,
        "split": table.split,
        "fingerprint": table.dataset.fingerprint,
        "items": len(table.dataset.items),
        "recordings": table.dataset.recordings,
        "license": task.rights.license,
        "citation": task.citation,
        "synthetic": task.synthetic,
        "judge": None if judge is None else {**_judge(table), "validity": table.card, "validated": validated(table)},
        "metric": table.metric.name,
        "metric_top": table.metric.bounds[1],
        "higher_is_better": table.metric.higher_is_better,
        "metrics_version": table.version,
        "types": table.types,
        "others": table.others,
        "systems": ranks.systems,
        "pairs": ranks.pairs,
        "smallest_detectable_difference": ranks.smallest,
        "undecidable": ranks.undecidable,
        "best_baseline": None if best is None else best.id,
        "rows": [_row(row, table, best) for row in table.rows],
    }


def _judge(table: Table) -> dict[str, Any]:
    judge = table.judge
    if judge is None:
        return {}
    return {
        "name": judge.name,
        "judge_id": judge.judge_id,
        "members": list(judge.members),
        "prompt_sha256": judge.prompt_sha256,
        "simulated": judge.simulated,
    }


def _row(row: Row, table: Table, best: Row | None) -> dict[str, Any]:
    said, place, stand = row.measured.submission, row.place, row.entry.standing
    counted = place is not None and place.best is not None
    return {
        "entry": row.id,
        "name": said.system.name,
        "organisation": said.system.organisation,
        "url": said.system.url,
        "kind": said.system.kind,
        "role": row.role,
        "role_said": SPOKEN[row.role],
        "copy_of": row.copy_of,
        "level": f"L{stand.level}",
        "level_name": stand.name,
        "withdrawn": None if stand.withdrawn is None else _event(stand.withdrawn),
        "checks_failed": [_event(one) for one in stand.failed],
        "rank": {"best": place.best, "worst": place.worst} if counted and place is not None else None,
        "better": list(place.better) if place else [],
        "worse": list(place.worse) if place else [],
        "above_baseline": None if not counted or best is None or place is None else best.id in place.worse,
        "score": _score(row.score),
        "types": {name: _score(row.scores[table.metric.name, name]) for name in table.types if _has(row, table, name)},
        "others": {name: _score(row.scores[name, "all"]) for name in table.others if (name, "all") in row.scores},
        "gains": [{"condition": one.condition, "p": one.p, **_estimate(one.estimate)} for one in row.gains],
        "condition": said.generation.condition,
        "statuses": dict(row.measured.statuses),
        "signer": next((one.facts.get("signer") for one in row.entry.events if one.what == "added"), None),
        "flags": _flags(row),
        "usage": {key: value for key, value in said.usage.model_dump().items() if value is not None},
        "about": _about(row),
        "events": [_event(one) for one in row.entry.events],
    }


def _has(row: Row, table: Table, name: str) -> bool:
    return (table.metric.name, name) in row.scores


def _about(row: Row) -> dict[str, Any]:
    """What the entry says of itself, but for its numbers."""
    said = row.measured.submission
    kept = {"revision", "license", "trained_on_eval", "backbone"}
    return {
        **{key: value for key, value in said.system.model_dump().items() if key in kept and value is not None},
        "parameters": dict(said.generation.parameters),
        "seeds": list(said.generation.seeds),
        "attempted_runs": said.generation.attempted_runs,
        "selection_rule": said.generation.selection_rule,
        "tag_template": said.generation.tag_template,
        "note": said.note,
    }


def _flags(row: Row) -> list[dict[str, str]]:
    """What should be looked at: found again, and what was found when it was added."""
    now = [{"code": one.code, "what": one.what} for one in row.measured.flags]
    added = [one for one in row.entry.events if one.what == "added"]
    then = [flag for one in added for flag in one.facts.get("flags", []) if flag.get("code") in _ADDED]
    return now + [{"code": str(one["code"]), "what": str(one["what"])} for one in then]


def _claim(entry: Entry) -> dict[str, Any]:
    said = entry.submission
    return {
        "entry": entry.id,
        "name": said.system.name,
        "organisation": said.system.organisation,
        "url": said.system.url,
        "dataset": said.dataset.name,
        "version": said.dataset.version,
        "withdrawn": None if entry.standing.withdrawn is None else _event(entry.standing.withdrawn),
    }


def _score(score: Score) -> dict[str, Any]:
    ends = {"coverage": score.coverage, "worst": score.worst, "best": score.best, "leaked": score.leaked}
    return {**_estimate(score.estimate), **ends}


def _estimate(one: Estimate) -> dict[str, Any]:
    plain = asdict(one)
    return {"recordings": plain.pop("clusters"), **plain}


def _event(one: Event) -> dict[str, Any]:
    told = {"what": one.what, "when": one.when, "by": one.by, "entry": one.entry, "why": one.why}
    return {"said": None, **one.facts, **told}


def _flat(table: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    judge, rank = table["judge"] or {}, row["rank"] or {}
    known = ("dataset", "version", "split", "fingerprint", "metric", "metrics_version")
    return {
        "table": table["id"],
        **{name: _safe(table[name]) for name in known},
        "judge": _safe(judge.get("name")),
        "judge_id": judge.get("judge_id"),
        "judge_validity": judge.get("validity"),
        **{name: _safe(row[name]) for name in ("entry", "name", "organisation", "kind", "role", "level")},
        "withdrawn": bool(row["withdrawn"]),
        "rank_best": rank.get("best"),
        "rank_worst": rank.get("worst"),
        **{name: row["score"][name] for name in ("value", "low", "high", "n", "recordings", "coverage", "leaked")},
        **{name: row["types"].get(name, {}).get("value") for name in QTYPES},
        "gain_condition": row["gains"][0]["condition"] if row["gains"] else None,
        "gain": row["gains"][0]["value"] if row["gains"] else None,
        **{name: _safe(row["usage"].get(name)) for name in SHOWN},
        "flags": " ".join(one["code"] for one in row["flags"]),
    }


def _safe(value: object) -> object:
    """A text that a spreadsheet takes for a formula, with a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
