"""Results in the layouts of others: tables, model cards, papers, and the common store of evaluations.

    export("csv", results, Path("scores.csv"))
    export("eee", results, Path("every_eval_ever"), options={"organisation": "..."})
    export_answers("parquet", answer_table(outcomes, tasks), Path("answers.parquet"))

Each file of this folder, and each entry point of the group `cpbench.exports`, has `write(results, path) -> list[Path]`
and `DEFAULT`, the name of what it writes: a file, or a folder where it has no suffix. A format with options has a
dataclass `Options` of them, and `write` takes one after `path`. A format that can also hold a table of answers, one row
a prediction, has `write_rows(table, path)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cpbench import parts
from cpbench.errors import UsageError
from cpbench.exports._answers import answer_table
from cpbench.exports._tables import COLUMNS, Table, score_table
from cpbench.records import Results

__all__ = [
    "COLUMNS",
    "Table",
    "answer_table",
    "default_name",
    "export",
    "export_answers",
    "formats",
    "score_table",
]


def formats() -> list[str]:
    """The names of all formats."""
    return [name.replace("_", "-") for name in parts.names("exports")]


def default_name(name: str) -> str:
    """What a format's file or folder is called, "scores.csv". Raises UsageError for an unknown format."""
    default: str = parts.find("exports", name).DEFAULT
    return default


def export(name: str, results: Results, path: Path, *, options: Mapping[str, str] | None = None) -> list[Path]:
    """Write results in a format, and return the files that were written.

    `path` is the file, or the folder where a format writes several. Raises UsageError for an unknown format or option,
    UserError where the results lack what the format must say.
    """
    part = parts.find("exports", name)
    if not options:
        written: list[Path] = part.write(results, path)
        return written
    if not hasattr(part, "Options"):
        raise UsageError(f"the format {name} takes no options", value=sorted(options)[0])
    written = part.write(results, path, parts.build(part.Options, options))
    return written


def export_answers(name: str, table: Table, path: Path) -> list[Path]:
    """Write a table of answers, one row a prediction, and return the files. Raises UsageError for an unfit format."""
    part = parts.find("exports", name)
    if not hasattr(part, "write_rows"):
        able = [one for one in formats() if hasattr(parts.find("exports", one), "write_rows")]
        raise UsageError("answers are no table of the format", value=name, allowed=able)
    written: list[Path] = part.write_rows(table, path)
    return written
