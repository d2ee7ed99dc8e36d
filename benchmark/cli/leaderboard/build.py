"""cpbench leaderboard build"""

from __future__ import annotations

from pathlib import Path

import click

from cpbench.cli.leaderboard._author import board_option


@click.command(name="build")
@board_option
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="SITE", help="The site's folder.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes. Default: one a core.")
@click.option("--json", "as_json", is_flag=True, help="Print board.json instead of a summary.")
def command(*, board: Path, out: Path, jobs: int | None, as_json: bool) -> None:
    """Score every entry again, rank what may be compared, and write the site.

    index.html works from file:// and from any web server; beside it lie board.json, board.csv and Every Eval Ever logs.
    The same board gives the same bytes. Exit codes: 0 built, 1 built without entries that could not be read.

    \b
      cpbench leaderboard build --board board --out site
    """
    import json

    from cpbench.leaderboard.board import open_board
    from cpbench.leaderboard.build import build, sentences

    built = build(open_board(board), out, jobs=jobs)
    if as_json:
        click.echo(json.dumps(built.made, ensure_ascii=False))
    else:
        for line in sentences(built):
            click.echo(line, err=line.startswith("!"))
        click.echo(f"{out / 'index.html'}")
    if built.exit_code:
        raise SystemExit(built.exit_code)
