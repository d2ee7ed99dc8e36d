"""A run on disk: what was asked, what was answered, and how.

runs/<name>/run.yaml           the configuration; another one in the same folder is refused
            manifest.json      versions, hardware, model, prompts, fingerprints, hearing check
            items.jsonl        the items asked, so that nothing downstream opens a data set again
            predictions.jsonl  one line an answer
            judgements.jsonl   one line a call that was paid for: equal answers share it
            results.json       what --json prints
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from cpbench.errors import UserError
from cpbench.fingerprint import digest, judgement_key
from cpbench.flow.ledger import Ledger, adapter, merge, write_whole
from cpbench.records import Annotation, Case, Item, Judgement, ModelCard, Outcome, Prediction, Results, RunConfig, Task

T = TypeVar("T")
GROWING = ("asr", "paraphrases")
"""What a run may be given when it goes on, and keeps: another value means other questions, and is refused."""
FREE = frozenset(
    {
        *("out", "limit", "strict", "hearing_check", "third_party_ok", "judges", "judge_prompt", "judge_options"),
        *("conditions", "annotators", *GROWING),
    }
)
"""What may change when a run goes on: where it lies, how far it goes, how strict it is, who judges it; and conditions,
which are added to those that it has."""
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
        return _read(ModelCard, self.manifest["model"])

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return _plain(self.config)

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
        """Every prediction (of one condition) with its item, and this judge's judgements of it; in the file's order.

        `repeats`: so many judgements of an answer at most; None: as many as the judge was asked for of every item.
        """
        items = {(item.task, item.id): item for item in self.items}
        said = {} if judge_id is None else self._said(judge_id)
        times = repeats or self.manifest.get("judges", {}).get(judge_id, {}).get("repeats") or 1
        for prediction in self.predictions:
            item = items.get((prediction.task, prediction.item_id))
            if item is None or condition not in (None, prediction.condition):
                continue
            if judge_id is None or prediction.status == "error":
                yield Outcome(item, prediction)
                continue
            keys = [judgement_key(judge_id, case_of(item, prediction, repeat)) for repeat in range(times)]
            yield Outcome(item, prediction, tuple(said[key] for key in keys if key in said))

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
            settings = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
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
        run.note(tasks=[_plain(task) for task in kept], environment=environment(), arguments=sys.argv[1:])
    return run


def continued(config: RunConfig) -> tuple[RunConfig, RunConfig | None]:
    """The configuration with what the run's earlier starts were given and this one leaves open; and theirs, if any.

    Raises UserError where this one gives something else than they did.
    """
    path = run_path(config) / "run.yaml"
    before = _config(path) if path.is_file() else None
    if before is None:
        return config, None
    if other := _regiven(before, config):
        raise UserError(f"{path.parent} holds a run of another configuration: {other}", mend="another --out")
    return dataclasses.replace(
        config, asr=config.asr or before.asr, paraphrases=config.paraphrases or before.paraphrases
    ), before


def load_run(folder: Path) -> Run:
    """Open a run that exists, for reading. Needs neither its data, nor its audio, nor its model."""
    for name in ("run.yaml", "manifest.json", "items.jsonl"):
        if not (folder / name).is_file():
            raise UserError(
                f"not a run, it has no {name}:", value=str(folder), mend="the folder that cpbench run names"
            )
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    with (folder / "items.jsonl").open("rb") as lines:
        items = tuple(_read(Item, json.loads(line)) for line in lines)
    return Run(
        folder,
        _config(folder / "run.yaml"),
        tuple(_read(Task, task) for task in manifest["tasks"]),
        items,
        *_ledgers(folder, None),
        manifest,
    )


def merge_runs(folders: Sequence[Path], out: Path) -> Run:
    """Bring the shards of one run together in `out`.

    Raises UserError for folders that are no runs, shards of different runs, and a shard given twice. A shard that is
    missing or was stopped is no error: the merged run, continued without --shard, answers what is left.
    """
    for folder in folders:
        merge(folder / "predictions.jsonl")
        merge(folder / "judgements.jsonl")
    runs = [load_run(folder) for folder in folders]
    first = runs[0]
    for run in runs[1:]:
        if other := _differences(first.config, run.config, but={"shard"}):
            raise UserError(f"{run.folder} is not of the same run as {first.folder}: {other}")
        if _data(run.tasks) != _data(first.tasks):
            raise UserError(f"{run.folder} was asked other items than {first.folder}")
    parts = [run.config.shard for run in runs]
    if doubled := next((part for part in parts if parts.count(part) > 1), None):
        raise UserError(f"shard {doubled[0] + 1}/{doubled[1]} is given twice")
    items: dict[tuple[str, str], Item] = {}
    for item in (item for run in runs for item in run.items):
        items[item.task, item.id] = _known_of(item, items.get((item.task, item.id), item))
    tasks = [(task, [item for item in items.values() if item.task == task.name]) for task in first.tasks]
    config = dataclasses.replace(
        first.config,
        shard=(0, 1),
        out=str(out),
        conditions=tuple(dict.fromkeys(name for run in runs for name in run.config.conditions)),
        asr=next((run.config.asr for run in runs if run.config.asr), None),
        paraphrases=next((run.config.paraphrases for run in runs if run.config.paraphrases), None),
    )
    whole = open_run(config, tasks)
    _bring_annotations(runs, whole)
    with whole.predictions, whole.judgements:
        for run in runs:
            for prediction in run.predictions:
                if prediction.key not in whole.predictions:
                    whole.predictions.append(prediction)
            for judgement in run.judgements:
                if judgement.key not in whole.judgements:
                    whole.judgements.append(judgement)
    seconds = sum(run.manifest.get("wall_s", 0.0) for run in runs)
    shared = ("model", "asked_in_all", "hearing_check", "prompts", "judges", "wordings")
    kept = {key: first.manifest[key] for key in shared if key in first.manifest}
    kept["left_out"] = _left_out(run.manifest.get("left_out", ()) for run in runs)
    kept["annotations"] = _annotators(run.manifest.get("annotations", ()) for run in runs)
    whole.note(**kept, wall_s=seconds, merged=[f"{part[0] + 1}/{part[1]}" for part in sorted(parts)])
    return whole


def case_of(item: Item, prediction: Prediction, repeat: int = 0) -> Case:
    """What a judge is asked of a prediction: a refused or cut-off answer is put to it as an empty one."""
    answer = prediction.answer if prediction.status == "ok" else ""
    return Case(item, answer, prediction.condition, repeat)


def _known_of(item: Item, other: Item) -> Item:
    """An item with what either shard knows of its clips: each has only its own part's words and tags made."""
    clips = [
        dataclasses.replace(
            clip,
            transcript=twin.transcript if clip.transcript is None else clip.transcript,
            tags=max(clip.tags, twin.tags, key=len),
        )
        for clip, twin in zip(item.clips, other.clips, strict=True)
    ]
    return dataclasses.replace(item, clips=tuple(clips))


