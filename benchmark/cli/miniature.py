"""cpbench miniature"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="miniature")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to, and to go on in.")
@click.option("--quick", is_flag=True, help="Two seeds, few clips, the adapter alone: to see that it works.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Trainings side by side.")
def command(out: Path, quick: bool, workers: int) -> None:
    """Train the source paper's variants in small, on synthetic speech, and write a page that compares them.

    The same command again goes on where it was stopped.
    """
    from cpbench.cli.progress import Bar
    from cpbench.miniature import FULL, QUICK, miniature

    with Bar() as bar:
        page = miniature(QUICK if quick else FULL, out, watch=bar, workers=workers)
    click.echo(page)
