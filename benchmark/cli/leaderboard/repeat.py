"""cpbench leaderboard repeat"""

from __future__ import annotations

from pathlib import Path

import click

from cpbench.cli.leaderboard._author import author_options, board_option

NOT_HELD = 3


@click.command(name="repeat")
@click.argument("entry", metavar="ENTRY")
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@board_option
@author_options
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as one JSON object.")
def command(*, entry: str, folder: Path, board: Path, by: str | None, why: str | None, as_json: bool) -> None:
    """Hold an entry's answers against a run of your own of the same system on the same set: L3 where it holds.

    What came of it is written into the history, whichever way it went. Exit codes: 0 it held, 1 failed, 3 it did not.

    \b
      cpbench run --model LAB/MODEL --tasks cpqa --out runs/again
      cpbench leaderboard repeat ENTRY runs/again --board board
    """
    import json

    from cpbench.cli.leaderboard._author import who
    from cpbench.leaderboard.board import open_board
    from cpbench.leaderboard.history import Author
    from cpbench.leaderboard.repeat import repeat
    from cpbench.runfolder import load_run

    _, found = repeat(open_board(board), entry, load_run(folder), Author(who(by), why))
    click.echo(json.dumps(found.facts(), ensure_ascii=False) if as_json else found.said)
    if not found.held:
        raise SystemExit(NOT_HELD)
