"""CSV: UTF-8 with a header; an empty cell where there is no value."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from cpbench.exports._tables import Table, score_table
from cpbench.flow.ledger import write_whole
from cpbench.records import Results

DEFAULT = "scores.csv"


def write(results: Results, path: Path) -> list[Path]:
    """One score a row."""
    return write_rows(score_table(results), path)


def write_rows(table: Table, path: Path) -> list[Path]:
    """A table as it stands: numbers in full, `true` and `false`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(table.columns)
    rows.writerows([_cell(row[name]) for name in table.columns] for row in table.rows)
    write_whole(path, text.getvalue().encode())
    return [path]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
