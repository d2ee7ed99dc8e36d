"""cpbench lm-eval"""

from __future__ import annotations

import click

HELP = ("-h", "--help")


@click.command(
    name="lm-eval", add_help_option=False, context_settings={"ignore_unknown_options": True, "help_option_names": []}
)
@click.option("--data-dir", "data_dirs", multiple=True, metavar="[TASK=]DIR", help="Where a task's data lie.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="LM_EVAL_ARGUMENTS...")
@click.pass_context
def command(context: click.Context, data_dirs: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    """lm-eval's own command line, with cpbench's tasks and a model called `cpbench`.

    The answers are those of `cpbench run`. `--model_args spec=` is a model as `cpbench run --model` takes it; other
    arguments are that model's options, and `third_party_ok=true`, `hearing_check=false`. lm-eval's own --limit takes
    the first N items. `cpbench lm-eval run --help` shows lm-eval's options.

    \b
      cpbench lm-eval --model cpbench --model_args spec=demo --tasks demo_cpqa
      cpbench lm-eval ls tasks
    """
    if not arguments or arguments[0] in HELP:
        click.echo(context.get_help())
        return
    from cpbench.cli.settings import pairs
    from cpbench.lm_eval_bridge import command_line

    command_line(arguments, pairs(data_dirs, "--data-dir", bare=True))
