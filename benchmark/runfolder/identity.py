"""Whether two configurations are of one run, and where a run lies."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.flow.ledger import adapter
from cpbench.records import RunConfig, Task

T = TypeVar("T")
GROWING = ("asr", "paraphrases")
"""What a run may be given when it goes on, and keeps: another value means other questions, and is refused."""
FREE = frozenset(
    {
        *("out", "limit", "strict", "hearing_check", "third_party_ok", "judges", "judge_prompt", "judge_options"),
        *("conditions", *GROWING),
    }
)
"""What may change when a run goes on: where it lies, how far it goes, how strict it is, who judges it; and conditions,
which are added to those that it has."""

WHEREABOUTS = frozenset({"base_url", "concurrency", "timeout"})
"""A model's options that say where and how fast it is asked, not who: a server stands on another node after each start,
and more of them make no other run. (A judge's identity leaves the same out: judges/_spec.py.)"""


def run_path(config: RunConfig) -> Path:
    """Where a run lies: --out, or a readable name that is a function of the configuration alone."""
    if config.out:
        return Path(config.out)
    model = Path(config.model.split(":", 1)[-1]).name
    words = re.sub(r"[^A-Za-z0-9.+_-]+", "-", f"{model}-{'+'.join(Path(task).stem for task in config.tasks)}")[:80]
    return Path("runs") / f"{words}-{digest(_identity(config))[:8]}"


def continued(config: RunConfig) -> tuple[RunConfig, RunConfig | None]:
    """The configuration with what the run's earlier starts were given and this one leaves open; and theirs, if any.

    Raises UserError where this one gives something else than they did.
    """
    path = run_path(config) / "run.yaml"
    before = config_at(path) if path.is_file() else None
    if before is None:
        return config, None
    if other := regiven(before, config):
        raise UserError(f"{path.parent} holds a run of another configuration: {other}", mend="another --out")
    return dataclasses.replace(
        config, asr=config.asr or before.asr, paraphrases=config.paraphrases or before.paraphrases
    ), before


def differences(a: RunConfig, b: RunConfig, *, but: set[str]) -> str | None:
    """The first setting in which two configurations differ, in words."""
    before, after = _identity(a), _identity(b)
    for key in before:
        if key not in but and before[key] != after[key]:
            return f"{key} was {before[key]!r} and is {after[key]!r}"
    return regiven(a, b)


def regiven(a: RunConfig, b: RunConfig) -> str | None:
    """What both were given, each another one, of what a run may be given when it goes on; in words."""
    for key in GROWING:
        old, new = getattr(a, key), getattr(b, key)
        if old and new and _absolute(old) != _absolute(new):
            return f"{key} was {old!r} and is {new!r}"
    return None


def _identity(config: RunConfig) -> dict[str, Any]:
    """What makes two runs the same; existing paths are made absolute, so that the working folder does not matter."""
    made = {key: value for key, value in plain(config).items() if key not in FREE}
    made["model"] = _absolute(made["model"])
    made["model_options"] = {key: value for key, value in made["model_options"].items() if key not in WHEREABOUTS}
    made["tasks"] = [_absolute(task) for task in made["tasks"]]
    made["data_dirs"] = {task: _absolute(path) for task, path in made["data_dirs"].items()}
    return made


def _absolute(word: str) -> str:
    return str(Path(word).resolve()) if Path(word).exists() else word


def fingerprints(tasks: Sequence[Task]) -> dict[str, str | None]:
    """What each task asks, by name."""
    return {task.name: task.fingerprint for task in tasks}


def config_at(path: Path) -> RunConfig:
    """The configuration in a run.yaml."""
    return read(RunConfig, yaml.safe_load(path.read_text(encoding="utf-8")))


def plain(record: Any) -> dict[str, Any]:
    """A record as JSON has it."""
    made: dict[str, Any] = adapter(type(record)).dump_python(record, mode="json")
    return made


def read(record: type[T], value: Any) -> T:
    """The record of what JSON has. Raises pydantic's ValidationError where it does not fit."""
    return adapter(record).validate_python(value)
