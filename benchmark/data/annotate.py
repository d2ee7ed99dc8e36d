"""`cpbench data annotate`: clips to tagged clips, by one annotator after the other; each keeps a ledger of its own."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpbench.annotators import annotate as annotated
from cpbench.annotators import fill_in, key_of, load_annotator, load_recogniser, options_of
from cpbench.data.sources import clips_of
from cpbench.errors import BadClip, UsageError, UserError
from cpbench.fingerprint import digest
from cpbench.flow.ledger import Ledger, write_whole
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watching
from cpbench.formats.clips import write_clips
from cpbench.parts import Annotator
from cpbench.records import Annotation, Clip, Heard

INNER = frozenset({"device", "timeout", "ahead", "batch_size"})  # options that change no annotation
SHARED = frozenset({"device", "dtype"})
SHOWN = 5  # bad clips that are named one by one


@dataclass(frozen=True)
class Wanted:
    """An annotator as it was asked for."""

    spec: str
    options: Mapping[str, str] = field(default_factory=dict)
    words: bool = False  # a recogniser, for the transcripts

    def load(self) -> Annotator:
        return (load_recogniser if self.words else load_annotator)(self.spec, dict(self.options))

    def file(self, annotator: Annotator, clips: Sequence[Clip]) -> str:
        """The ledger's name: readable, and another one for whatever changes what is said."""
        kept = {key: value for key, value in self.options.items() if key.replace("-", "_") not in INNER}
        others = [[key_of(clip), clip.speaker or clip.recording] for clip in clips]
        depends = [self.spec, kept, self.words, others if getattr(annotator, "relative", False) else []]
        short = re.sub(r"[^\w.-]+", "_", self.spec)[-60:].strip("_.")
        return f"{short}-{digest(*depends)[:8]}.jsonl"


@dataclass(frozen=True)
class Job:
    """What to annotate, by whom, and where to; `data` and `speaker` as in `sources.clips_of`."""

    data: str
    wanted: Sequence[Wanted]
    out: Path
    data_dirs: Mapping[str, str] = field(default_factory=dict)
    speaker: str | None = None
    strict: bool = False  # whether a clip that cannot be decoded ends the work


@dataclass(frozen=True)
class Said:
    """What one annotator said, in numbers."""

    spec: str
    name: str
    options: Mapping[str, str]
    new: int  # clips done in this run
    clips: int  # clips that it says something of
    tags: int
    transcripts: int
    silent: int  # clips that it says nothing of: no speech, or below its thresholds
    failed: int  # clips that it reported an error of


@dataclass(frozen=True)
class Annotated:
    """What came of it: one line a clip in `path`, and `said` of each annotator."""

    path: Path
    clips: int  # written
    bad: int  # left out, since they cannot be decoded
    said: tuple[Said, ...]


def wanted(annotators: Sequence[str], asr: str | None, options: Mapping[str, str]) -> list[Wanted]:
    """The annotators as the command line names them, each with its options.

    An option is `N.KEY` of the Nth annotator, `asr.KEY` of the recogniser, or `KEY` of all annotators that have it; the
    recogniser takes it too if it is a device or a dtype, or if nobody else has it. Raises UsageError if nobody has.
    """
    asked = [(str(n), spec, False) for n, spec in enumerate(annotators, 1)]
    asked += [] if asr is None else [("asr", asr, True)]
    known = {place: options_of(spec, recogniser=words) for place, spec, words in asked}
    given: dict[str, dict[str, str]] = {place: {} for place in known}
    for key, value in options.items():
        place, dot, name = key.rpartition(".")
        name = name.replace("-", "_")
        if dot and place not in known:
            raise UsageError("-A names no annotator:", value=place, allowed=known)
        takers = [place] if dot else [one for one in known if name in known[one]]
        if not dot and name not in SHARED and len(takers) > 1:
            takers = [one for one in takers if one != "asr"]  # an annotator's window would cut the words to pieces
        if not takers:
            allowed = sorted(frozenset[str]().union(*known.values()))
            raise UsageError("no annotator has the option", value=key, allowed=allowed)
        for taker in takers:
            given[taker][name] = value
    return [Wanted(spec, given[place], words) for place, spec, words in asked]


