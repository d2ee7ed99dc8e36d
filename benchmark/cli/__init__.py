"""The command line: flags in, one call, the answer shown. Nothing imports this package.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a gate said no, 4 no verdict, 75 stopped by a signal and resumable, 130
interrupted.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar

import click

from cpbench import __version__
from cpbench.errors import UserError
from cpbench.flow.stopping import Stopped

COMMANDS: Mapping[str, str] = {
    "run": "Run a model on some tasks, and score its answers.",
    "merge": "Bring the shards of one run together.",
    "report": "Score a run again, show its results, and write its page.",
    "export": "Write a run's scores, or its answers, in the formats of others.",
    "compare": "Compare runs on the same items: who is better, and what can be told at all.",
    "judge": "LLM judges: score saved answers, and the judges' prompts.",
    "leaderboard": "Submit runs, check submissions, and keep a board of them.",
    "tasks": "List the tasks, or show one.",
    "data": "Prepare data: fetch, annotate and condense them, and make questions of them.",
    "train": "Train a Speech-LLM.",
    "miniature": "The source paper's variants in small, on synthetic speech.",
    "worker": "Start a file for a model in an environment of its own.",
    "doctor": "What is installed and can be reached here; do two backends answer alike.",
    "lm-eval": "lm-eval's own command line, with cpbench's tasks and models.",
}
"""Every command and its one line: `--help` shows them without importing what they do."""


class Commands(click.Group):
    """The commands, each imported when it is called: a file of the package's folder with `command`."""

    package: ClassVar[str] = "cpbench.cli"
    offered: ClassVar[Mapping[str, str]] = COMMANDS

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.offered)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.offered:
            return None
        command: click.Command = importlib.import_module(f"{self.package}.{name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.offered:
            from cpbench.errors import UsageError

            raise UsageError("no such command", value=args[0], allowed=self.offered)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.offered.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cpbench")
def cpbench() -> None:
    """Does a Speech-LLM understand what is said together with how it is said?

    Results go to stdout, progress and messages to stderr. Start with `cpbench run --model demo`.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. What the user can mend is one message on stderr, without a traceback."""
    try:
        cpbench.main(arguments, prog_name="cpbench", standalone_mode=False)
    except click.Abort:
        _leave("interrupted; what was written stands, and the same command goes on", 130)
    except KeyboardInterrupt:
        _leave("interrupted; what was written stands, and the same command goes on", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Stopped as stopped:
        _leave(str(stopped), stopped.exit_code)
    except UserError as error:
        _leave(f"Error: {error}", error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our stdout has gone: nothing is left to say
        sys.exit(1)


def _leave(message: str, code: int) -> None:
    click.echo(message, err=True)
    sys.exit(code)
