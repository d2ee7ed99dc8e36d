"""`cpbench worker --new FILE`: the start of a model in an environment of its own."""

from __future__ import annotations

import click


@click.command(name="worker")
@click.option("--new", "file", required=True, metavar="FILE", help="Where to write it; an existing file is kept.")
def command(file: str) -> None:
    """Write a one-file start for a `command:` model: Python 3.8 or later, no packages, two functions to fill in."""
    from pathlib import Path

    from cpbench.models import write_worker

    path = write_worker(Path(file))
    click.echo(
        f"{path}: fill in load() and answer(), then\n  cpbench run --model 'command:python3 {path}' --tasks demo"
    )
