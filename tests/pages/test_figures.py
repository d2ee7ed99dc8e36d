"""The kit's figures: tables and bars that say in words what they show, with everything escaped."""

from dataclasses import dataclass
from xml.etree import ElementTree

import jinja2
import pytest

from cpbench.pages import number
from cpbench.report.summary import Line, Metric, Plot

HOSTILE = "<b>&\"'"


@dataclass(frozen=True)
class Figures:
    module: object

    def __call__(self, name, *values):
        return ElementTree.fromstring(f"<div>{getattr(self.module, name)(*values)}</div>".replace("&nbsp;", " "))


@pytest.fixture(scope="module")
def drawn():
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cpbench.pages", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = number
    return Figures(environment.get_template("figures.html").module)


def detail(value, low=None, high=None, n=10):
    return {"value": value, "low": low, "high": high, "n": n, "coverage": 1.0, "leaked": False}


def words(element):
    return " ".join("".join(element.itertext()).split())


def test_intervals_lie_where_their_values_are_and_are_a_table_with_heads(drawn):
    lines = [Line("DE", detail(0.25, 0.1, 0.5)), Line(HOSTILE, detail(1.0, n=7), "null")]
    element = drawn("intervals", Plot("By type", Metric("accuracy,none"), lines, "type"))
    dots = [one.get("style") for one in element.iter("i") if one.get("class") == "dot"]
    assert dots == ["left: 25.0%", "left: 100.0%"]
    (line,) = [one.get("style") for one in element.iter("i") if one.get("class") == "line"]  # the other has no interval
    assert line == "left: 10.0%; right: 50.0%"
    heads = [(one.get("scope"), words(one)) for one in element.iter("th")]
    assert heads == [("col", "type"), ("col", "value"), ("col", "items"), ("row", "DE"), ("row", HOSTILE)]
    assert "0.250" in words(element) and "0.100 to 0.500" in words(element)
    assert all(one.get("aria-hidden") for one in element.iter("td") if "track" in one.get("class"))


def test_values_beyond_the_bounds_stay_inside_the_plot():
    metric = Metric("judge_score,a,b")
    assert (metric.judge, metric.name, metric.digits) == ("a,b", "judge_score", 1)
    assert [metric.at(value) for value in (-5.0, 0.0, 62.5, 100.0, 120.0)] == [0.0, 0.0, 62.5, 100.0, 100.0]


def test_a_histogram_says_its_counts(drawn):
    element = drawn("histogram", f"Scores {HOSTILE}", {"0": 4, "5": 0, "10": 1}, "score", 2)
    (image,) = [one for one in element.iter("div") if one.get("role") == "img"]
    assert image.get("aria-label") == f"Scores {HOSTILE}. score: count. 0: 4; 10: 1"
    assert [one.get("style") for one in element.iter("i")] == ["height: 100.0%", "height: 0.0%", "height: 25.0%"]
    empty = drawn("histogram", "None", {"0": 0}, "score")
    assert [one.get("style") for one in empty.iter("i")] == ["height: 0.0%"]


def test_a_confusion_matrix_has_its_heads_its_counts_and_a_name_for_what_could_not_be_read(drawn):
    element = drawn("matrix", "Labels", [HOSTILE, "b"], [HOSTILE, "b", None], [[3, 1, 0], [0, 0, 0]], "no label")
    heads = [words(one) for one in element.iter("th")]
    assert heads[1:] == [HOSTILE, "b", "no label", HOSTILE, "b"]
    cells = [(words(one), one.get("style"), one.get("class")) for one in element.iter("td")]
    assert cells[:3] == [("3", "--share: 0.75", "n right"), ("1", "--share: 0.25", "n"), ("0", "--share: 0.0", "n")]
    assert cells[4][2] == "n right"
