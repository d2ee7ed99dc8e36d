"""Metrics are found by name, whatever file they are in."""

import pytest

from cpbench import metrics
from cpbench.errors import UsageError
from cpbench.metrics import find_metrics, judged_metrics


def test_metrics_come_in_the_order_of_their_names():
    names = ["overlap_score", "accuracy", "lure_rate", "judge_score"]
    assert [metric.name for metric in find_metrics(names)] == names


def test_an_unknown_metric_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'balanced_accuracy'"):
        find_metrics(["balanced_acuracy"])


def test_only_the_judges_metrics_need_a_judge():
    assert {metric.name for metric in judged_metrics()} == {"judge_score", "judge_score_uas"}


@pytest.mark.parametrize(("name", "better"), [("macro_f1", True), ("unextractable", False), ("lure_rate", False)])
def test_which_way_is_better(name, better):
    assert find_metrics([name])[0].higher_is_better is better


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package of somebody else's that brings one metric by an entry point, installed for the test's time."""
    (tmp_path / "theirs.py").write_text(
        "from cpbench.parts import Metric\n"
        "METRICS = (Metric('brevity', lambda outcomes: None, lambda sums: sums, bool),)\n",
        encoding="utf-8",
    )
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[cpbench.metrics]\ntheirs = theirs\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    metrics._known.cache_clear()
    yield
    metrics._known.cache_clear()


@pytest.mark.usefixtures("installed")
def test_a_metric_of_somebody_elses_is_found_by_its_entry_point():
    assert [metric.name for metric in find_metrics(["brevity", "accuracy"])] == ["brevity", "accuracy"]
