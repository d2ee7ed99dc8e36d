"""`cpbench data fetch`: bring into the Hub's cache what a machine will need when it is offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpbench.errors import UsageError, UserError
from cpbench.formats import hub
from cpbench.tasks import Card, HubSource, hub_sources, list_tasks

MODEL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.py", "*.md")
"""What is loaded of a model: weights come from safetensors, so their copies in older formats are not brought."""


@dataclass(frozen=True)
class Fetched:
    """One repository after the attempt."""

    repo: str
    tasks: tuple[str, ...]  # (): it is a model
    folder: Path | None = None  # None: it did not come, and `error` says why
    size: int = 0  # bytes
    error: UserError | None = None


def fetch(tasks: Sequence[str] = (), *, models: Sequence[str] = ()) -> Iterator[Fetched]:
    """Fetch the data sets of `tasks` (and groups) and the `models` (ID, or ID@REVISION), each repository once.

    Neither tasks nor models: the data sets of every task. What is in the cache already is not fetched again. A
    repository that cannot be had is given with its error, and the others go on. Raises UsageError for an unknown task,
    and UserError for one whose data do not lie on the Hub.
    """
    named = tuple(tasks) or None
    sources = [] if named is None and models else hub_sources(named)
    elsewhere = [] if named is None else _elsewhere(named, sources)
    if elsewhere:
        raise UserError("; ".join(elsewhere), mend="cpbench tasks NAME shows where a task's data come from")
    return _fetch(sources, models)


def not_on_hub() -> list[str]:
    """One sentence for each task whose data `fetch` cannot bring."""
    return [_where(card) for card in list_tasks() if card.repo is None and not card.packaged]


def _fetch(sources: Sequence[HubSource], models: Iterable[str]) -> Iterator[Fetched]:
    for (repo, revision), group in _by_repo(sources).items():
        names = tuple(source.task for source in group)
        whole = any(not source.files for source in group)
        files = () if whole else tuple(dict.fromkeys(pattern for source in group for pattern in source.files))
        yield _attempt(repo, revision, files, names)
    for model in models:
        repo, _, revision = model.removeprefix("hf/").partition("@")
        yield _attempt(repo, revision or None, MODEL_FILES, ())


def _attempt(repo: str, revision: str | None, files: tuple[str, ...], tasks: tuple[str, ...]) -> Fetched:
    mend = f"cpbench data fetch {' '.join(tasks) or f'--model {repo}'}"
    try:
        folder = hub.snapshot(repo, revision, files=files, kind="dataset" if tasks else "model", mend=mend)
    except UserError as error:
        return Fetched(repo, tasks, error=error)
    return Fetched(repo, tasks, folder, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))


def _by_repo(sources: Iterable[HubSource]) -> dict[tuple[str, str], list[HubSource]]:
    groups: dict[tuple[str, str], list[HubSource]] = {}
    for source in sources:
        groups.setdefault((source.repo, source.revision), []).append(source)
    return groups


def _elsewhere(names: Iterable[str], sources: Iterable[HubSource]) -> list[str]:
    """What is to be said of the named tasks that need something else than fetching; checks that all are known."""
    cards, fetched = {card.name: card for card in list_tasks()}, {source.task for source in sources}
    groups = {card.group for card in cards.values() if card.group}
    if unknown := [name for name in names if name not in cards and name not in groups]:
        raise UsageError("unknown task", value=unknown[0], allowed=[*cards, *sorted(groups)], mend="cpbench tasks")
    wanted = [cards[name] for name in names if name in cards and name not in fetched]
    return [_where(card) for card in wanted if not card.packaged]


def _where(card: Card) -> str:
    home = f" from its owner ({card.home})" if card.home else " from its owner"
    return f"{card.name} is not on the Hub: get it{home}, then --data-dir {card.name}=DIR"
