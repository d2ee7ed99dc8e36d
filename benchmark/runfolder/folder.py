"""A run's folder, opened to go on or to be read."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cpbench.errors import UserError
from cpbench.fingerprint import judgement_key
from cpbench.flow.ledger import Ledger, adapter, merge, write_whole
from cpbench.records import Case, Item, Judgement, ModelCard, Outcome, Prediction, Results, RunConfig, Task
from cpbench.runfolder.identity import config_at, differences, fingerprints, plain, read, run_path

PACKAGES = ("torch", "transformers", "datasets", "lm-eval", "numpy", "soundfile", "soxr", "peft", "accelerate")


@dataclass
class Run:
    """One run's folder and what lies in it."""

    folder: Path
    config: RunConfig
    tasks: tuple[Task, ...]
    items: tuple[Item, ...]
    predictions: Ledger[Prediction]
    judgements: Ledger[Judgement]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    results: Results | None = None  # once it is scored

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def card(self) -> ModelCard:
        """The model that ran, as it described itself."""
        return read(ModelCard, self.manifest["model"])

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return plain(self.config)

    @property
    def main_condition(self) -> str:
        """What the results are about: the condition that the model was made for where the run has it.

        That is `audio`, or an explicit checkpoint's tags. Else `audio`, else the first; so no condition that is added
        to a run changes what its results are about.
        """
        conditions = self.config.conditions or (self.card.condition,)
        return next(one for one in (self.card.condition, "audio", *conditions) if one in conditions)

    @property
    def loaded(self) -> list[tuple[Task, list[Item]]]:
        """The tasks, each with its items, as the run has them."""
        return [(task, [item for item in self.items if item.task == task.name]) for task in self.tasks]

    def outcomes(
        self, *, condition: str | None = None, judge_id: str | None = None, repeats: int | None = None
    ) -> Iterator[Outcome]:
        """Every prediction (of one condition) with its item, and this judge's judgements of it.

        The conditions follow each other as the run has them, and the items as they were asked for: in whatever order
        ranks and shards have answered, the sums over these are the same to the last bit. `repeats`: so many judgements
        of an answer at most; None: as many as the judge was asked for of every item.
        """
        items = {(item.task, item.id): item for item in self.items}
        said = {} if judge_id is None else self._said(judge_id)
        times = repeats or self.manifest.get("judges", {}).get(judge_id, {}).get("repeats") or 1
        for prediction in self._in_order(condition):
            item = items[prediction.task, prediction.item_id]
            if judge_id is None or prediction.status == "error":
                yield Outcome(item, prediction)
                continue
            keys = [judgement_key(judge_id, case_of(item, prediction, repeat)) for repeat in range(times)]
            yield Outcome(item, prediction, tuple(said[key] for key in keys if key in said))

    def _in_order(self, condition: str | None) -> list[Prediction]:
        """The predictions of this run's items (under one condition), by condition and item."""
        items = {(item.task, item.id): at for at, item in enumerate(self.items)}
        conditions = {name: at for at, name in enumerate(self.config.conditions)}

        def place(said: Prediction) -> tuple[int, str, int]:
            known = conditions.get(said.condition, len(conditions))
            return known, said.condition, items[said.task, said.item_id]

        kept = (said for said in self.predictions if condition in (None, said.condition))
        return sorted((said for said in kept if (said.task, said.item_id) in items), key=place)

    def _said(self, judge_id: str) -> dict[str, Judgement]:
        """One judge's judgements by key, without their long texts, which stay on disk."""
        return {
            one.key: dataclasses.replace(one, raw=None, reason=None, calls=())
            for one in self.judgements
            if one.judge_id == judge_id
        }

    def keep(self, config: RunConfig, tasks: Sequence[tuple[Task, Sequence[Item]]], *, write: bool = True) -> None:
        """Take this configuration, and the items as they are now; `write`: into run.yaml and items.jsonl too."""
        self.config, self.items = config, tuple(item for _, items in tasks for item in items)
        if write:
            settings = yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True)
            write_whole(self.folder / "run.yaml", settings.encode())
            write_whole(self.folder / "items.jsonl", b"".join(_dump(item) + b"\n" for item in self.items))

    def note(self, **facts: Any) -> None:
        """Add facts to manifest.json."""
        self.manifest = {**self.manifest, **facts}
        write_json(self.folder / "manifest.json", self.manifest)


