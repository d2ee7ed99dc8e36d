"""`python -m cpbench.data.synth --out DIR`: speak the synthetic corpus again."""

from __future__ import annotations

from pathlib import Path

import click

from cpbench.data.synth import build
from cpbench.data.synth.grammar import Part
from cpbench.errors import UserError


@click.command()
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--part", type=click.Choice(["demo", "train"]), default="demo", show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(folder: Path, part: Part, seed: int) -> None:
    """Speak the synthetic corpus with espeak-ng: the packaged demo part, or the part that its model is trained on."""
    try:
        for path in build(part, folder, seed=seed):
            click.echo(path)
    except UserError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
