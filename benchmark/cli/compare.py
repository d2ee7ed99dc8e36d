"""cpbench compare"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

SHOWN = 3
"""Items that only one side got right, per pair and side, that the tables show where nobody says how many."""


@click.command(name="compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN RUN...")
@click.option("--condition", metavar="C", help="The condition to compare under. Default: each run's own main one.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only this metric; repeatable. Default: all.")
@click.option("--judge", metavar="NAME", help="Only by this judge. Default: every judge that two runs have in common.")
@click.option(
    "--items",
    metavar="N|FILE",
    help=f"Items that only one side got right: show N per side (default {SHOWN}), or write all to a JSONL file.",
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the differences: .svg or .png.")
@click.option("--page", type=click.Path(path_type=Path), metavar="FILE", help="Write it all as one page: .html.")
@click.option(
    "--fail-on-regression",
    is_flag=True,
    help="Exit 3 where the last run is significantly worse than the first, 4 where that cannot be told.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def command(
    *,
    runs: tuple[Path, ...],
    items: str | None,
    plot: Path | None,
    page: Path | None,
    fail_on_regression: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Compare runs, every pair on the items that both answered. Needs neither model, audio nor torch.

    Differences are paired by item, tested by recording and corrected for the number of pairs. --fail-on-regression
    looks at each task's main metric: the first --metric, else judge_score by the first judge that all runs share, else
    the task's metric that counts the most items.

    \b
      cpbench compare runs/before runs/after
      cpbench compare runs/before runs/after --fail-on-regression --metric macro_f1
      cpbench compare runs/a runs/b runs/c --judge openai/NAME --plot forest.svg --page compare.html
    """
    from cpbench.cli.show_comparison import show_comparison
    from cpbench.comparison.compare import Choice, compare
    from cpbench.comparison.page import check_page, write_page
    from cpbench.comparison.plot import check_plot, draw
    from cpbench.comparison.right import write_items
    from cpbench.runfolder import load_run

    count, file = _items(items)
    if plot is not None:
        check_plot(plot)
    if page is not None:
        check_page(page)
    found = compare([load_run(run) for run in runs], Choice(**chosen))
    gate = found.gate() if fail_on_regression else None
    if file is not None:
        click.echo(f"items: {write_items(found.alone, file)}", err=True)
    if plot is not None:
        click.echo(f"plot: {draw(found, plot)}", err=True)
    if page is not None:
        click.echo(f"page: {write_page(found, page, gate=gate)}", err=True)
    show_comparison(found, gate, items=count, as_json=as_json)
    if gate is not None and gate.exit_code:
        raise SystemExit(gate.exit_code)


def _items(word: str | None) -> tuple[int, Path | None]:
    """How many items to show, and the file to write all of them to."""
    if word is None:
        return SHOWN, None
    return (int(word), None) if word.isdecimal() else (SHOWN, Path(word))
