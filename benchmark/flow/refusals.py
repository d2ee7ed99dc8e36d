"""Why a checkpoint cannot be opened, as one message that says what mends it; whoever loads it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cpbench.errors import UserError

UNREACHABLE = {
    "ConnectError",
    "ConnectTimeout",
    "ConnectionError",
    "HfHubHTTPError",
    "LocalEntryNotFoundError",
    "OfflineModeIsEnabled",
    "ReadTimeout",
}


def refusal(path: str, error: BaseException) -> UserError:
    """What the libraries' error about `path` means to its user."""
    if path.startswith(("/", ".", "~")) and not Path(path).exists():
        return UserError(f"{path} cannot be opened: there is no such folder")
    kinds = {type(cause).__name__ for cause in causes(error)}
    what, mend = _hub(path, kinds) or _files(path, error)
    return UserError(what, mend=mend)


def _hub(path: str, kinds: set[str]) -> tuple[str, str] | None:
    """What is wrong and what mends it, where the Hub said no or nothing; None: it is something else."""
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    why = "HF_HUB_OFFLINE is set" if offline else "the Hub cannot be reached"
    if "GatedRepoError" in kinds:
        return (
            f"{path} is gated on the Hub: its owner wants its terms accepted",
            f"accept them at https://huggingface.co/{path}, then hf auth login",
        )
    if "RevisionNotFoundError" in kinds:
        return f"{path} has no such revision on the Hub", "revision=main"
    if "RepositoryNotFoundError" in kinds:
        return f"{path!r} is neither a folder here nor a model on the Hub", "hf auth login, if it is private"
    if kinds & UNREACHABLE:
        return (
            f"{path} is not in the local cache, and {why}",
            f"hf download {path}, on a machine with internet, into the same HF_HOME",
        )
    return None


def _files(path: str, error: BaseException) -> tuple[str, str | None]:
    """What is wrong with the files, or with what is installed."""
    said = _first_line(error)
    if isinstance(error, ImportError):
        return f"{path} needs a package that is not installed: {package_of(error)}", None
    if "trust_remote_code" in str(error):
        return f"{path} brings its own code, which is not run unasked", "-M trust_remote_code=true"
    if "safetensors" in said:
        return f"{path} has no safetensors weights, and cpbench loads no pickles: {said}", None
    return f"{path} cannot be opened: {said}", None


def package_of(error: ImportError) -> str:
    """The missing package's name, out of Python's or transformers' words."""
    if error.name:
        return error.name
    found = re.search(r"requires the (\S+) library|No module named '(\w+)'", str(error))
    return next(filter(None, found.groups()), "").lower() if found else _first_line(error)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised for."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
