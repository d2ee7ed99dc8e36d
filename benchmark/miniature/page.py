"""The miniature's page and its numbers as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cpbench.flow.ledger import write_whole
from cpbench.miniature.findings import (
    METRIC,
    SLICES,
    Asked,
    Conflict,
    Learned,
    Row,
    conflicts,
    learned,
    table,
    tag_table,
)
from cpbench.miniature.plan import BASELINE, TUNED, Plan, Tuned
from cpbench.pages import render
from cpbench.pages.plots import Point, intervals
from cpbench.records import Estimate, Outcome
from cpbench.runfolder import Run, write_json

# As summarised second-hand, its arithmetic checked: GPT-4o as judge, the human-annotated CPQA set.
PAPER = (("S10", 41.00, None), ("S20", 52.06, None), ("S30", 56.75, 38.41), ("S32", 59.87, 46.02))


def write(asked: Sequence[Asked], plan: Plan, out: Path) -> Path:
    """Write `index.html` and `miniature.json`; return the page."""
    tuned = [way for way in TUNED if any(one.job.tuned == way for one in asked)]
    tables = {way: table(asked, way) for way in tuned}
    found = {
        "plan": dataclasses.asdict(plan),
        "synthetic": True,
        "metric": f"{METRIC}: no LLM judge",
        "tables": {way: [_plain(row) for row in rows] for way, rows in tables.items()},
        "tags": {way: [_plain(row) for row in tag_table(asked, way)] for way in tuned},
        "conflicts": {way: [_plain(row) for row in conflicts(asked, way)] for way in tuned},
        "learned": [_plain(one) for one in learned(asked, outcomes)],
        "minutes": _minutes(asked, out),
    }
    write_json(out / "miniature.json", found)
    page = render(
        "cpbench.miniature",
        "miniature.html",
        title="The paper in small",
        plan=plan,
        seeds=len({one.job.seed for one in asked}),
        ways=[(TUNED[way], tables[way], tag_table(asked, way), conflicts(asked, way)) for way in tuned],
        learned=[(TUNED[one.tuned], one) for one in learned(asked, outcomes)],
        slices=SLICES,
        plot=_plot([row for rows in tables.values() for row in rows]),
        said=[*_said(tables)],
        paper=PAPER,
        minutes=found["minutes"],
        baseline=BASELINE,
    )
    write_whole(out / "index.html", page.encode())
    return out / "index.html"


def outcomes(run: Run, condition: str) -> list[Outcome]:
    """A run's outcomes under one condition."""
    return [one for one in run.outcomes() if one.prediction.condition == condition]


def _plot(rows: Iterable[Row]) -> str:
    points = [
        Point(f"{row.system.name}: {row.system.says}", TUNED[row.tuned], one.value, one.low, one.high)
        for row in rows
        if (one := row.values.get("all")) is not None
    ]
    return intervals(points, title="Score over all questions, by system", axis=f"{METRIC}, 0 to 100", width=9.0)


def _said(tables: dict[Tuned, list[Row]]) -> Iterable[str]:
    """One sentence for each gain over the baseline, and no more than it shows."""
    for way, rows in tables.items():
        for row in rows:
            gain = row.gains.get("all")
            if gain is None:
                continue
            yield f"{row.system.name} minus S10, {TUNED[way]}: {worded(gain)}."


def worded(gain: Estimate) -> str:
    """A difference over seeds in words.

    >>> worded(Estimate(3.0, 1.0, 5.0, 0.7, 5, 5, "t"))
    '+3.0 points [+1.0, +5.0] over 5 seeds: higher'
    >>> worded(Estimate(3.0, -1.0, 7.0, 1.4, 5, 5, "t"))
    '+3.0 points [-1.0, +7.0] over 5 seeds: no difference is shown'
    """
    if gain.low is None or gain.high is None:
        return f"{gain.value:+.1f} points with one seed: no interval"
    verdict = "higher" if gain.low > 0 else "lower" if gain.high < 0 else "no difference is shown"
    return f"{gain.value:+.1f} points [{gain.low:+.1f}, {gain.high:+.1f}] over {gain.n} seeds: {verdict}"


def _minutes(asked: Sequence[Asked], out: Path) -> float:
    """Minutes of training and of asking, summed over everything (two of them went side by side)."""
    import json

    folders = [out / "base", *(out / "checkpoints" / one.job.name for one in asked)]
    trained = sum(json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))["seconds"] for folder in folders)
    return float(trained + sum(one.run.manifest.get("wall_s", 0.0) for one in asked)) / 60


def _plain(record: Row | Conflict | Learned) -> dict[str, Any]:
    return dataclasses.asdict(record)
