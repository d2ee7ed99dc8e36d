"""The pages on which people rate a sample: one HTML file a rater, that works from file://, and the clips beside it.

    out/rater-1.html, rater-2.html   what a rater is given, with clips/
        clips/                       copies, named by their bytes: a file's own name may say what is to be heard
        sample.json                  the key; it stays with whoever drew the sample

Neither system nor judge, type nor label is in a page. A clip that may not be passed on is not copied: the page links to
it where it lies, so the page works on the machine it was made on, or on one that has the same files in the same places.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.flow.ledger import write_whole
from cpbench.judges.validity.sample import KEY, Answered, Plan, Reference, Sample, draw, write_key
from cpbench.pages import render
from cpbench.records import Clip, Item, Task
from cpbench.runfolder import Run

SCALE: Mapping[int, tuple[str, str]] = {  # score -> its name, and what it means: the packaged prompts' own scale
    5: ("right", "says what is true, in content and in voice as far as the question asks for them"),
    4: ("nearly right", "right in the main point; a minor detail is missing or inexact"),
    3: ("mostly right", "right in the main point; an important detail is missing"),
    2: (
        "partly right",
        "one of several things that were asked for, or right content with the wrong voice, or the reverse",
    ),
    1: ("off", "about the question, but wrong or undecided in the main point; or names several alternatives"),
    0: ("wrong", "wrong, contradicts the recording, unrelated, empty, or refuses to answer"),
}


@dataclass(frozen=True)
class Pages:
    """What was written."""

    out: Path
    pages: tuple[Path, ...]
    sample: Sample
    copied: int  # clips
    linked: tuple[str, ...]  # clips that may not be passed on, and are linked to where they lie
    missing: tuple[str, ...]  # clips that are not on this machine
    notes: tuple[str, ...]

    def given(self, rater: str) -> int:
        """How many answers a rater is given."""
        return sum(rater in one.raters for one in self.sample.drawn)

    def in_words(self) -> str:
        """What was written, and what to do with it."""
        sample, strata = self.sample, self.sample.strata
        systems, types = ({one.system for one in strata}, {one.type for one in strata})
        lines = [
            f"{len(sample.drawn)} of {sum(one.answers for one in strata)} answers "
            f"(systems: {len(systems)}, question types: {len(types)}); {sample.overlap} are given to every rater"
        ]
        lines += [f"  {path}  {self.given(path.stem)} answers" for path in self.pages]
        lines.append(f"  {self.out / KEY}  what each blinded id is: not for the raters")
        if self.copied:
            lines.append(f"  {self.out / 'clips'}  {self.copied} clips: to be sent along with a page")
        if self.linked:
            lines.append(f"  {len(self.linked)} clips may not be passed on: those pages work on this machine only")
        lines.append("When they are rated:")
        lines.append(f"  cpbench judge validate --judge SPEC RUN... --humans FILE --humans FILE   (beside {KEY})")
        return "\n".join(lines)

    def as_json(self) -> str:
        """The same for programs."""
        return json.dumps(
            {
                "out": str(self.out),
                "pages": {path.stem: {"file": str(path), "answers": self.given(path.stem)} for path in self.pages},
                "key": str(self.out / KEY),
                "answers": len(self.sample.drawn),
                "overlap": self.sample.overlap,
                "strata": [
                    {"system": o.system, "type": o.type, "answers": o.answers, "drawn": o.drawn, "chance": o.chance}
                    for o in self.sample.strata
                ],
                "clips": {"copied": self.copied, "linked": len(self.linked), "missing": len(self.missing)},
                "notes": list(self.notes),
            },
            indent=1,
            ensure_ascii=False,
        )


def write_sample(runs: Sequence[Run], plan: Plan, out: Path, *, reference: Reference = "on-demand") -> Pages:
    """Draw a sample and write its key, a page for each rater, and the clips that may be copied.

    `reference`: whether raters see the reference answer when they ask for it (then it is noted that they did), always,
    or never. Raises UserError for a folder that holds something, and for what `draw` raises it.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            "not an empty folder:", value=str(out), mend="another --out; ratings may belong to what is there"
        )
    sample, answers = draw(runs, plan)
    tasks = {task.name: task for run in runs for task in run.tasks}
    clips = _Clips(out)
    shown = {blind: _shown(blind, one, clips, tasks[one.item.task], reference) for blind, one in answers.items()}
    used = [tasks[name] for name in dict.fromkeys(one.item.task for one in answers.values())]
    notices = list(_notices(used, clips))
    pages = [_page(sample, rater, shown, reference, notices) for rater in sample.raters]
    paths = [out / f"{rater}.html" for rater in sample.raters]
    for path, page in zip(paths, pages, strict=True):
        write_whole(path, page.encode())
    write_key(sample, out / KEY)
    said = (*notices, *(f"{name}: {why}" for name, why in sample.left_out.items()))
    return Pages(out, tuple(paths), sample, len(clips.copied), tuple(clips.linked), tuple(clips.missing), said)


