"""`cpbench data ...`"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click

from cpbench.cli import Commands


class Data(Commands):
    package: ClassVar[str] = "cpbench.cli.data"
    offered: ClassVar[Mapping[str, str]] = {
        "fetch": "Bring data sets and models into the Hub's cache, for a machine that will be offline.",
        "annotate": "Say how the voice of each clip sounds, and when.",
        "condense": "Keep what is rich in emotion, as the annotators agree.",
        "generate": "Make questions with answers from clips with words and tags.",
        "export": "Write questions in another training tool's layout.",
    }


@click.group(name="data", cls=Data)
def command() -> None:
    """Prepare data: to evaluate on, and to train on."""
