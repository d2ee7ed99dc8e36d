"""`cpbench judge prompts`"""

from __future__ import annotations

import click


@click.command(name="prompts")
@click.option("--show", "name", metavar="NAME", help="Print a prompt's file.")
@click.option("--new", "file", metavar="FILE", help="Write a commented start of your own; an existing file is kept.")
def command(name: str | None, file: str | None) -> None:
    """List the judges' prompts that come with cpbench, show one, or start one of your own.

    \b
      cpbench judge prompts
      cpbench judge prompts --show cpqa
      cpbench judge prompts --new mine.yaml
    """
    from pathlib import Path

    from cpbench.errors import UsageError
    from cpbench.judges import new_prompt, prompt_text

    if name is not None and file is not None:
        raise UsageError("either --show or --new")
    if name is not None:
        click.echo(prompt_text(name), nl=False)
    elif file is not None:
        path = new_prompt(Path(file))
        click.echo(f"{path}: a prompt that works; change it, then")
        click.echo(f"  cpbench judge run RUN --judge openai/NAME --judge-prompt {path}")
    else:
        _list()


def _list() -> None:
    from rich.console import Console
    from rich.table import Table

    from cpbench.judges import DEFAULT_PROMPT, load_rubric, packaged_prompts

    table = Table("prompt", "version", "scale", "correct from", "sees", "what")
    for name in packaged_prompts():
        rubric = load_rubric(name)
        scale = ", ".join(map(str, rubric.scale))
        shown = f"{name} (default)" if name == DEFAULT_PROMPT else name
        prompt = rubric.prompt
        table.add_row(
            shown, str(prompt.version), scale, str(rubric.correct_from), ", ".join(prompt.fields), prompt.title
        )
    console = Console(highlight=False, markup=False)
    (console if console.is_terminal else Console(highlight=False, markup=False, width=160)).print(table)
