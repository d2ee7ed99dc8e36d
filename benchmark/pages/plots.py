"""Plots as inline SVG in the page's own colours: drawn by matplotlib, light and dark by the page's theme.

The same values give the same bytes. Text stays text, in the page's font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What matplotlib draws with, and what the page's theme calls it (page.css).
_THEME = {
    "#010101": "var(--ink)",
    "#020202": "var(--dim)",
    "#030303": "var(--line)",
    "#040401": "var(--c1)",
    "#040402": "var(--c2)",
    "#040403": "var(--c3)",
    "#040404": "var(--c4)",
    "#040405": "var(--c5)",
    "#040406": "var(--c6)",
}
INK, DIM, LINE, *COLOURS = _THEME
MARKERS = "osD^vP"  # beside the colours, for those who do not tell them apart


@dataclass(frozen=True)
class Point:
    """A value with its interval, in one row of a plot."""

    row: str
    series: str
    value: float
    low: float | None = None
    high: float | None = None


def intervals(
    points: Sequence[Point], *, title: str, axis: str, reference: float | None = None, width: float = 7.5
) -> str:
    """Return a dot and its interval for each point: rows downwards in their order, the series of a row side by side.

    `reference`: a value that a line is drawn at. Raises ValueError for more than six series, or no points.
    """
    rows, series = ([*dict.fromkeys(names)] for names in ([p.row for p in points], [p.series for p in points]))
    if not points or len(series) > len(COLOURS):
        raise ValueError(f"{len(points)} points of {len(series)} series: there should be 1 to {len(COLOURS)} series")

    def draw(axes: Axes) -> None:
        for number, name in enumerate(series):
            mine = [point for point in points if point.series == name]
            at = [rows.index(point.row) + 0.5 * ((number + 0.5) / len(series) - 0.5) for point in mine]
            for place, point in zip(at, mine, strict=True):
                if point.low is not None and point.high is not None:
                    axes.plot([point.low, point.high], [place, place], color=COLOURS[number], linewidth=1.6)
            values = [point.value for point in mine]
            axes.plot(values, at, MARKERS[number], color=COLOURS[number], markersize=5.5, label=name)
        if reference is not None:
            axes.axvline(reference, color=DIM, linewidth=1, linestyle="--", zorder=0)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(axis)
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        if len(series) > 1:
            axes.legend(frameon=False, labelcolor=INK, loc="upper left", bbox_to_anchor=(1.01, 1))

    return svg(draw, title=title, size=(width, 0.9 + len(rows) * (0.3 + 0.14 * len(series))))


@dataclass(frozen=True)
class Spot:
    """A point of two values, each with its interval (value, low, high)."""

    name: str
    series: str
    x: tuple[float, float | None, float | None]
    y: tuple[float, float | None, float | None]


def scatter(spots: Sequence[Spot], *, title: str, axes: tuple[str, str], diagonal: bool = False) -> str:
    """Return a point with its two intervals for each spot, with its name beside it.

    `axes`: what x and y are; `diagonal`: draw x = y. Raises ValueError for more than six series, or no spots.
    """
    series = [*dict.fromkeys(spot.series for spot in spots)]
    if not spots or len(series) > len(COLOURS):
        raise ValueError(f"{len(spots)} spots of {len(series)} series: there should be 1 to {len(COLOURS)} series")

    def draw(plot: Axes) -> None:
        for number, name in enumerate(series):
            mine = [spot for spot in spots if spot.series == name]
            for spot in mine:
                (x, left, right), (y, low, high) = spot.x, spot.y
                if left is not None and right is not None:
                    plot.plot([left, right], [y, y], color=COLOURS[number], linewidth=1.1)
                if low is not None and high is not None:
                    plot.plot([x, x], [low, high], color=COLOURS[number], linewidth=1.1)
                plot.annotate(spot.name, (x, y), (5, 5), textcoords="offset points", color=DIM, fontsize=8)
            at = [[spot.x[0] for spot in mine], [spot.y[0] for spot in mine]]
            plot.plot(*at, MARKERS[number], color=COLOURS[number], markersize=6, label=name)
        if diagonal:
            plot.axline((0.5, 0.5), slope=1, color=DIM, linewidth=1, linestyle="--", zorder=0)
        plot.set_xlabel(axes[0])
        plot.set_ylabel(axes[1])
        plot.grid(color=LINE, linewidth=0.6)
        if len(series) > 1:
            plot.legend(frameon=False, labelcolor=INK, loc="upper left", bbox_to_anchor=(1.01, 1))

    return svg(draw, title=title, size=(7.5, 4.4))


def svg(draw: Callable[[Axes], Any], *, title: str, size: tuple[float, float]) -> str:
    """Return what `draw` draws as an SVG element, with `title` as its name for screen readers. `size` in inches."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": title,
        "axes.edgecolor": LINE,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": DIM,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "font.size": 10,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _themed(file.getvalue(), title)


def _themed(document: str, title: str) -> str:
    """The SVG element alone, in the theme's colours and the page's font, with a name."""
    from html import escape

    element = document[document.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    for drawn, named in _THEME.items():
        element = element.replace(drawn, named)
    element = re.sub(r"font-family: [^;\"]*;? ?", "", element)
    head, _, rest = element.partition(">")
    return f'{head} role="img" aria-label="{escape(title)}">{rest}'.strip()
