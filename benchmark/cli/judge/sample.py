"""cpbench judge sample"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="sample")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--n", type=click.IntRange(min=1), default=200, show_default=True, help="Answers, over all systems.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A folder that is new or empty."
)
@click.option("--raters", type=click.IntRange(min=1, max=20), default=2, show_default=True, help="A page for each.")
@click.option(
    "--overlap",
    type=click.IntRange(min=0),
    metavar="N",
    help="Answers that all raters are given; the rest is divided among them. Default: 50.",
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only questions of this type; may be repeated.")
@click.option(
    "--reference",
    type=click.Choice(["on-demand", "shown", "never"]),
    default="on-demand",
    show_default=True,
    help="Whether raters see the reference; on demand, it is noted who looked.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as one JSON object.")
def command(*, folders: tuple[Path, ...], out: Path, reference: str, as_json: bool, **plan: object) -> None:
    """Draw a random sample of answers, and write a page for human raters.

    The sample is stratified by question type and system; the pages show neither system nor judge, and work from a
    folder without network. What they save goes to `cpbench judge validate --humans FILE`.

    \b
      cpbench judge sample runs/a runs/b --n 200 --out rating
      cpbench judge sample runs/a runs/b --type CE --type CG --raters 3 --overlap 200 --out rating
    """
    from cpbench.judges.validity.rating import write_sample
    from cpbench.judges.validity.sample import Plan
    from cpbench.runfolder import load_run

    written = write_sample([load_run(folder) for folder in folders], Plan(**plan), out, reference=reference)  # type: ignore[arg-type]
    for note in written.notes:
        click.echo(f"! {note}", err=True)
    if as_json:
        click.echo(written.as_json())
    else:
        click.echo(written.in_words())
