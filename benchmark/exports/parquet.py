"""Parquet: the same columns as CSV, typed."""

from __future__ import annotations

import io
from pathlib import Path

from cpbench.exports._tables import Table, score_table
from cpbench.flow.ledger import write_whole
from cpbench.records import Results

DEFAULT = "scores.parquet"


def write(results: Results, path: Path) -> list[Path]:
    """One score a row."""
    return write_rows(score_table(results), path)


def write_rows(table: Table, path: Path) -> list[Path]:
    """A table with the types of its columns, also where a column is empty."""
    import pyarrow
    from pyarrow import parquet

    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in table.columns.items()])
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(table.rows), schema=schema), file)
    write_whole(path, file.getvalue())
    return [path]
