"""cpbench report"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the table.")
def command(run: Path, as_json: bool) -> None:
    """Score a run's folder again, show its results, and write its page, report.html. Needs neither model nor torch."""
    from cpbench.cli.show import show_results
    from cpbench.evaluate import score
    from cpbench.report import write_report
    from cpbench.runfolder import load_run

    scored = score(load_run(run))
    if scored.results is not None:
        show_results(scored, scored.results, as_json=as_json)
        click.echo(f"report: {write_report(scored)}", err=True)