class _Clips:
    """Brings clips beside the pages, once each, as far as they may be."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.copied: dict[str, str] = {}  # path -> link
        self.linked: dict[str, str] = {}
        self.missing: dict[str, None] = {}

    def link(self, clip: Clip, *, copy: bool) -> str | None:
        """The relative address of a clip; None where it is not on this machine."""
        path = Path(clip.path)
        if not path.is_file():
            self.missing[clip.path] = None
            return None
        if not copy:
            return self.linked.setdefault(clip.path, quote(Path(os.path.relpath(path, self.out)).as_posix()))
        if clip.path not in self.copied:
            name = f"{(clip.sha256 or digest(clip.path))[:16]}{path.suffix.lower()}"
            (self.out / "clips").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self.out / "clips" / name)
            self.copied[clip.path] = f"clips/{quote(name)}"
        return self.copied[clip.path]


def _shown(blind: str, one: Answered, clips: _Clips, task: Task, reference: Reference) -> dict[str, Any]:
    """What a page knows of an answer. A reference that is never to be seen is not in the page at all."""
    item: Item = one.item
    return {
        "id": blind,
        "question": item.question,
        "answer": one.text,
        "references": [] if reference == "never" else list(item.references),
        "clips": [clips.link(clip, copy=task.rights.audio_in_report) for clip in item.clips],
    }


def _page(
    sample: Sample, rater: str, shown: Mapping[str, Mapping[str, Any]], reference: Reference, notices: Iterable[str]
) -> str:
    """One rater's page: an own random order, so that nobody sees which answers are shared, and fatigue is spread."""
    mine = [one.id for one in sample.drawn if rater in one.raters]
    random.Random(digest(sample.id, rater)).shuffle(mine)
    items = [shown[blind] for blind in mine]
    data = {"sample": sample.id, "rater": rater, "reference": reference, "items": items}
    return render(
        "cpbench.judges.validity",
        "rating.html",
        own_style="rating.css",
        own_script="rating.js",
        title="Rating answers about speech",
        data=data,
        scale=SCALE,
        count=len(items),
        reference=reference,
        notices=list(notices),
    )


def _notices(tasks: Sequence[Task], clips: _Clips) -> Iterable[str]:
    """What whoever passes these pages on, or rates, has to know."""
    if synthetic := [task.name for task in tasks if task.synthetic]:
        yield f"Synthetic speech ({', '.join(synthetic)})."
    closed = [f"{task.name} (license: {task.rights.license})" for task in tasks if not task.rights.text_in_report]
    if closed:
        yield f"Not to be passed on: the texts of {', '.join(closed)} may be shown only to those who have the data."
    if clips.linked:
        yield (
            f"{len(clips.linked)} clips may not be passed on and are not in this folder: they play where the data lie, "
            "on the machine that this page was made on."
        )
    if clips.missing:
        yield f"{len(clips.missing)} clips are not on the machine that this page was made on, and cannot be played."
