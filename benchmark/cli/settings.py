"""From flags to a RunConfig: defaults < file < environment < flags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpbench.errors import UsageError

if TYPE_CHECKING:
    from cpbench.records import RunConfig

JUDGES = "openai/NAME, anthropic/NAME, hf/ID, a judge's YAML, or simulated:KIND"
PROMPT = "The judge's prompt; see cpbench judge prompts. Default: the task's own."
OPTION = "An option of the judge: base_url, temperature, ..."


def from_file(context: click.Context, parameter: click.Parameter, path: str | None) -> None:
    """The callback of --config: a YAML of this command's flags by name; the environment and the flags go before it."""
    if path is None:
        return
    import yaml

    known = {option.name: option for option in context.command.params}
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not isinstance(settings, dict):
        raise UsageError(f"{path} should hold `flag: value` lines")
    defaults: dict[str, Any] = {}
    for key, value in settings.items():
        name = str(key).replace("-", "_")
        if name not in known:
            raise UsageError(f"{path}: no such setting", value=key, allowed=sorted(filter(None, known)))
        defaults[name] = [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else value
    context.default_map = {**(context.default_map or {}), **defaults}


def pairs(words: Iterable[str], flag: str, *, bare: bool = False) -> dict[str, str]:
    """`KEY=VALUE` words as a mapping; with `bare`, a word without "=" is the value of "" (for every task).

    >>> pairs(["dtype=float32"], "-M"), pairs(["/data", "cpqa=/other"], "--data-dir", bare=True)
    ({'dtype': 'float32'}, {'': '/data', 'cpqa': '/other'})
    """
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals and bare:
            key, value = "", word
        elif not equals or not key:
            raise UsageError(f"{flag} takes KEY=VALUE, not", value=word)
        if found.get(key, value) != value:
            raise UsageError(f"{flag} is given twice for {key or 'all'}:", value=value)
        found[key] = value
    return found


def shard(word: str | None) -> tuple[int, int]:
    """`3/16`, counted from 1, as (2, 16).

    >>> shard("3/16"), shard(None)
    ((2, 16), (0, 1))
    """
    if word is None:
        return (0, 1)
    found = re.fullmatch(r"(\d+)/(\d+)", word.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError("--shard takes I/N, from 1/N to N/N, not", value=word, mend="--shard 1/16")
    return (int(found[1]) - 1, int(found[2]))


def configured(flags: Mapping[str, Any]) -> RunConfig:
    """The RunConfig that the flags of `cpbench run` make."""
    from cpbench.records import RunConfig

    options = pairs(flags["model_options"], "-M")
    if flags["batch_size"] is not None:
        if "batch_size" in options:
            raise UsageError("--batch-size and -M batch_size= say the same thing; give one")
        options["batch_size"] = flags["batch_size"]
    conditions = [*flags["conditions"], *(f"tags:{source}" for source in flags["tags"])]
    return RunConfig(
        model=flags["model"],
        tasks=_tasks(flags["tasks"], flags["model"]),
        judges=tuple(dict.fromkeys(flags["judges"])),
        judge_prompt=flags["judge_prompt"],
        judge_options=pairs(flags["judge_options"], "-J"),
        conditions=tuple(dict.fromkeys(conditions)),
        model_options=options,
        data_dirs=pairs(flags["data_dirs"], "--data-dir", bare=True),
        out=flags["out"],
        limit=flags["limit"],
        shard=shard(flags["shard"]),
        asr=flags["asr"],
        paraphrases=flags["paraphrases"],
        seed=flags["seed"],
        strict=flags["strict"],
        hearing_check=flags["hearing_check"],
        third_party_ok=flags["third_party_ok"],
    )


def _tasks(word: str | None, model: str) -> tuple[str, ...]:
    """Task names; without any, the model's default ones."""
    from cpbench.tasks import default_tasks

    if word is None:
        return default_tasks(model)
    names = tuple(dict.fromkeys(name.strip() for name in word.split(",") if name.strip()))
    if not names:
        raise UsageError("--tasks names no task", mend="cpbench tasks")
    return names
