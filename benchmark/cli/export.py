"""cpbench export"""

from __future__ import annotations

from pathlib import Path

import click

from cpbench.cli.settings import pairs


@click.command(name="export")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--to",
    "name",
    required=True,
    metavar="FORMAT",
    help="csv, json, parquet, latex, model-card, eee (Every Eval Ever).",
)
@click.option(
    "--answers",
    is_flag=True,
    help="One row an answer instead of one a score: csv, json, parquet. Texts as rights allow.",
)
@click.option(
    "-E", "options", multiple=True, metavar="KEY=VALUE", help="An option of the format: organisation, url, ..."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file, or the folder where a format writes several. Default: exports/ in the run's folder.",
)
def command(run: Path, name: str, answers: bool, options: tuple[str, ...], out: Path | None) -> None:
    """Write a run's scores, or its answers, in the formats of others. Prints the files.

    \b
      cpbench export RUN --to csv --out scores.csv
      cpbench export RUN --to eee -E organisation="A lab" -E relationship=third_party
      cpbench export RUN --to parquet --answers
    """
    from cpbench.errors import UsageError
    from cpbench.exports import answer_table, default_name, export, export_answers
    from cpbench.notebook import load_run

    if answers and options:
        raise UsageError("a table of answers takes no options", value=options[0])
    default = default_name(name)
    opened = load_run(run)
    path = out or run / "exports" / (default.replace("scores", "answers") if answers else default)
    if out is not None and Path(default).suffix and out.is_dir():
        path = out / default
    if answers:
        table = answer_table(opened.outcomes(), opened.tasks, judged=opened.judged())
        written = export_answers(name, table, path)
    else:
        written = export(name, opened.results, path, options=pairs(options, "-E"))
    for file in written:
        click.echo(file)
