"""The miniature's page and its numbers as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cpbench.flow.ledger import write_whole
from cpbench.miniature.findings import (
    METRIC,
    SLICES,
    Asked,
    Learned,
    Row,
    Size,
    addition,
    additions,
    conflicts,
    learned,
    sizes,
    table,
    tag_table,
)
from cpbench.miniature.plan import BASELINE, CONTROL, IMPLICIT, TUNED, Plan, Tuned
from cpbench.miniature.questions import Way, of_learned, questions, signed, verdict
from cpbench.pages import render
from cpbench.pages.plots import Point, intervals
from cpbench.records import Outcome
from cpbench.runfolder import Run, write_json

# As summarised second-hand, its arithmetic checked: GPT-4o as judge, the human-annotated CPQA set.
PAPER = (
    ("S10", "speech recognition, gender and emotion questions", 41.00, 44.86, 37.56, 49.77, None),
    ("S20", "and PQA*: direct questions", 52.06, None, None, None, None),
    ("S30", "and CPQA: contextual questions", 56.75, 60.29, 53.86, 63.86, 38.41),
    ("S32", "S30 with metadata, at training and at inference", 59.87, None, None, None, 46.02),
)
FELL = (50.76, 45.7)
"""IEMOCAP emotion questions before and after CPQA, in the paper."""
DRAWN = ("all", "DE", "CE")


def write(asked: Sequence[Asked], plan: Plan, out: Path) -> Path:
    """Write `index.html` and `miniature.json`; return the page.

    Raises ValueError where nothing was asked.
    """
    if not asked:
        raise ValueError(f"no run of the miniature in {out}")
    notes = _notes(asked, out)
    ways = [_way(asked, way) for way in TUNED if any(one.job.tuned == way for one in asked)]
    trained, found = sizes(asked, notes), learned(asked, outcomes)
    base = _read(out / "base" / "checkpoint.json")
    minutes = _minutes(asked, [base, *notes.values()])
    write_json(out / "miniature.json", {**_plain(plan, ways, trained, found), "base": _base(base), "minutes": minutes})
    page = render(
        "cpbench.miniature",
        "miniature.html",
        own_style="miniature.css",
        title="The paper in small",
        plan=plan,
        seeds=len({one.job.seed for one in asked}),
        questions=questions(ways),
        ways=[(way, _drawn(way)) for way in ways],
        plot=_plot([row for way in ways for row in way.rows]),
        sizes=trained,
        alike=len({(size.clips, size.steps) for size in trained}) == 1,
        learned=found,
        learned_said=[*of_learned(found)],
        tuned=TUNED,
        slices=SLICES,
        paper=PAPER,
        fell=FELL,
        base=base,
        minutes=minutes,
        baseline=BASELINE,
        signed=signed,
        verdict=verdict,
    )
    write_whole(out / "index.html", page.encode())
    return out / "index.html"


def outcomes(run: Run, condition: str) -> list[Outcome]:
    """A run's outcomes under one condition."""
    return [*run.outcomes(condition=condition)]


def _way(asked: Sequence[Asked], tuned: Tuned) -> Way:
    return Way(
        tuned,
        table(asked, tuned),
        additions(asked, tuned),
        tag_table(asked, tuned),
        conflicts(asked, tuned),
        addition(asked, tuned, (IMPLICIT.name, CONTROL.name), "true emotions"),
    )


def _drawn(way: Way) -> str:
    """What each addition changes, with its interval over the seeds; empty where nothing was added."""
    points = [
        Point(f"{one.a.name} \N{MINUS SIGN} {one.b.name}: {one.adds}", part, change.value, change.low, change.high)
        for one in way.additions
        for part in DRAWN
        if (change := one.changes.get(part)) is not None and not (part == "DE" and one.given_away)
    ]
    title = f"What each addition changes, {way.name}"
    return intervals(points, title=title, axis=f"points of {METRIC}", reference=0.0, width=9.0) if points else ""


def _plain(plan: Plan, ways: Sequence[Way], trained: Sequence[Size], found: Sequence[Learned]) -> dict[str, Any]:
    """All numbers of the page, as JSON has them."""
    return {
        "plan": dataclasses.asdict(plan),
        "synthetic": True,
        "metric": f"{METRIC}: no LLM judge",
        "tables": {way.tuned: _dicts(way.rows) for way in ways},
        "additions": {way.tuned: _dicts(way.additions) for way in ways},
        "tags": {way.tuned: _dicts(way.told) for way in ways},
        "conflicts": {way.tuned: _dicts(way.conflicts) for way in ways},
        "control": {way.tuned: dataclasses.asdict(way.control) if way.control else None for way in ways},
        "sizes": _dicts(trained),
        "learned": _dicts(found),
    }


def _base(notes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: notes[key] for key in ("steps", "seconds", "items")} | {"clips": len(notes["trained_on"])}


def _dicts(records: Iterable[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in records]


def _plot(rows: Iterable[Row]) -> str:
    points = [
        Point(f"{row.system.name}: {row.system.says}", TUNED[row.tuned], one.value, one.low, one.high)
        for row in rows
        if (one := row.values.get("all")) is not None
    ]
    return intervals(points, title="Score over all questions, by system", axis=f"{METRIC}, 0 to 100", width=9.0)


def _notes(asked: Sequence[Asked], out: Path) -> dict[str, dict[str, Any]]:
    """What each checkpoint says about its training, by its job's name."""
    return {one.job.name: _read(out / "checkpoints" / one.job.name / "checkpoint.json") for one in asked}


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _minutes(asked: Sequence[Asked], notes: Iterable[Mapping[str, Any]]) -> float:
    """Minutes of training and of asking, summed over everything (several went side by side)."""
    trained = sum(float(one["seconds"]) for one in notes)
    return (trained + sum(float(one.run.manifest.get("wall_s", 0.0)) for one in asked)) / 60
