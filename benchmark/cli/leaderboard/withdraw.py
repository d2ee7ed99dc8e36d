"""cpbench leaderboard withdraw"""

from __future__ import annotations

from pathlib import Path

import click

from cpbench.cli.leaderboard._author import author_options, board_option


@click.command(name="withdraw")
@click.argument("entry", metavar="ENTRY")
@board_option
@author_options
def command(*, entry: str, board: Path, by: str | None, why: str | None) -> None:
    """Strike an entry out, with the reason: it stays on the board, and is ranked no more.

    \b
      cpbench leaderboard withdraw ENTRY --board board --why "trained on the test split"
    """
    from cpbench.cli.leaderboard._author import who
    from cpbench.leaderboard.board import open_board, withdraw
    from cpbench.leaderboard.history import Author

    withdraw(open_board(board), entry, Author(who(by), why))
    click.echo(f"withdrawn {entry}")
