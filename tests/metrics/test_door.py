"""Metrics are found by name, whatever file they are in."""

import pytest

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
