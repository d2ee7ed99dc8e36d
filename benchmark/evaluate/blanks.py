"""What conditions need and the data do not have: words and emotion tags, made by an annotator before anything is asked.

Annotations lie in the run's folder (annotations/, a file an annotator), so that a run goes on without its annotator.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpbench.annotators import annotate, fill_in, key_of, load_annotator, load_recogniser
from cpbench.conditions import needs, tags_of
from cpbench.errors import BadClip
from cpbench.evaluate.wording import Loaded
from cpbench.fingerprint import digest
from cpbench.flow.ledger import Ledger, merge
from cpbench.flow.ranks import Ranks
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watch, Watching
from cpbench.parts import Annotator
from cpbench.records import Annotation, Clip, Item, Request, Tag


@dataclass(frozen=True)
class Blank:
    """Something that a condition needs of a clip, and who is asked for it."""

    what: str  # "transcript" or "tags"
    spec: str

    @property
    def file(self) -> str:
        return f"{self.what}-{re.sub(r'[^A-Za-z0-9.]+', '-', self.spec)[-40:]}-{digest(self.spec)[:8]}.jsonl"

    def open_in(self, clip: Clip) -> bool:
        return clip.transcript is None if self.what == "transcript" else not tags_of(clip, {self.spec})

    def filled(self, clip: Clip, said: Annotation) -> Clip:
        if not self.open_in(clip):
            return clip
        only = {"tags": ()} if self.what == "transcript" else {"transcript": None}
        return fill_in(clip, [dataclasses.replace(said, **only)])

    def empty(self, said: Annotation) -> bool:
        """Whether the annotator failed on the clip: such a clip is asked for again at the next start."""
        return said.transcript is None if self.what == "transcript" else not said.tags

    def guessed(self, clip: Clip) -> Clip:
        """The clip with something in the blank, while the work is planned and shared."""
        tag = Tag(0.0, clip.seconds or 0.0, self.spec, {"?": 1.0})
        return self.filled(clip, Annotation("", self.spec, (tag,), ""))


@dataclass(frozen=True)
class Filled:
    tasks: Loaded
    sources: Mapping[str, str]  # an annotator's spec -> the source that its tags name
    notes: tuple[dict[str, Any], ...]  # for the manifest


def blanks_of(conditions: Iterable[str], asr: str | None) -> dict[Blank, list[str]]:
    """What may have to be filled, and the conditions that need it."""
    found: dict[Blank, list[str]] = {}
    for condition in conditions:
        for what, spec in needs(condition):
            by = asr if what == "transcript" else spec
            if by is not None:
                found.setdefault(Blank(what, by), []).append(condition)
    return found


def guessed(tasks: Loaded, blanks: Iterable[Blank]) -> Loaded:
    """The tasks as if every blank could be filled."""
    for blank in blanks:
        tasks = _with_clips(tasks, blank.guessed)
    return tasks


def needed(blanks: Mapping[Blank, Sequence[str]], requests: Sequence[Request], tasks: Loaded) -> dict[Blank, set[str]]:
    """sha256 of the clips of which each blank is to be filled: what is asked about, and what is played instead."""
    heard = {
        (item.task, item.id): [clip.sha256 for clip in item.clips if clip.sha256]
        for _, items in tasks
        for item in items
    }
    return {
        blank: {
            key
            for request in requests
            if request.condition in conditions
            for key in (*heard[request.task, request.item_id], *request.played)
        }
        for blank, conditions in blanks.items()
    }


def fill(tasks: Loaded, wanted: Mapping[Blank, set[str]], folder: Path, *, place: Ranks, watching: Watching) -> Filled:
    """Have the blanks of the wanted clips filled; several ranks share the work. Goes on where it was stopped.

    A clip that cannot be decoded, or of which the annotator says nothing, keeps its blank. Raises Stopped once
    `watching.stop` says so, and UserError where an annotator cannot be loaded.
    """
    sources: dict[str, str] = {}
    notes: list[dict[str, Any]] = []
    for blank, keys in wanted.items():
        distinct = {key_of(clip): clip for _, items in tasks for item in items for clip in item.clips}
        blanks = [clip for _, clip in sorted(distinct.items()) if blank.open_in(clip)]
        asked = [clip for clip in blanks if key_of(clip) in keys]
        said = _annotations(blank, asked, blanks, Work(folder / blank.file, place, watching)) if asked else {}
        if said:
            sources[blank.spec] = next(iter(said.values())).annotator
            notes.append(_note(blank, asked, said))
        tasks = _with_clips(tasks, _filler(blank, said))
    return Filled(tasks, sources, tuple(notes))


@dataclass(frozen=True)
class Work:
    """Where annotations go, who makes them, and who looks."""

    path: Path
    place: Ranks
    watching: Watching


def _annotations(blank: Blank, asked: Sequence[Clip], all_of: Sequence[Clip], work: Work) -> dict[str, Annotation]:
    """What is said of the clips that are asked about, by their key. `all_of`: of what a relative annotator compares."""
    place, watching = work.place, work.watching
    if place.first:
        merge(work.path)  # what the ranks of a killed start left
    place.barrier()
    with Ledger(work.path, Annotation, again=blank.empty, rank=None if place.count == 1 else place.index) as ledger:
        todo = [clip for clip in asked if key_of(clip) not in ledger]
        if todo:
            watching.watch.stage(f"{blank.what} by {blank.spec}", total=len(asked), done=len(asked) - len(todo))
            annotator = load_recogniser(blank.spec) if blank.what == "transcript" else load_annotator(blank.spec)
            for _ in annotate(_part(todo, all_of, annotator, place), annotator, ledger, failed=_named(watching.watch)):
                watching.watch.advance()
                if watching.stop():
                    break
    place.barrier()
    if place.first:
        merge(work.path)
    place.barrier()
    if todo and watching.stop():
        raise Stopped("stopped before anything was asked; the same command goes on")
    keys = {key_of(clip) for clip in asked}
    return {said.key: said for said in Ledger(work.path, Annotation) if said.key in keys}


def _part(todo: Sequence[Clip], all_of: Sequence[Clip], annotator: Annotator, place: Ranks) -> Sequence[Clip]:
    """The clips of this rank. Where what is said of a clip depends on the others, the first hears all of them."""
    if getattr(annotator, "relative", False):
        return all_of if place.first else ()
    return todo[place.index :: place.count]


def _named(watch: Watch) -> Callable[[Clip, BadClip], None]:
    return lambda clip, error: watch.say(f"{clip.path}: {error}")


def _filler(blank: Blank, said: Mapping[str, Annotation]) -> Callable[[Clip], Clip]:
    def filled(clip: Clip) -> Clip:
        found = said.get(key_of(clip))
        return clip if found is None else blank.filled(clip, found)

    return filled


def _with_clips(tasks: Loaded, change: Callable[[Clip], Clip]) -> Loaded:
    return [(task, [_with(item, change) for item in items]) for task, items in tasks]


def _with(item: Item, change: Callable[[Clip], Clip]) -> Item:
    return dataclasses.replace(item, clips=tuple(change(clip) for clip in item.clips))


def _note(blank: Blank, clips: Sequence[Clip], said: Mapping[str, Annotation]) -> dict[str, Any]:
    failed = len(clips) - len(said) + sum(blank.empty(one) for one in said.values())
    return {
        "what": blank.what,
        "spec": blank.spec,
        "by": next(iter(said.values())).annotator,
        "clips": len(clips) - failed,
        "failed": failed,
        "empty": sum(one.transcript == "" for one in said.values()) if blank.what == "transcript" else 0,
    }
