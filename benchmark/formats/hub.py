"""Sets from the Hub: snapshots, folders made by `Dataset.save_to_disk`, parquet and arrow files.

Rows are read in arrow's own form, so no audio is decoded and neither torchcodec nor a copy of the set in a second cache
is needed. A set that `load_dataset` cannot load (a snapshot of `save_to_disk` folders, as CPQA-Evaluation-Set) and an
ordinary one come by the same two steps: `snapshot`, then `rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from cpbench.errors import UsageError, UserError
from cpbench.formats.audiobench import items_from_rows
from cpbench.records import Item

FOLDER = "__folder__"
"""The column that `rows` adds: the `save_to_disk` folder or the split that a row is from."""
FILES: Mapping[str, str] = {".parquet": "parquet", ".arrow": "arrow", ".jsonl": "json", ".json": "json", ".csv": "csv"}


def read(path: Path, *, task: str) -> Iterator[Item]:
    """Read a folder, a file, or a Hub id that is in the cache, its rows in either shape of `audiobench`."""
    root = _root(path, None)
    return items_from_rows(rows(root), task=task, sidecar=root if root.is_dir() else root.parent)


def rows(
    root: str | Path, *, revision: str | None = None, split: str | None = None, subset: str | None = None
) -> Iterator[Mapping[str, Any]]:
    """Every row as plain values: an audio is {bytes, path}, a class label its name; one row at a time.

    `root` is a folder, a data file, or a Hub id (then `snapshot` at `revision`). A folder in which `save_to_disk`
    folders lie at any depth gives the rows of all of them, by path; `split` keeps those on whose path the name stands.
    Of another set, `split` None is the test split, else the only one; `subset` is the configuration, of several.
    Raises UserError for what is not a data set, UsageError for an unknown split or subset.
    """
    where = _root(Path(root), revision)
    saved = sorted(state.parent for state in where.rglob("state.json")) if where.is_dir() else []
    return _saved_rows(where, saved, split) if saved else _loaded_rows(where, split, subset)


def snapshot(
    repo: str,
    revision: str | None = None,
    *,
    files: tuple[str, ...] = (),
    kind: Literal["dataset", "model"] = "dataset",
    mend: str | None = None,
) -> Path:
    """The folder of a Hub repository's files at one revision: fetched where the machine is online, else from the cache.

    `files`: patterns, () for all. `mend`: what to say to somebody whose machine is offline and lacks them. Under
    HF_HUB_OFFLINE=1 no socket is opened. Raises UserError: not cached, unreachable, unknown, gated, no such revision.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError

    offline = bool(constants.HF_HUB_OFFLINE)
    try:
        return Path(
            snapshot_download(
                repo,
                repo_type=kind,
                revision=revision,
                allow_patterns=list(files) or None,
                local_files_only=offline,
            )
        )
    except HFValidationError:
        raise UserError("not the id of a repository on the Hub, OWNER/NAME:", value=repo) from None
    except Exception as error:
        explained = _explain(
            error, repo if revision is None else f"{repo}@{revision}", kind, offline=offline, mend=mend
        )
        if explained is None:
            raise
        raise explained from None


