"""`cpbench judge ...`"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click

from cpbench.cli import Commands


class Judging(Commands):
    package: ClassVar[str] = "cpbench.cli.judge"
    offered: ClassVar[Mapping[str, str]] = {
        "run": "Judge the answers of a run.",
        "sample": "Draw answers for people to rate, and write a page for each rater.",
        "pack": "Make the ground on which judges are validated, from runs.",
        "validate": "Measure how far a judge can be believed.",
        "prompts": "List the judges' prompts, show one, or start one of your own.",
    }


@click.group(name="judge", cls=Judging)
def command() -> None:
    """Score saved answers with LLM judges."""