def annotate(job: Job, watching: Watching | None = None) -> Annotated:
    """Annotate the clips of a job and write them, with what is known of them already, to its `out`, a clips.jsonl.

    The ledgers lie in a folder beside it, and what they hold is not done again. A clip that cannot be decoded is said
    and left out. Raises UserError where none is left, where `gold` finds no label, and for two annotators of one name.
    """
    watching = watching or Watching()
    if not job.wanted:
        raise UsageError("no annotator named", mend="--annotator acoustic, or --asr SPEC")
    gold = any(one.spec == "gold" for one in job.wanted)
    clips = clips_of(job.data, data_dirs=job.data_dirs, speaker=job.speaker, labels=gold)
    if gold and not any(tag.source == "gold" for clip in clips for tag in clip.tags):
        what = f"none of the {len(clips)} clips has a gold label, in"
        raise UserError(what, value=job.data, mend="`emotion` in items.jsonl, or another annotator")
    annotators = [(one, one.load()) for one in job.wanted]
    _check_names([annotator.name for _, annotator in annotators])
    work = _Work(clips, job.out.with_name(f"{job.out.stem}.annotations"), job.strict, watching)
    said = [work.done_by(*pair) for pair in annotators]
    whole = [clip for clip in clips if key_of(clip) not in work.bad]
    if not whole:
        raise UserError(f"none of the {len(clips)} clips can be decoded: {next(iter(work.bad.values()))}")
    written = write_clips((fill_in(clip, work.annotations(clip)) for clip in whole), job.out)
    result = Annotated(job.out, written, len(work.bad), tuple(said))
    summary = json.dumps(as_json(result), indent=2, ensure_ascii=False)
    write_whole(work.folder / "summary.json", summary.encode() + b"\n")
    return result


def as_json(result: Annotated) -> dict[str, Any]:
    return {
        "clips": result.clips,
        "bad": result.bad,
        "annotators": [{**dataclasses.asdict(one), "options": dict(one.options)} for one in result.said],
    }


def _check_names(names: Sequence[str]) -> None:
    plain = [name.split("@")[0] for name in names]
    if twice := [name for name in plain if plain.count(name) > 1]:
        raise UsageError("two annotators have the same name, so their tags could not be told apart:", value=twice[0])


@dataclass(frozen=True)
class _Heeding:
    """An annotator that is given nothing more once a signal has arrived."""

    annotator: Annotator
    stop: Callable[[], bool]

    @property
    def name(self) -> str:
        return self.annotator.name

    @property
    def sampling_rate(self) -> int:
        return int(getattr(self.annotator, "sampling_rate", 16000))

    @property
    def relative(self) -> bool:
        return bool(getattr(self.annotator, "relative", False))

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        return self.annotator.annotate(self._until(sounds))

    def _until(self, sounds: Iterable[Heard]) -> Iterator[Heard]:
        for heard in sounds:
            if self.stop():
                raise Stopped("stopped by a signal; what was annotated stands, and the same command goes on")
            yield heard


class _Work:
    """The clips on their way through the annotators."""

    def __init__(self, clips: Sequence[Clip], folder: Path, strict: bool, watching: Watching) -> None:
        self.clips, self.folder, self.strict, self.watching = clips, folder, strict, watching
        self.bad: dict[str, BadClip] = {}
        self._said: list[dict[str, Annotation]] = []
        self._gold = {key_of(clip): tuple(tag for tag in clip.tags if tag.source == "gold") for clip in clips}

    def done_by(self, wanted: Wanted, annotator: Annotator) -> Said:
        watch, name = self.watching.watch, annotator.name
        path = self.folder / wanted.file(annotator, self.clips)
        with Ledger(path, Annotation, again=self._again) as ledger:
            before = sum(key_of(clip) in ledger for clip in self.clips)
            watch.stage(name, total=len(self.clips), done=before)
            new = 0
            for one in annotated(self._due(), _Heeding(annotator, self.watching.stop), ledger, failed=self._failed):
                if one.error is not None:
                    watch.say(f"{name}: {self._path(one.key)}: {one.error}")
                new += 1
                watch.advance()
        self._said.append({one.key: one for one in ledger})
        return self._counted(wanted, name, ledger, new)

    def annotations(self, clip: Clip) -> list[Annotation]:
        """What all annotators say of a clip."""
        return [said[key_of(clip)] for said in self._said if key_of(clip) in said]

    def _again(self, said: Annotation) -> bool:
        """What failed, and gold labels that the data set has changed since."""
        return said.error is not None or (said.annotator == "gold" and said.tags != self._gold.get(said.key, said.tags))

    def _due(self) -> Iterator[Clip]:
        """The clips that can be decoded, as far as is known."""
        return (clip for clip in self.clips if key_of(clip) not in self.bad)

    def _failed(self, clip: Clip, error: BadClip) -> None:
        if self.strict:
            raise UserError(str(error), mend="without --strict it is left out")
        self.bad[key_of(clip)] = error
        if len(self.bad) <= SHOWN:
            self.watching.watch.say(f"left out: {error}")

    def _path(self, key: str) -> str:
        return next((clip.path for clip in self.clips if key_of(clip) == key), key)

    def _counted(self, wanted: Wanted, name: str, ledger: Ledger[Annotation], new: int) -> Said:
        keys = {key_of(clip) for clip in self.clips}
        said = [one for one in ledger if one.key in keys]
        full = [one for one in said if one.tags or one.transcript]
        failed = sum(one.error is not None for one in said)
        return Said(
            wanted.spec,
            name,
            dict(wanted.options),
            new,
            len(full),
            sum(len(one.tags) for one in said),
            sum(one.transcript is not None for one in said),
            len(said) - len(full) - failed,
            failed,
        )
