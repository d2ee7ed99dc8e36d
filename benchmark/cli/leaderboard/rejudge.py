"""cpbench leaderboard rejudge"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cpbench.cli.leaderboard._author import author_options, board_option
from cpbench.cli.leaderboard._judge import judge_options

NOT_HELD = 3


@click.command(name="rejudge")
@click.argument("entry", metavar="ENTRY")
@board_option
@click.option("--n", type=click.IntRange(min=1), default=100, show_default=True, help="Answers, drawn at random.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw: one that nobody could foresee.")
@click.option(
    "--limit",
    type=click.FloatRange(min=0, max=1),
    default=0.1,
    show_default=True,
    help="It holds where at most this share can be off; a noisy judge needs more.",
)
@judge_options(required=True)
@author_options
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as one JSON object.")
def command(*, entry: str, board: Path, n: int, seed: int, limit: float, as_json: bool, **flags: Any) -> None:
    """Judge a random sample of an entry's answers again, by the same judge: L2 where it holds.

    With 100 answers a share of 3 % that is forged is found with 95 % probability. What came of it is written into the
    history, whichever way it went. Exit codes: 0 it held, 1 failed, 3 it did not.

    \b
      cpbench leaderboard rejudge ENTRY --board board --n 100 --judge openai/gpt-4o --seed 7341
    """
    import json

    from cpbench.cli.leaderboard._author import who
    from cpbench.cli.leaderboard._judge import asking
    from cpbench.leaderboard.board import open_board
    from cpbench.leaderboard.history import Author
    from cpbench.leaderboard.rejudge import Sample, rejudge

    author = Author(who(flags["by"]), flags["why"])
    _, found = rejudge(open_board(board), entry, Sample(n, seed, limit), asking(flags), author)
    click.echo(json.dumps(found.facts(), ensure_ascii=False) if as_json else found.said)
    if not found.held:
        raise SystemExit(NOT_HELD)
