"""Every example in a docstring is run."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "benchmark": "cpbench",
    "judges": "cpbench.judges",
    "tasks": "cpbench.tasks",
    "leaderboard": "cpbench.leaderboard",
}


def modules_with_examples() -> list[str]:
    found = []
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>>" in path.read_text(encoding="utf-8"):
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                found.append(".".join([package, *(part for part in parts if part != "__init__")]))
    return found


def test_the_words_of_storey_one_show_examples():
    assert {"cpbench.errors", "cpbench.labels", "cpbench.fingerprint", "cpbench.parts"} <= set(modules_with_examples())


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name):
    module = importlib.import_module(name)
    results = doctest.testmod(module, extraglobs={"dataclass": __import__("dataclasses").dataclass})
    assert results.attempted > 0
    assert results.failed == 0
