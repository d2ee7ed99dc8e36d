"""The page of a validation: one file that works from file://."""

from __future__ import annotations

from pathlib import Path

from cpbench.flow.ledger import write_whole
from cpbench.judges.validity import schema
from cpbench.pages import render
from cpbench.pages.plots import Point, Spot, intervals, scatter

Ends = tuple[float, float | None, float | None]


def write_page(found: schema.Validity, out: Path) -> Path:
    """Write validity.html (validity-dev.html of the dev part) beside validity.json."""
    path = out / ("validity.html" if found["pack"]["part"] == "gate" else "validity-dev.html")
    write_whole(path, page(found).encode())
    return path


def page(found: schema.Validity) -> str:
    """The page, from validity.json alone."""
    kinds: dict[str, list[schema.Example]] = {}
    for one in found["examples"]:
        kinds.setdefault(one["error"], []).append(one)
    title = f"How far {found['judge']['name']} can be believed"
    return render(
        "cpbench.judges.validity", "validity.html", title=title, found=found, plots=_plots(found), examples=kinds
    )


def _plots(found: schema.Validity) -> dict[str, str | None]:
    return {
        "systems": _systems(found),
        "rising": _rising(found),
        "by_system": _by_system(found),
        "probes": _probes(found),
    }


def _systems(found: schema.Validity) -> str | None:
    spots = [
        Spot(
            one["name"],
            one["family"] if one["counted"] else "not counted",
            _ends(one["accuracy"]),
            _ends(one["judge_score"], 100),
        )
        for one in found["systems"]
        if one["accuracy"] is not None and one["judge_score"] is not None
    ]
    families = list(dict.fromkeys(spot.series for spot in spots))
    if len(families) > 6:  # more than there are colours: what counts and what does not
        counted = {one["name"] for one in found["systems"] if one["counted"]}
        spots = [Spot(one.name, "counted" if one.name in counted else "not counted", one.x, one.y) for one in spots]
    if not spots:
        return None
    axes = ("accuracy, by the labels", "mean judge score / 100")
    return scatter(spots, title="Judge score against accuracy, a point a system", axes=axes, diagonal=True)


def _ends(number: schema.Number | None, scale: float = 1.0) -> Ends:
    if number is None:
        return 0.0, None, None
    low, high = number["low"], number["high"]
    return number["value"] / scale, None if low is None else low / scale, None if high is None else high / scale


def _rising(found: schema.Validity) -> str | None:
    if found["rising"] is None:
        return None
    pairs = zip(found["rising"]["scores"], found["rising"]["shares"], strict=True)
    points = [Point(f"score {at:g}", "", *_ends(share)) for at, share in pairs]
    return intervals(points, title="P(correct | judge score)", axis="share of right answers")


def _by_system(found: schema.Validity) -> str | None:
    points = []
    for one in (found["overall"], *found["by_system"]):
        for name, number in (("sensitivity", one["sensitivity"]), ("specificity", one["specificity"])):
            if number is not None:
                points.append(Point(one["name"], name, *_ends(number)))
    if not points:
        return None
    title = "Sensitivity and specificity, over all and by system"
    return intervals(points, title=title, axis="share of right answers accepted, of wrong answers rejected")


def _probes(found: schema.Validity) -> str | None:
    limit = float(found["pack"]["thresholds"]["probe"])
    points = [
        Point(one["kind"], "", one["rate"], one["lower"], one["upper"])
        for one in found["probes"]
        if one["rate"] is not None
    ]
    if not points:
        return None
    return intervals(points, title="Probes that went wrong", axis="rate of failures", reference=limit)
