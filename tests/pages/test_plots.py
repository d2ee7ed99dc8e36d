"""Plots are SVG elements that take their colours from the page."""

import re
from xml.etree import ElementTree

import pytest

from cpbench.pages.plots import COLOURS, Point, intervals

POINTS = [Point("one", "a", 1.0, 0.5, 1.5), Point("one", "b", 2.0, 1.5, 2.5), Point("two <&>", "a", 3.0)]


def drawn(points=POINTS):
    return intervals(points, title='Scores "by" system', axis="score", reference=1.0)


def test_it_is_one_element_with_a_name_and_holds_the_rows_as_text():
    element = ElementTree.fromstring(drawn())
    assert element.tag.endswith("svg")
    assert element.get("role") == "img"
    assert element.get("aria-label") == 'Scores "by" system'
    words = "".join(element.itertext())
    assert all(word in words for word in ("one", "two <&>", "score", "a", "b"))


def test_every_colour_is_the_themes():
    assert set(re.findall(r"#[0-9a-f]{6}", drawn())) == set()
    assert {"var(--c1)", "var(--c2)", "var(--ink)"} <= set(re.findall(r"var\(--\w+\)", drawn()))


def test_the_same_points_give_the_same_bytes():
    assert drawn() == drawn()


def test_a_value_further_to_the_right_is_drawn_further_to_the_right():
    element = ElementTree.fromstring(intervals([Point("r", "a", 1.0), Point("s", "a", 4.0)], title="t", axis="x"))
    uses = [use for use in element.iter() if use.tag.endswith("use") and "--c1" in (use.get("style") or "")]
    assert float(uses[0].get("x")) < float(uses[1].get("x"))
    assert float(uses[0].get("y")) < float(uses[1].get("y"))


def test_more_series_than_colours_and_no_points_are_refused():
    with pytest.raises(ValueError, match="series"):
        intervals([], title="t", axis="x")
    with pytest.raises(ValueError, match="series"):
        intervals([Point("r", str(n), 1.0) for n in range(len(COLOURS) + 1)], title="t", axis="x")