def _explain(error: Exception, name: str, kind: str, *, offline: bool, mend: str | None) -> UserError | None:
    """What the Hub's client says, in one sentence; None: a fault that is not the user's."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name.partition('@')[0]}"
    again = mend or "cpbench data fetch"
    elsewhere = f"on a connected machine with the same HF_HOME: {again}"
    if isinstance(error, errors.GatedRepoError):
        what, mend = "its owner has to let you in first:", f"open {page}, then: hf auth login"
    elif isinstance(error, errors.RevisionNotFoundError):
        what, mend = "the Hub has no such revision:", f"open {page}"
    elif isinstance(error, errors.RepositoryNotFoundError):
        what, mend = f"the Hub has no such {kind}, or shows it to its members only:", "hf auth login"
    elif isinstance(error, errors.HfHubHTTPError):
        what, mend = f"the Hub refused ({_first_line(error)}):", f"later: {again}"
    elif offline and isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        what, mend = "not in the Hub's cache on this machine, and HF_HUB_OFFLINE is set:", elsewhere
    elif isinstance(error, errors.LocalEntryNotFoundError) or _is_of_transport(error):
        cause = _first_line(error.__cause__ or error)
        what, mend = f"the Hub at {constants.ENDPOINT} cannot be reached ({cause}):", elsewhere
    elif isinstance(error, OSError) and error.errno is not None:
        what, mend = f"{constants.HF_HUB_CACHE} cannot be written ({error.strerror}), for", "export HF_HOME=FOLDER"
    else:
        return None
    return UserError(what, value=name, mend=mend)


def _is_of_transport(error: Exception) -> bool:
    """Whether an error is the HTTP library's: the class above the Hub's own HTTP error, httpx or its successor."""
    from huggingface_hub.errors import HfHubHTTPError

    return isinstance(error, HfHubHTTPError.__bases__[0])


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _root(path: Path, revision: str | None) -> Path:
    if path.exists():
        return path
    if len(path.parts) != 2 or path.is_absolute() or path.suffix in FILES:
        raise UserError("no such folder, data file or data set:", value=str(path))
    return snapshot(path.as_posix(), revision)


def _saved_rows(root: Path, folders: list[Path], split: str | None) -> Iterator[Mapping[str, Any]]:
    names = {folder: folder.relative_to(root).as_posix() for folder in folders}
    kept = [folder for folder in folders if split is None or split in names[folder].split("/")]
    if not kept:
        raise UsageError(f"{root}: no saved data set is called", value=split, allowed=list(names.values()))
    return (row for folder in kept for row in _saved(folder, names[folder]))


def _saved(folder: Path, name: str) -> Iterator[Mapping[str, Any]]:
    from datasets import load_from_disk

    try:
        found = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's are among them
        raise UserError(f"not a data set that was saved whole ({_first_line(error)}):", value=str(folder)) from None
    return _plain_rows(found, folder, name)


def _loaded_rows(root: Path, split: str | None, subset: str | None) -> Iterator[Mapping[str, Any]]:
    from datasets import load_dataset

    if root.is_file() and root.suffix not in FILES:
        raise UserError("not a data file of a known kind:", value=str(root), allowed=FILES)
    try:
        if root.is_file():
            splits = load_dataset(FILES[root.suffix], data_files=str(root), streaming=True)
        else:
            splits = load_dataset(str(root), subset, streaming=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"not a data set ({_first_line(error)}):", value=str(root)) from None
    names = [str(name) for name in splits]
    wanted = split or ("test" if "test" in names else names[0] if len(names) == 1 else "")
    if wanted not in names:
        raise UsageError(f"{root}: no such split:", value=wanted, allowed=names)
    return _plain_rows(splits[wanted], root if root.is_dir() else root.parent, wanted)


def _plain_rows(found: Any, folder: Path, name: str) -> Iterator[Mapping[str, Any]]:
    """In arrow's form nothing is decoded; the features then tell what a class label is called."""
    features = dict(found.features or {})
    for table in found.with_format("arrow").iter(batch_size=1):
        for row in table.to_pylist():
            yield {FOLDER: name} | {key: _plain(value, features.get(key), folder) for key, value in row.items()}


def _plain(value: Any, feature: Any, folder: Path) -> Any:
    from datasets import Audio, ClassLabel

    if isinstance(feature, ClassLabel):
        return feature.int2str(value) if isinstance(value, int) and value >= 0 else None
    if isinstance(feature, Audio) and isinstance(value, dict):
        return value if value.get("bytes") or not value.get("path") else {**value, "path": str(folder / value["path"])}
    if isinstance(feature, dict) and isinstance(value, dict):
        return {key: _plain(inner, feature.get(key), folder) for key, inner in value.items()}
    return value
