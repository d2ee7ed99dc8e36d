"""What our task YAMLs say: read through lm-eval's own loader, without opening any data."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from cpbench.errors import UsageError, UserError
from cpbench.formats import hub
from cpbench.parts import build
from cpbench.records import Generation, QType, Rights, Task


@dataclass(frozen=True)
class HubSource:
    """A data set on the Hub, at one revision."""

    task: str
    repo: str
    revision: str  # a commit; a branch's name where no commit is known
    files: tuple[str, ...] = ()  # patterns; (): every file


@dataclass(frozen=True)
class Card:
    """One task YAML: the words of its `metadata`, and what lm-eval's own keys say of generation."""

    name: str
    title: str
    version: str
    license: str
    citation: str
    metrics: tuple[str, ...]
    recording: str  # what the recording is, in words: the unit of independence
    home: str = ""  # where its owner says how to get the data
    layout: str = ""  # how a folder of the data looks, with an example, for messages
    group: str | None = None
    audio_in_report: bool = False
    text_in_report: bool = False
    third_party_api: bool = False
    synthetic: bool = False
    judge_prompt: str | None = None
    question: str = ""  # the one wording, where all items share it; {labels} is the label set
    labels: tuple[str, ...] = ()
    type: QType | None = None  # where all items are of one
    type_column: str | None = None
    recording_column: str | None = None
    select: Mapping[str, str] = field(default_factory=dict)  # column -> value: which part of a set this task is
    repo: str | None = None  # on the Hub
    revision: str | None = None  # of `repo`
    files: tuple[str, ...] = ()
    packaged: bool = False  # the data lie beside the YAML
    generation: Generation = field(default_factory=Generation)
    yaml: str = ""

    @property
    def rights(self) -> Rights:
        return Rights(self.license, self.audio_in_report, self.text_in_report, self.third_party_api)

    @property
    def asked(self) -> str:
        """The question with the label set in it, always in the YAML's order: "anger, fear or joy"."""
        listed = " or ".join(filter(None, (", ".join(self.labels[:-1]), *self.labels[-1:])))
        return self.question.replace("{labels}", listed)

    def task(self) -> Task:
        """The record that goes with its items; revision, fingerprint and the source of types come with the data."""
        return Task(
            self.name,
            self.version,
            self.citation,
            self.metrics,
            self.rights,
            self.generation,
            synthetic=self.synthetic,
            judge_prompt=self.judge_prompt,
            repository=self.repo,
        )


@dataclass(frozen=True)
class DataState:
    """Where a task's data are, or what is missing."""

    state: Literal["packaged", "given", "cached", "needs --data-dir", "needs fetch"]
    folder: Path | None = None
    revision: str | None = None  # the snapshot's commit


def include_path() -> Path:
    """The folder of our YAMLs, for lm-eval's `--include_path`."""
    return Path(str(importlib.resources.files("cpbench.tasks")))


@functools.cache
def index() -> Mapping[str, Any]:
    """lm-eval's index of our folder alone: name -> entry, of tasks and groups. Takes a millisecond."""
    from lm_eval.tasks import TaskManager

    found: Mapping[str, Any] = TaskManager(include_path=include_path(), include_defaults=False).task_index
    return found


@functools.cache
def groups() -> Mapping[str, tuple[str, ...]]:
    """Group -> its tasks."""
    return {words["group"]: tuple(words["task"]) for words in _words() if "group" in words}


@functools.cache
def names() -> frozenset[str]:
    """Every name of ours, tasks and groups. Read without lm-eval, whose import takes a second."""
    return frozenset(groups()) | {words["task"] for words in _words() if "group" not in words and "task" in words}


def _words() -> Iterator[dict[str, Any]]:
    """Our YAMLs as they stand, their functions left out."""
    for path in sorted(include_path().glob("*/*.yaml")):
        yield yaml.load(path.read_text(encoding="utf-8"), _WithoutFunctions)


class _WithoutFunctions(yaml.SafeLoader):
    """`!function x.y` is read as None: only the names are wanted."""


_WithoutFunctions.add_multi_constructor("!function", lambda loader, suffix, node: None)


def default_tasks(model: str) -> tuple[str, ...]:
    """What a model is asked where nobody says: what the packaged one can do, or what the benchmark is for."""
    return ("demo",) if model == "demo" else ("cpqa",)


def list_tasks() -> list[Card]:
    """Every task of ours, by name."""
    return [card(name) for name, entry in sorted(index().items()) if entry.kind.name == "TASK"]


@functools.cache
def card(name: str) -> Card:
    """A task of ours by name. Raises UsageError for a name that is not one, and for a YAML with an unknown key."""
    entry = index().get(name)
    if entry is None or entry.kind.name != "TASK":
        raise UsageError("unknown task", value=name, allowed=sorted(index()), mend="cpbench tasks")
    group = next((key for key, members in groups().items() if name in members), None)
    return card_of(entry.cfg, yaml=str(entry.yaml_path), group=group)


def card_at(yaml: str | Path) -> Card:
    """The task of one YAML file, ours or a user's that reads its data with `@corpus`."""
    config = read_yaml(yaml, functions=False)
    known = index().get(str(config.get("task")))
    if known is not None and Path(known.yaml_path).resolve() == Path(yaml).resolve():
        return card(config["task"])  # which knows its group
    return card_of(config, yaml=str(yaml))


