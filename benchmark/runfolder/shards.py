"""The shards of one run, brought together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.flow.ledger import Ledger, merge
from cpbench.records import Annotation, Item
from cpbench.runfolder.folder import Run, load_run, open_run
from cpbench.runfolder.identity import differences, fingerprints


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
        if other := differences(first.config, run.config, but={"shard"}):
            raise UserError(f"{run.folder} is not of the same run as {first.folder}: {other}")
        if fingerprints(run.tasks) != fingerprints(first.tasks):
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
    if answered := [run.manifest["answered"] for run in runs if "answered" in run.manifest]:
        kept["answered"] = max(answered)
    kept["left_out"] = _left_out(run.manifest.get("left_out", ()) for run in runs)
    kept["annotations"] = _annotators(run.manifest.get("annotations", ()) for run in runs)
    whole.note(**kept, wall_s=seconds, merged=[f"{part[0] + 1}/{part[1]}" for part in sorted(parts)])
    return whole


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
