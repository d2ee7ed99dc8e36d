"""`cpbench data fetch`"""

from __future__ import annotations

import click


@click.command(name="fetch")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option("--model", "models", multiple=True, metavar="ID[@REVISION]", help="A model on the Hub too; repeatable.")
def command(tasks: tuple[str, ...], models: tuple[str, ...]) -> None:
    """Bring data sets (and models) into the Hub's cache, for a machine that will be offline.

    Without TASK and --model: the data of every task that lies on the Hub. The cache is $HF_HOME; on the offline machine
    set the same HF_HOME, and HF_HUB_OFFLINE=1.
    """
    from cpbench.data.fetch import fetch, not_on_hub
    from cpbench.errors import UserError

    failed = 0
    for fetched in fetch(tasks, models=models):
        name = ", ".join(fetched.tasks) or "model"
        if fetched.error is None:
            click.echo(f"{name}: {fetched.repo}, {fetched.size / 1e6:.1f} MB in {fetched.folder}")
        else:
            failed += 1
            click.echo(f"{name}: {fetched.error}", err=True)
    if not tasks and not models:
        for sentence in not_on_hub():
            click.echo(sentence, err=True)
    if failed:
        raise UserError(f"{failed} of the repositories did not come; the same command tries only these again")