def read_yaml(path: str | Path, *, functions: bool = True) -> dict[str, Any]:
    """A task YAML with what it includes, and the functions that it names. Raises UserError where one cannot be read."""
    import yaml
    from lm_eval.tasks._yaml_loader import load_yaml

    try:
        return dict(load_yaml(path, resolve_func=functions))
    except (OSError, ValueError, ImportError, AttributeError, SyntaxError, yaml.YAMLError) as error:
        raise UserError(f"cannot be read as an lm-eval task ({error}):", value=str(path)) from error


def card_of(config: Mapping[str, Any], *, yaml: str, group: str | None = None) -> Card:
    """A `Card` from an lm-eval task's configuration."""
    words = dict(config.get("metadata") or {})
    words |= {"name": config["task"], "group": group, "yaml": yaml, "version": str(words.get("version", "0"))}
    try:
        return build(Card, {**words, "generation": generation_of(config.get("generation_kwargs") or {})})
    except UsageError as error:
        raise UserError(f"{yaml}: metadata: {error}") from None


def generation_of(words: Mapping[str, Any]) -> Generation:
    """lm-eval's generation_kwargs as a `Generation`. Without `do_sample`, a temperature means sampling, as there."""
    temperature = float(words.get("temperature") or 0.0)
    until = words.get("until") or ()
    return Generation(
        max_new_tokens=int(words.get("max_gen_toks", words.get("max_new_tokens", 256))),
        temperature=temperature if words.get("do_sample", temperature > 0) else 0.0,
        stop=(until,) if isinstance(until, str) else tuple(until),
    )


def folder_given(card: Card, data_dirs: Mapping[str, str]) -> Path | None:
    """The folder that `--data-dir` names for a task: its own, its group's, or DIR/TASK or DIR of the one for all.

    The one for all is not for the packaged tasks, which lack nothing.
    """
    for key in (card.name, card.group):
        if key is not None and key in data_dirs:
            return Path(data_dirs[key]).expanduser()
    if "" not in data_dirs or card.packaged:
        return None
    everything = Path(data_dirs[""]).expanduser()
    return everything / card.name if (everything / card.name).is_dir() else everything


def data_state(card: Card, data_dirs: Mapping[str, str] | None = None) -> DataState:
    """Where a task's data are: `--data-dir` before the package before the Hub's cache. Opens no socket."""
    given = folder_given(card, data_dirs or {})
    if given is not None:
        return DataState("given", given)
    if card.packaged:
        return DataState("packaged", Path(card.yaml).parent)
    if card.repo is None:
        return DataState("needs --data-dir")
    found = cached(card.repo, card.revision or "main")
    return DataState("needs fetch") if found is None else DataState("cached", found, found.name)


def data_states(data_dirs: Mapping[str, str] | None = None) -> dict[str, tuple[str, Path | None]]:
    """Where every task's data are, as `data_state` has it: the state and the folder. Read without lm-eval."""
    found: dict[str, tuple[str, Path | None]] = {}
    members = {name: group for group, names in groups().items() for name in names}
    for words in sorted(_words(), key=lambda each: str(each.get("task"))):
        if isinstance(words.get("task"), str):
            about = {key: words.get("metadata", {}).get(key) for key in ("repo", "revision", "packaged")}
            plain = Card(words["task"], "", "", "", "", (), "", group=members.get(words["task"]), **about)
            state = data_state(plain, data_dirs)
            found[plain.name] = (state.state, None if plain.packaged else state.folder)
    return found


def cached(repo: str, revision: str) -> Path | None:
    """The snapshot of a Hub data set in the local cache, or None."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def located(card: Card, data_dirs: Mapping[str, str]) -> Path:
    """The folder of a task's data, fetched where it lies on the Hub and this machine is online.

    Raises UserError with what was looked for where, and the two ways to mend it.
    """
    found = data_state(card, data_dirs)
    if found.state == "given" and found.folder is not None and not found.folder.is_dir():
        raise UserError(f"{card.name}: --data-dir names no folder:", value=str(found.folder))
    if found.folder is not None:
        return found.folder
    way = f"--data-dir {card.name}=DIR"
    if card.repo is None:
        where = f" ({card.home})" if card.home else ""
        raise UserError(f"{card.name}: its data have to come from their owner{where}: {card.layout}", mend=way)
    mend = f"cpbench data fetch {card.name}, or {way}"
    try:
        return hub.snapshot(card.repo, card.revision, files=card.files, mend=mend)
    except UserError as error:
        raise UserError(f"{card.name}: {error.what}", value=error.value, mend=error.mend or mend) from None


def hub_sources(names: Iterable[str] | None = None) -> list[HubSource]:
    """What has to be fetched for these tasks and groups (None: for every task): ours that lie on the Hub."""
    wanted = [card.name for card in list_tasks()] if names is None else expanded(names)
    cards = [card(name) for name in wanted]
    return [HubSource(one.name, one.repo, one.revision or "main", one.files) for one in cards if one.repo is not None]


def expanded(names: Iterable[str]) -> list[str]:
    """Groups replaced by their tasks, doubles left out, the order kept; other names stay as they are."""
    known = groups()
    return list(dict.fromkeys(task for name in names for task in known.get(name, (name,))))
