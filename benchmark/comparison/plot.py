"""A comparison as a forest plot: every difference with its interval, by question type, for a page or a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cpbench.comparison.compare import Comparison
from cpbench.comparison.standings import better, points
from cpbench.errors import UsageError, UserError
from cpbench.records import Difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png")
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # Okabe and Ito (2008): told apart by all
_LOOK = {BLUE: "o", ORANGE: "s", GREY: "D"}  # and by their shape, in print without colour


def check_plot(path: Path) -> Path:
    """Return a plot's path. Raises UsageError for a form that is not drawn."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError("a plot is drawn as one of these, not as", value=path.suffix or path.name, allowed=FORMATS)
    return path


def draw(comparison: Comparison, path: Path) -> Path:
    """Write the plot of a comparison to `path`, .svg or .png by its name, and return it.

    One panel a task and pair of systems, one row a question type, in the task's main metric, in points. A difference
    that is significant after the correction is filled and coloured by who is better; the others are hollow. The same
    comparison gives the same bytes. Raises UserError where no task has a difference in its main metric.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(comparison)
    if not panels:
        raise UserError("there is nothing to plot: no task has a difference in its main metric")
    heights = [len(rows) + 1.6 for rows in panels.values()]
    with matplotlib.rc_context({"svg.hashsalt": "cpbench compare", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7.5, 0.8 + 0.34 * sum(heights) + 0.45 * len(panels)), layout="constrained", dpi=150)
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights})[:, 0]
        for place, (title, rows) in zip(axes, panels.items(), strict=True):
            _panel(place, title, rows)
        metadata = {"Date": None, "Creator": "cpbench"} if path.suffix.lower() == ".svg" else {"Software": "cpbench"}
        figure.savefig(check_plot(path), metadata=metadata)
    return path


def _panels(comparison: Comparison) -> Mapping[str, list[Difference]]:
    """The rows of each panel, by its title."""
    found: dict[str, list[Difference]] = {}
    for one in comparison.differences:
        metric, judge_id = comparison.main.get(one.task, (None, None))
        if one.metric == metric and (judge_id is None or one.judge_id == judge_id):
            by = f", judged by {comparison.judges[judge_id]}" if judge_id is not None else ""
            found.setdefault(f"{one.task}: {one.a} minus {one.b} ({metric}{by})", []).append(one)
    return found


def _panel(axes: Axes, title: str, rows: Sequence[Difference]) -> None:
    for at, one in enumerate(rows):
        side = better(one)
        colour = {"a": BLUE, "b": ORANGE, None: GREY}[side]
        value = points(one.estimate.value, one.metric)
        if one.estimate.low is not None and one.estimate.high is not None:
            ends = [points(end, one.metric) for end in (one.estimate.low, one.estimate.high)]
            axes.plot(ends, [at, at], color=colour, linewidth=1.8, solid_capstyle="butt")
        face = colour if side else "white"
        axes.plot([value], [at], _LOOK[colour], color=colour, markerfacecolor=face, markersize=6)
    first = rows[0]
    axes.tick_params(labelbottom=True)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [_label(one) for one in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold", wrap=True)
    axes.set_xlabel(
        f"points; 95 % intervals. \N{LEFTWARDS ARROW} {first.b} higher | {first.a} higher \N{RIGHTWARDS ARROW}"
    )
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)


def _label(one: Difference) -> str:
    return f"{one.slice} (n {one.estimate.n}{', leaked' if one.leaked else ''})"
