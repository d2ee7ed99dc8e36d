"""cpbench leaderboard add"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cpbench.cli.leaderboard._author import author_options, board_option
from cpbench.cli.leaderboard._judge import judge_options


@click.command(name="add")
@click.argument("submission", type=click.Path(path_type=Path), metavar="DIR|ZIP")
@board_option
@author_options
@click.option("--claimed", is_flag=True, help="List its submission.json alone, without numbers: L0.")
@click.option(
    "--anchors", is_flag=True, help="Judge fixed answers of the board again, and tell whether the judge drifted."
)
@judge_options(required=False)
def command(*, submission: Path, board: Path, by: str | None, why: str | None, claimed: bool, **flags: Any) -> None:
    """Check a submission, and take it into a board byte for byte. What is refused changes nothing.

    Exit codes: 0 added, 1 failed, 3 refused.

    \b
      cpbench leaderboard add submission/cpqa_human --board board
      cpbench leaderboard add submission/cpqa_human --board board --anchors --judge openai/gpt-4o
    """
    from cpbench.cli.leaderboard._author import who
    from cpbench.errors import UsageError
    from cpbench.leaderboard.board import add, claim, open_board
    from cpbench.leaderboard.history import Author

    if not submission.exists():
        raise UsageError("no such folder or zip:", value=str(submission))
    if flags["anchors"] and not flags["spec"]:
        raise UsageError("anchors are judged again by a judge", mend="--anchors --judge SPEC")
    author = Author(who(by), why)
    added = (claim if claimed else add)(open_board(board), submission, author)
    level = "L0, listed and not ranked" if claimed else "L1"
    click.echo(f"added {added.entry.id} ({level})")
    for one in added.flags:
        click.echo(f"flag: {one.code}: {one.what}")
    judge = None if claimed else added.entry.submission.judge
    if flags["anchors"] and judge is not None:
        _drift(added.board, judge.judge_id, author, flags)


def _drift(board: Any, judge_id: str, author: Any, flags: dict[str, Any]) -> None:
    from cpbench.cli.leaderboard._judge import asking
    from cpbench.leaderboard.drift import drift

    _, found = drift(board, judge_id, asking(flags), author)
    click.echo(f"{'! ' if found.drifted else ''}{found.said}", err=found.drifted)