def _bring_annotations(runs: Sequence[Run], whole: Run) -> None:
    """Copy what annotators said into the merged run, so that it goes on without them."""
    for name in sorted({path.name for run in runs for path in (run.folder / "annotations").glob("*.jsonl")}):
        with Ledger(whole.folder / "annotations" / name, Annotation) as ledger:
            for run in runs:
                for said in Ledger(run.folder / "annotations" / name, Annotation):
                    if said.key not in ledger:
                        ledger.append(said)


def _left_out(shards: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """What any shard left out, once: what cannot be asked at all stands in every shard."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for out in (out for shard in shards for out in shard):
        place = (out["condition"], out["task"], out["why"])
        before = found.get(place, {**out, "items": []})
        found[place] = {**before, "items": list(dict.fromkeys([*before["items"], *out["items"]]))}
    return list(found.values())


def _annotators(shards: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """What each annotator made, over all shards."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for made in (made for shard in shards for made in shard):
        before = found.setdefault((made["what"], made["spec"]), {**made, "clips": 0, "failed": 0, "empty": 0})
        for key in ("clips", "failed", "empty"):
            before[key] += made[key]
    return list(found.values())


def run_path(config: RunConfig) -> Path:
    """Where a run lies: --out, or a readable name that is a function of the configuration alone."""
    if config.out:
        return Path(config.out)
    model = Path(config.model.split(":", 1)[-1]).name
    words = re.sub(r"[^A-Za-z0-9.+_-]+", "-", f"{model}-{'+'.join(Path(task).stem for task in config.tasks)}")[:80]
    return Path("runs") / f"{words}-{digest(_identity(config))[:8]}"


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
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=_plain).encode() + b"\n")


def _admit(folder: Path, config: RunConfig, tasks: Sequence[Task]) -> dict[str, Any]:
    """Refuse a folder that does not belong to this run; the manifest of one that does."""
    if not (folder / "run.yaml").exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError("this is not the folder of a run:", value=str(folder), mend="another --out")
        return {}
    if other := _differences(_config(folder / "run.yaml"), config, but=set()):
        raise UserError(f"{folder} holds a run of another configuration: {other}", mend="another --out")
    if not (folder / "manifest.json").exists():
        return {}
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    before = _data([_read(Task, task) for task in manifest["tasks"]])
    for name, now in _data(tasks).items():
        if before.get(name) != now:
            raise UserError(f"the items of {name} have changed since {folder} was begun", mend="another --out")
    return manifest


def _differences(a: RunConfig, b: RunConfig, *, but: set[str]) -> str | None:
    """The first setting in which two configurations differ, in words."""
    before, after = _identity(a), _identity(b)
    for key in before:
        if key not in but and before[key] != after[key]:
            return f"{key} was {before[key]!r} and is {after[key]!r}"
    return _regiven(a, b)


def _regiven(a: RunConfig, b: RunConfig) -> str | None:
    """What both were given, each another one, of what a run may be given when it goes on; in words."""
    for key in GROWING:
        old, new = getattr(a, key), getattr(b, key)
        if old and new and _absolute(old) != _absolute(new):
            return f"{key} was {old!r} and is {new!r}"
    return None


def _identity(config: RunConfig) -> dict[str, Any]:
    """What makes two runs the same; existing paths are made absolute, so that the working folder does not matter."""
    plain: dict[str, Any] = {key: value for key, value in _plain(config).items() if key not in FREE}
    plain["model"] = _absolute(plain["model"])
    plain["tasks"] = [_absolute(task) for task in plain["tasks"]]
    plain["data_dirs"] = {task: _absolute(path) for task, path in plain["data_dirs"].items()}
    return plain


def _absolute(word: str) -> str:
    return str(Path(word).resolve()) if Path(word).exists() else word


def _data(tasks: Sequence[Task]) -> dict[str, str | None]:
    return {task.name: task.fingerprint for task in tasks}


def _config(path: Path) -> RunConfig:
    return _read(RunConfig, yaml.safe_load(path.read_text(encoding="utf-8")))


def _plain(record: Any) -> dict[str, Any]:
    plain: dict[str, Any] = adapter(type(record)).dump_python(record, mode="json")
    return plain


def _dump(item: Item) -> bytes:
    return adapter(Item).dump_json(item, exclude_defaults=True)


def _read(record: type[T], value: Any) -> T:
    return adapter(record).validate_python(value)


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
