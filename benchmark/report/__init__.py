"""The page of a run: `report.html` in its folder, one file that works from file://, and the clips beside it.

    write_report(run) -> Path

It is made from what lies in the folder alone: every number is one of results.json, and every text one of items.jsonl,
predictions.jsonl and judgements.jsonl. Needs neither model, audio nor torch.

summary.py   results.json as the page shows it: headlines, tables, plots
rows.py      the answers, an object each, for the table that is searched
clips.py     the clips that may be played, in the run's `clips/`
"""

from __future__ import annotations

import json
from pathlib import Path

from cpbench.errors import UserError
from cpbench.flow.ledger import write_whole
from cpbench.pages import render
from cpbench.report.clips import Clips
from cpbench.report.rows import answers
from cpbench.report.summary import summary
from cpbench.results import ResultsFile
from cpbench.runfolder import Run

__all__ = ["write_report"]


def write_report(run: Run) -> Path:
    """Write report.html into a scored run's folder, and the clips that it plays into `clips/`; return its path.

    The same run gives the same bytes. Texts and clips of a task whose rights forbid them are left out, and it is said.
    Raises UserError for a run that is not scored, or a folder that cannot be written.
    """
    file = run.folder / "results.json"
    if not file.is_file():
        raise UserError("this run has no results.json:", value=str(run.folder), mend=f"cpbench report {run.folder}")
    results: ResultsFile = json.loads(file.read_text(encoding="utf-8"))
    if "breakdown" not in results:  # written by an earlier version
        raise UserError("results.json is of an earlier version:", value=str(file), mend=f"cpbench report {run.folder}")
    clips = Clips(run.folder)
    table = answers(run, clips, main=results["condition"])
    page = render(
        "cpbench.report",
        "report.html",
        own_style="report.css",
        own_script="report.js",
        title=f"{results['model']['name']}: {run.name}",
        data=table.data,
        table=table,
        **summary(results, run.manifest),
    )
    path = run.folder / "report.html"
    write_whole(path, page.encode())
    return path
