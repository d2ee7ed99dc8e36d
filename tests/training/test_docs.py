"""docs/training.md names every flag and every key, and none that there is not."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import click

from cpbench.cli.train import command
from cpbench.training import TrainConfig, load_config
from cpbench.training.config import PARTS, Stage

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def names(heading: str, end: str) -> set[str]:
    """What stands as code in the first column of the tables between two lines."""
    part = PAGE[PAGE.index(heading) : PAGE.index(end, PAGE.index(heading) + 1)]
    cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def test_every_flag() -> None:
    flags = {
        flag for one in command.params if isinstance(one, click.Option) for flag in (*one.opts, *one.secondary_opts)
    }
    assert {name.split()[0] for name in names("## Flags", "## Keys")} == flags


def test_every_key_of_a_configuration() -> None:
    assert names("## Keys of", "A stage (") == {field.name for field in fields(TrainConfig)}
    assert names("A stage (", "The other parts") == {field.name for field in fields(Stage)}
    parts = {f"{name}.{field.name}" for name, kind in PARTS.items() if kind is not Stage for field in fields(kind)}
    assert names("The other parts", "## Full size") == parts


def test_the_settings_that_the_page_shows_are_taken() -> None:
    shown = re.findall(r"--set ([\w.]+=[^\s`]+)", PAGE)
    assert len(shown) > 10
    for setting in shown:
        if setting != "KEY=VALUE":
            value = setting.replace("=N", "=7")
            load_config("lora", data=("items.jsonl",), out="x", changes={"base": "a/b"}, settings=[value])
