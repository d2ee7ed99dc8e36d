"""cpbench merge"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="merge")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The merged run's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the table.")
def command(folders: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Bring the shards of one run together, and score it.

    It says how much no shard has answered; the merged run can be continued without --shard.
    """
    from cpbench.cli.show import show_results
    from cpbench.evaluate import score
    from cpbench.report import write_report
    from cpbench.runfolder import merge_runs

    run = score(merge_runs(folders, out))
    if run.results is not None:
        show_results(run, run.results, as_json=as_json)
        click.echo(f"report: {write_report(run)}", err=True)
