"""Who does something to a board: the flags that its commands share."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def board_option(command: Command) -> Command:
    """--board DIR."""
    return click.option(
        "--board", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The board's folder."
    )(command)


def author_options(command: Command) -> Command:
    """--by WHO and --why TEXT, for the history."""
    command = click.option("--why", metavar="TEXT", help="For the history.")(command)
    return click.option(
        "--by", metavar="WHO", help="For the history. Default: git's user.name, else who is logged in."
    )(command)


def who(by: str | None) -> str:
    """Who acts: as said, as git knows it, as the machine does."""
    if by:
        return by
    try:
        done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False, timeout=10)
        name = done.stdout.strip()
    except OSError:
        name = ""
    return name or getpass.getuser()
