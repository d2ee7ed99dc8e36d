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
        "check": "Check a submission as a board does; every finding has a code.",
        "schema": "Print the JSON Schema of submissions.",
    }


@click.group(name="leaderboard", cls=Leaderboard)
def command() -> None:
    """Submissions, and boards of submissions that may be compared."""