def open_run(config: RunConfig, tasks: Sequence[tuple[Task, Sequence[Item]]], *, rank: int | None = None) -> Run:
    """Make a run's folder, or open it again where the configuration and the data are the same.

    With several ranks, rank 0 makes the folder before the others open it. Raises UserError for a folder that holds
    another configuration, other data, or something else than a run.
    """
    folder = run_path(config)
    kept = tuple(task for task, _ in tasks)
    if rank in (None, 0):
        manifest = _admit(folder, config, kept)
        merge(folder / "predictions.jsonl")  # what the ranks of a killed start left
        merge(folder / "judgements.jsonl")
    else:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    run = Run(
        folder, config, kept, tuple(item for _, items in tasks for item in items), *_ledgers(folder, rank), manifest
    )
    if rank in (None, 0):
        run.keep(config, tasks)
        run.note(tasks=[plain(task) for task in kept], environment=environment(), arguments=sys.argv[1:])
    return run


def load_run(folder: Path) -> Run:
    """Open a run that exists, for reading. Needs neither its data, nor its audio, nor its model."""
    for name in ("run.yaml", "manifest.json", "items.jsonl"):
        if not (folder / name).is_file():
            raise UserError(
                f"not a run, it has no {name}:", value=str(folder), mend="the folder that cpbench run names"
            )
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    with (folder / "items.jsonl").open("rb") as lines:
        items = tuple(read(Item, json.loads(line)) for line in lines)
    return Run(
        folder,
        config_at(folder / "run.yaml"),
        tuple(read(Task, task) for task in manifest["tasks"]),
        items,
        *_ledgers(folder, None),
        manifest,
    )


def case_of(item: Item, prediction: Prediction, repeat: int = 0) -> Case:
    """What a judge is asked of a prediction: a refused or cut-off answer is put to it as an empty one."""
    answer = prediction.answer if prediction.status == "ok" else ""
    return Case(item, answer, prediction.condition, repeat)


def environment() -> dict[str, Any]:
    """What this run runs on: versions and hardware; no host name, no user name."""
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "packages": {name: _version(name) for name in ("cpbench", *PACKAGES)},
    }
    if (torch := sys.modules.get("torch")) is not None:
        facts["threads"] = torch.get_num_threads()
        facts["gpus"] = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return facts


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write indented JSON in one step. Raises ValueError for NaN, which JSON does not have."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=plain).encode() + b"\n")


def _admit(folder: Path, config: RunConfig, tasks: Sequence[Task]) -> dict[str, Any]:
    """Refuse a folder that does not belong to this run; the manifest of one that does."""
    if not (folder / "run.yaml").exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError("this is not the folder of a run:", value=str(folder), mend="another --out")
        return {}
    if other := differences(config_at(folder / "run.yaml"), config, but=set()):
        raise UserError(f"{folder} holds a run of another configuration: {other}", mend="another --out")
    if not (folder / "manifest.json").exists():
        return {}
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    before = fingerprints([read(Task, task) for task in manifest["tasks"]])
    for name, now in fingerprints(tasks).items():
        if before.get(name) != now:
            raise UserError(f"the items of {name} have changed since {folder} was begun", mend="another --out")
    return manifest


def _dump(item: Item) -> bytes:
    return adapter(Item).dump_json(item, exclude_defaults=True)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _ledgers(folder: Path, rank: int | None) -> tuple[Ledger[Prediction], Ledger[Judgement]]:
    """The two ledgers of a run. What failed without having been paid for is done again."""
    predictions = Ledger(folder / "predictions.jsonl", Prediction, again=lambda one: one.status == "error", rank=rank)
    unpaid = frozenset({"api_error", "expired"})
    judgements = Ledger(folder / "judgements.jsonl", Judgement, again=lambda one: one.status in unpaid, rank=rank)
    return predictions, judgements
