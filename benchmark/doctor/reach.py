"""What can be reached from here: keys by their names, the Hub's cache, the tasks' data, and endpoints where asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cpbench.doctor.findings import Finding, homeless
from cpbench.errors import UserError

KEYS = {
    "OPENAI_API_KEY": "openai/NAME at OpenAI's; a server of your own needs none",
    "ANTHROPIC_API_KEY": "anthropic/NAME",
    "ANTHROPIC_AUTH_TOKEN": "anthropic/NAME, instead of a key",
    "HF_TOKEN": "gated models and data sets on the Hub",
}
ADDRESSES = ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "HF_ENDPOINT")
SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
STATES = {
    "packaged": "packaged",
    "given": "in the folder that --data-dir names",
    "cached": "in the Hub's cache",
    "needs fetch": "not here",
    "needs --data-dir": "not here: its owner gives it out",
}


def keys(environment: Mapping[str, str]) -> list[Finding]:
    """Which keys and addresses are set. Of a key no more than its name is ever said."""
    found = [_key(name, what, environment.get(name, "")) for name, what in KEYS.items()]
    addresses = ((name, environment[name]) for name in ADDRESSES if environment.get(name))
    return found + [Finding("keys", name, "note", f"asks {bare(address)}") for name, address in addresses]


def _key(name: str, what: str, value: str) -> Finding:
    if not value:
        return Finding("keys", name, "note", f"not set: {what}")
    if value != value.strip() or not value.isascii() or not value.isprintable():
        says = "set, with blanks around it, or signs that no key has"
        return Finding("keys", name, "missing", says, f"export {name}=... once more")
    return Finding("keys", name, "ok", f"set: {what}")


def bare(address: str) -> str:
    """An address without a user, a password or a query.

    >>> bare("https://me:secret@host:8000/v1?key=x")
    'https://host:8000/v1'
    """
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def hub(environment: Mapping[str, str]) -> list[Finding]:
    """Where the Hub's cache is, what it holds, and whether this machine asks the Hub at all."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    held = sorted(path.name for path in cache.glob("*--*")) if cache.is_dir() else []
    models, sets = (sum(name.startswith(kind) for name in held) for kind in ("models--", "datasets--"))
    says = f"{homeless(cache)}: {models} models, {sets} data sets" if held else f"{homeless(cache)}: empty"
    lines = [Finding("hub", "cache", "ok" if held else "note", says)]
    there = next(each for each in (cache, *cache.parents) if each.exists())
    if not os.access(there, os.W_OK):
        lines.append(
            Finding("hub", "cache", "note", "cannot be written to: nothing new is fetched", "export HF_HOME=DIR")
        )
    switched = [name for name in SWITCHES if environment.get(name, "").lower() in ("1", "true", "yes", "on")]
    offline = f"yes, by {', '.join(switched)}: no socket is opened" if switched else "no: what is missing is fetched"
    lines.append(Finding("hub", "offline", "note", offline))
    if Path(constants.HF_TOKEN_PATH).is_file():
        lines.append(Finding("hub", "login", "ok", "a token is stored (hf auth login)"))
    return lines


def tasks(data_dirs: Mapping[str, str]) -> list[Finding]:
    """Which tasks' data are here, without the network."""
    from cpbench.tasks import data_states

    return [_task(name, state, folder) for name, (state, folder) in data_states(data_dirs).items()]


def _task(name: str, state: str, folder: Path | None) -> Finding:
    says = STATES[state]
    if folder is not None and not folder.is_dir():
        return Finding(
            "data", name, "missing", f"--data-dir names no folder: {homeless(folder)}", f"--data-dir {name}=DIR"
        )
    if not state.startswith("needs"):
        return Finding("data", name, "ok", says)
    mend = f"cpbench data fetch {name}" if state == "needs fetch" else f"--data-dir {name}=DIR"
    return Finding("data", name, "note", says, mend)


def asked(addresses: Iterable[str], environment: Mapping[str, str]) -> Iterator[Finding]:
    """Ask endpoints which models they serve: those given, and those whose keys are set. Nothing is generated."""
    if environment.get("OPENAI_API_KEY") or environment.get("OPENAI_BASE_URL"):
        yield _asked("openai", None)
    if environment.get("ANTHROPIC_API_KEY") or environment.get("ANTHROPIC_AUTH_TOKEN"):
        yield _asked("anthropic", None)
    for address in addresses:
        yield _asked("openai", address)


def _asked(provider: str, address: str | None) -> Finding:
    from cpbench.chat import served

    name = provider if address is None else bare(address)
    try:
        models = served(provider, address)
    except UserError as error:
        return Finding("endpoints", name, "missing", error.what, error.mend)
    listed = ", ".join(models[:5]) + (f" and {len(models) - 5} more" if len(models) > 5 else "")
    return Finding(
        "endpoints", name, "ok", f"answers, and serves {listed}" if models else "answers, and lists no models"
    )
