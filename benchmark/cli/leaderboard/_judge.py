"""The judge that judges again: the flags that `rejudge` and `add --anchors` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpbench.cli.settings import JUDGES, OPTION, PROMPT

if TYPE_CHECKING:
    from cpbench.leaderboard.again import Asking

Command = Callable[..., Any]


def judge_options(*, required: bool) -> Callable[[Command], Command]:
    """--judge SPEC and what belongs to it."""
    options = [
        click.option("--judge", "spec", required=required, metavar="SPEC", help=JUDGES),
        click.option("--judge-prompt", "prompt", metavar="NAME|FILE", help=PROMPT),
        click.option("-J", "options", multiple=True, metavar="KEY=VALUE", help=OPTION),
        click.option(
            "--run",
            "folder",
            type=click.Path(path_type=Path),
            metavar="RUN",
            help="A run on the same set, where the board may not hold its texts (or the judge hears the clips).",
        ),
        click.option("--third-party-ok", is_flag=True, help="Send data elsewhere although their license is silent."),
        click.option(
            "--max-calls", type=click.IntRange(min=1), metavar="N", help="Stop before the call after the N-th."
        ),
        click.option(
            "--log",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Keep the judgements there, outside of the board: none is paid for twice.",
        ),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def asking(flags: dict[str, Any]) -> Asking:
    """The judge as the flags have it."""
    from cpbench.chat.paying import Paying
    from cpbench.cli.settings import pairs
    from cpbench.leaderboard.again import Asking
    from cpbench.runfolder import load_run

    return Asking(
        spec=flags["spec"],
        prompt=flags["prompt"],
        options=pairs(flags["options"], "-J"),
        items=load_run(flags["folder"]).items if flags["folder"] else (),
        third_party_ok=flags["third_party_ok"],
        paying=Paying(max_calls=flags["max_calls"]),
        log=flags["log"],
    )
