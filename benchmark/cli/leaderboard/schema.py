"""cpbench leaderboard schema"""

from __future__ import annotations

import click


@click.command(name="schema")
@click.option("--codes", is_flag=True, help="Print what `check` may find instead, as Markdown tables.")
def command(codes: bool) -> None:
    """Print the JSON Schema of submission.json (draft 2020-12); the lines of the other two files are in its $defs.

    \b
      cpbench leaderboard schema > submission.schema.json
    """
    import json

    from cpbench.leaderboard import codes as known
    from cpbench.leaderboard.schema import json_schema

    if codes:
        click.echo("### What refuses a submission\n\n" + known.table(known.REFUSALS))
        click.echo("### What is shown beside an entry\n\n" + known.table(known.FLAGS), nl=False)
    else:
        click.echo(json.dumps(json_schema(), indent=1, ensure_ascii=False))
