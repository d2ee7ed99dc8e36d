"""A run on disk: what was asked, what was answered, and how.

runs/<name>/run.yaml           the configuration; another one in the same folder is refused
            manifest.json      versions, hardware, model, prompts, fingerprints, hearing check
            items.jsonl        the items asked, so that nothing downstream opens a data set again
            predictions.jsonl  one line an answer
            judgements.jsonl   one line a call that was paid for: equal answers share it
            results.json       what --json prints
"""

from __future__ import annotations

from cpbench.runfolder.folder import Run, case_of, environment, load_run, open_run, write_json
from cpbench.runfolder.identity import continued, run_path
from cpbench.runfolder.shards import merge_runs

__all__ = [
    "Run",
    "case_of",
    "continued",
    "environment",
    "load_run",
    "merge_runs",
    "open_run",
    "run_path",
    "write_json",
]
