"""The datasheet of a set of questions: what is in it, where it is from, and what was dropped. Markdown and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cpbench.data.filters import FILTERS, Sieve
from cpbench.data.generate_check import Checked
from cpbench.data.generate_llm import Written
from cpbench.flow.ledger import write_whole
from cpbench.formats.line import overall
from cpbench.records import Clip, Item

BASELINE = "baseline (no generator)"
RECOGNITION = "speech recognition"


@dataclass(frozen=True)
class Datasheet:
    """The counts of one file of questions."""

    file: str
    cpbench: str
    questions: int
    clips: int
    hours: float  # of the clips that have questions
    clips_given: int
    clips_lacking: Mapping[str, int]  # what -> of the clips given
    by_split: Mapping[str, Mapping[str, float]]  # part -> questions, clips, hours, speakers
    by_type: Mapping[str, Mapping[str, int]]  # type -> generator -> questions
    by_emotion: Mapping[str, int]  # of the clips with questions
    by_annotator: Mapping[str, int]  # clips
    by_license: Mapping[str, int]  # questions
    filters: Mapping[str, Mapping[str, int]]  # generator -> filter -> dropped; "written" and "kept" among them
    settings: Mapping[str, Any]
    written: Mapping[str, int]  # status of a model's replies -> clips
    usage: Mapping[str, int]  # calls and tokens of the replies that stand
    remarks: tuple[str, ...] = ()


@dataclass
class Sheet:
    """Counts items as they pass."""

    file: Path
    given: Iterable[Clip]
    sieve: Sieve = field(default_factory=Sieve)
    settings: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    _types: dict[str, Counter[str]] = field(default_factory=dict)
    _emotions: Counter[str] = field(default_factory=Counter)
    _annotators: Counter[str] = field(default_factory=Counter)
    _licenses: Counter[str] = field(default_factory=Counter)
    _kept: Counter[str] = field(default_factory=Counter)
    _parts: dict[str, dict[str, float]] = field(default_factory=dict)
    _speakers: dict[str, set[str]] = field(default_factory=dict)
    _written: Counter[str] = field(default_factory=Counter)
    _usage: Counter[str] = field(default_factory=Counter)

    def counted(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, counted. Those of a clip stand together."""
        before: str | None = None
        for item in items:
            clip = item.clips[0]
            if clip.sha256 != before:
                before = clip.sha256
                self._count_clip(clip, item.split)
            generator = item.origin.get("generator", "")
            self._types.setdefault(item.type or RECOGNITION, Counter())[generator or BASELINE] += 1
            self._licenses[item.origin.get("license", "not stated")] += 1
            self._kept[generator] += 1
            self._parts[item.split]["questions"] += 1
            yield item

    def add_written(self, found: Iterable[Written | None]) -> None:
        """What a model's replies came to, and what they took."""
        for written in found:
            if written is not None:
                self._written["nothing to ask" if written.status == "ok" and not written.pairs else written.status] += 1
                self._usage["surplus_pairs"] += written.surplus
                self._add_calls("", written)

    def add_checked(self, found: Iterable[Checked]) -> None:
        """What the check took."""
        for checked in found:
            self._add_calls("check_", checked)

    def done(self) -> Datasheet:
        lacking, given = Counter[str](), 0
        for clip in self.given:
            given += 1
            said = clip.transcript
            lacking["no transcript"] += said is None
            lacking["no speech (an empty transcript)"] += said is not None and not said.strip()
            lacking["no tags"] += not clip.tags
        for name, speakers in self._speakers.items():
            self._parts[name]["speakers"] = len(speakers)
        parts = self._parts.values()
        return Datasheet(
            self.file.name,
            version("cpbench"),
            int(sum(part["questions"] for part in parts)),
            int(sum(part["clips"] for part in parts)),
            round(sum(part["hours"] for part in parts), 4),
            given,
            {what: count for what, count in lacking.items() if count},
            {name: {key: round(value, 4) for key, value in part.items()} for name, part in self._parts.items()},
            {kind: dict(counts) for kind, counts in sorted(self._types.items())},
            dict(self._emotions.most_common()),
            dict(self._annotators.most_common()),
            dict(self._licenses),
            self._filters(),
            self.settings,
            dict(self._written),
            dict(self._usage),
            tuple(self.remarks),
        )

    def _filters(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for generator in sorted(self.sieve.seen):
            dropped = {name: count for (who, name), count in self.sieve.dropped.items() if who == generator}
            order = [*FILTERS, *sorted(set(dropped) - set(FILTERS))]
            counts = {name: dropped[name] for name in order if name in dropped}
            found[generator or BASELINE] = {
                "written": self.sieve.seen[generator],
                **counts,
                "kept": self._kept[generator],
            }
        return found

    def _count_clip(self, clip: Clip, part: str) -> None:
        counts = self._parts.setdefault(part, {"questions": 0, "clips": 0, "hours": 0.0})
        counts["clips"] += 1
        counts["hours"] += (clip.seconds or 0.0) / 3600
        self._speakers.setdefault(part, set()).update((clip.speaker or "").split("+") if clip.speaker else ())
        self._emotions[overall(clip.tags)[0] or "none"] += 1
        self._annotators.update({tag.source for tag in clip.tags})

    def _add_calls(self, prefix: str, record: Written | Checked) -> None:
        self._usage[f"{prefix}calls"] += len(record.calls)
        for call in record.calls:
            self._usage.update({f"{prefix}{kind}": count for kind, count in call.usage.items()})


def write_datasheet(sheet: Datasheet, path: Path) -> None:
    """Write `path`.json and `path`.md."""
    data = json.dumps(asdict(sheet), ensure_ascii=False, indent=2)
    write_whole(path.with_name(f"{path.name}.json"), data.encode() + b"\n")
    write_whole(path.with_name(f"{path.name}.md"), as_markdown(sheet).encode())


def as_markdown(sheet: Datasheet) -> str:
    """The datasheet for people."""
    generators = sorted({name for counts in sheet.by_type.values() for name in counts})
    lines = [
        f"# Datasheet: {sheet.file}",
        "",
        f"{sheet.questions} questions about {sheet.clips} clips ({sheet.hours:.2f} h), of {sheet.clips_given} given. "
        f"Made with cpbench {sheet.cpbench}.",
        "",
        *(f"* {remark}" for remark in sheet.remarks),
        *(f"* {count} of the clips given have {what}" for what, count in sheet.clips_lacking.items()),
        *_table("Parts", ["part", "questions", "clips", "hours", "speakers"], _parts(sheet)),
        *_table("Types", ["type", *generators], _types(sheet, generators)),
        *(
            line
            for name, counts in sheet.filters.items()
            for line in _table(f"Filters: {name}", ["", "questions"], counts.items())
        ),
        *_table("Emotion of the clips", ["emotion", "clips"], sheet.by_emotion.items()),
        *_table("Annotators", ["annotator", "clips"], sheet.by_annotator.items()),
        *_table("Licenses", ["license", "questions"], sheet.by_license.items()),
        *_table("Replies of the model", ["status", "clips"], sheet.written.items()),
        *_table("Calls", ["", "number"], sheet.usage.items()),
        *_table("Settings", ["setting", "value"], ((key, json.dumps(value)) for key, value in sheet.settings.items())),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _parts(sheet: Datasheet) -> Iterator[tuple[Any, ...]]:
    for name, part in sheet.by_split.items():
        yield name, int(part["questions"]), int(part["clips"]), f"{part['hours']:.2f}", int(part["speakers"])


def _types(sheet: Datasheet, generators: list[str]) -> Iterator[tuple[Any, ...]]:
    for kind, counts in sheet.by_type.items():
        yield kind, *(counts.get(name, 0) for name in generators)


def _table(title: str, head: list[str], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """A Markdown table under its title; nothing where there are no rows."""
    body = [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    if not body:
        return []
    return ["", f"## {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body]
