"""`cpbench worker --new FILE`: the start of a model, or of an annotator, in an environment of its own."""

from __future__ import annotations

import click


@click.command(name="worker")
@click.option("--new", "file", required=True, metavar="FILE", help="Where to write it; an existing file is kept.")
@click.option(
    "--kind",
    type=click.Choice(["model", "annotator"]),
    default="model",
    show_default=True,
    help="What answers questions, or what says how a voice sounds (or which words it says).",
)
def command(file: str, kind: str) -> None:
    """Write a one-file start for `command:PROGRAM`: Python 3.8 or later, no packages, two functions to fill in."""
    from pathlib import Path

    from cpbench import annotators, models

    if kind == "annotator":
        path = annotators.write_worker(Path(file))
        click.echo(
            f"{path}: fill in load() and annotate(), then\n"
            f"  cpbench data annotate DATA --annotator 'command:python3 {path}' --out clips.jsonl"
        )
        return
    path = models.write_worker(Path(file))
    click.echo(
        f"{path}: fill in load() and answer(), then\n  cpbench run --model 'command:python3 {path}' --tasks demo"
    )
