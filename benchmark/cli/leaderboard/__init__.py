"""`cpbench leaderboard ...`"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click

from cpbench.cli import Commands


class Leaderboard(Commands):
    package: ClassVar[str] = "cpbench.cli.leaderboard"
    offered: ClassVar[Mapping[str, str]] = {
        "submit": "Write a run's submission: three files a task.",
        "init": "Begin a board, or make further sets known to one.",
        "check": "Check a submission as a board does; every finding has a code.",
        "add": "Check a submission, and take it into a board.",
        "build": "Build a board's site: one page, JSON, CSV, Every Eval Ever.",
        "rejudge": "Judge a random sample of an entry's answers again (L2).",
        "repeat": "Hold an entry's answers against a run of your own (L3).",
        "withdraw": "Strike an entry out; it stays.",
        "schema": "Print the JSON Schema of submissions.",
    }


@click.group(name="leaderboard", cls=Leaderboard)
def command() -> None:
    """Submissions, and boards of submissions that may be compared."""
