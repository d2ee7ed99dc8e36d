"""Every command that the documentation shows is one that the command line takes: no option of it is unknown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cpbench.cli import cpbench
from cpbench.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), ROOT / "tasks" / "demo" / "README.md"]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "sh", "bash", "console")
SPAN = re.compile(r"`(cpbench [^`]+)`")
ENDS = {"|", ">", ">>", "2>", "&&", "||", ";", "&", "#"}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each `cpbench` command of a page, in a block or in a line, up to where the shell goes on."""
    text = page.read_text(encoding="utf-8")
    blocks = [block for language, block in FENCED.findall(text) if language in SHELL]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    shown = [line for line in lines if re.match(r"(\$ )?(\w+=\S+ )*cpbench ", line)]
    outside = FENCED.sub("", text)
    shown += [line.strip() for line in outside.replace("\\\n", " ").splitlines() if line.startswith("    cpbench ")]
    for line in [*shown, *SPAN.findall(outside)]:
        words = shlex.split(line, comments=True)
        words = words[words.index("cpbench") + 1 :]
        yield words[: next((at for at, word in enumerate(words) if word in ENDS), len(words))]


def taken(command: click.Command, words: list[str], name: str = "cpbench") -> None:
    """Parse a command as click does, without doing it. Raises click.UsageError for what it does not take."""
    context = click.Context(command, info_name=name)
    if isinstance(command, click.Group):
        first, inner, rest = command.resolve_command(context, [word for word in words if word not in ("...", "…")])
        assert inner is not None
        taken(inner, rest, str(first))
    elif not command.context_settings.get("ignore_unknown_options"):
        given = [word for word in words if word not in ("...", "…")]
        try:
            command.make_parser(context).parse_args(given)
        except click.BadOptionUsage:  # a sentence may name an option without its value
            if given == words and not given[-1].startswith("-"):
                raise


@pytest.mark.parametrize("page", [page for page in PAGES if list(commands(page))], ids=lambda page: page.name)
def test_commands_of_the_documentation_are_taken(page: Path) -> None:
    wrong = []
    for words in commands(page):
        try:
            taken(cpbench, words)
        except (click.UsageError, UsageError) as error:
            wrong.append(f"cpbench {shlex.join(words)}: {error}")
    assert wrong == []


@pytest.mark.parametrize(
    "line",
    ["run --modle demo", "judge run RUN --limit 3", "data export FILE --fromat swift", "compere a b", "judge ran"],
)
def test_a_command_that_is_not_taken_is_found(line: str) -> None:
    with pytest.raises((click.UsageError, UsageError)):
        taken(cpbench, line.split())
