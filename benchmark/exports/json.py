"""JSON: the scores as a flat list, for a program that wants neither lm-eval's keys nor a table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from cpbench.exports._tables import Table, judge_name, model_name, score_table
from cpbench.flow.ledger import write_whole
from cpbench.records import Results

DEFAULT = "scores.json"
SCHEMA = "cpbench-scores-1"
MODEL = ("family", "revision", "kind", "condition", "window", "max_clips", "third_party", "tag_template")


def write(results: Results, path: Path) -> list[Path]:
    """One object: the run, the model, the tasks, the judges, and one object a score with the columns of CSV."""
    made = {
        "schema": SCHEMA,
        "run": results.run,
        "time": results.time,
        "model": {"name": model_name(results.model)} | {key: getattr(results.model, key) for key in MODEL},
        "tasks": [dataclasses.asdict(task) for task in results.tasks],
        "judges": {judge_id: _judge(results, judge_id) for judge_id in results.judges},
        "usage": dict(results.usage),
        "warnings": list(results.warnings),
        "scores": [dict(row) for row in score_table(results).rows],
    }
    return _written(made, path)


def write_rows(table: Table, path: Path) -> list[Path]:
    """A table as a list of objects."""
    return _written([dict(row) for row in table.rows], path)


def _judge(results: Results, judge_id: str) -> dict[str, Any]:
    sheet = results.sheets.get(judge_id)
    known = {} if sheet is None else dataclasses.asdict(sheet)
    return {"validity": results.judges[judge_id]} | known | {"name": judge_name(results, judge_id)}


def _written(value: Any, path: Path) -> list[Path]:
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    return [path]
