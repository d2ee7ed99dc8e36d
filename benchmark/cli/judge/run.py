"""cpbench judge run"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cpbench.cli.settings import JUDGES, OPTION, PROMPT, pairs


@click.command(name="run")
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--judge",
    "spec",
    required=True,
    metavar="SPEC",
    help=JUDGES,
)
@click.option("--judge-prompt", "prompt", metavar="NAME|FILE", help=PROMPT)
@click.option("-J", "options", multiple=True, metavar="KEY=VALUE", help=OPTION)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    metavar="K",
    help="Of every answer. Default: one, and five on 200 items.",
)
@click.option("--batch", is_flag=True, help="Through the provider's batches: cheaper, and hours later.")
@click.option("--dry-run", is_flag=True, help="Send nothing: count calls, tokens and, with --prices, money.")
@click.option("--max-calls", type=click.IntRange(min=1), metavar="N", help="Stop before the call after the N-th.")
@click.option("--max-cost", type=float, metavar="X", help="Stop before it would cost more; needs --prices.")
@click.option("--prices", type=click.Path(path_type=Path), metavar="FILE", help="A YAML of prices per million tokens.")
@click.option(
    "--third-party-ok",
    is_flag=True,
    help="Send data elsewhere although their license is silent.",
)
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the table.")
def command(*, folder: Path, as_json: bool, dry_run: bool, **flags: Any) -> None:
    """Judge the answers of a run; several judges stand side by side.

    What is judged already is not paid for again. Needs neither model, audio nor torch.
    """
    from cpbench.chat.paying import Paying
    from cpbench.chat.prices import load_prices
    from cpbench.cli.progress import Bar
    from cpbench.cli.show import show_results
    from cpbench.evaluate import judge_saved, price_judging
    from cpbench.evaluate.judging import Judging
    from cpbench.flow.stopping import stop_on_signals
    from cpbench.flow.watch import Watching
    from cpbench.report import write_report
    from cpbench.runfolder import load_run

    prices = load_prices(flags["prices"]) if flags["prices"] else None
    paying = Paying(prices, batch=flags["batch"], max_calls=flags["max_calls"], max_cost=flags["max_cost"])
    judging = Judging(
        flags["spec"],
        flags["prompt"],
        pairs(flags["options"], "-J"),
        repeats=flags["repeats"],
        third_party_ok=flags["third_party_ok"],
        paying=paying,
    )
    run = load_run(folder)
    if dry_run:
        click.echo(price_judging(run, judging))
        return
    with Bar() as bar, stop_on_signals() as stop:
        scored = judge_saved(run, judging, Watching(bar, stop.is_set))
    if scored.results is not None:
        show_results(scored, scored.results, as_json=as_json)
        click.echo(f"report: {write_report(scored)}", err=True)
