"""The two means of a judge's scores, and what is missing from them."""

import numpy as np
import pytest

from cpbench.errors import UserError
from cpbench.metrics import find_metrics

ITEM, UAS = find_metrics(["judge_score", "judge_score_uas"])


def value_of(metric, outcomes):
    rows = metric.rows(outcomes)
    return float(metric.value(rows[~np.isnan(rows).any(axis=1)].sum(axis=0)))


def test_the_mean_over_items_and_the_mean_over_types_differ(outcome):
    outcomes = [outcome("a", type="C", score=each) for each in (100.0, 80.0, 60.0)] + [
        outcome("a", type="DE", score=0.0)
    ]
    assert value_of(ITEM, outcomes) == 60
    assert value_of(UAS, outcomes) == 40


def test_what_the_judge_could_not_score_is_missing_from_both(outcome):
    outcomes = [
        outcome("a", type="C", score=100.0),
        outcome("a", type="C", score="unread"),
        outcome("a", type="DE", score=50.0),
        outcome("a", type="DE"),
        outcome("", type="DE", status="error", score=100.0),
    ]
    for metric in (ITEM, UAS):
        assert np.isnan(metric.rows(outcomes)).all(axis=1).tolist() == [False, True, False, True, True]
        assert value_of(metric, outcomes) == 75


def test_a_type_that_was_not_judged_at_all_is_no_zero(outcome):
    outcomes = [outcome("a", type="C", score=80.0), outcome("a", type="DE", score=40.0), outcome("a", type="CE")]
    assert value_of(UAS, outcomes) == 60


def test_a_mean_over_one_type_is_refused(outcome):
    with pytest.raises(UserError, match="two types"):
        UAS.rows([outcome("a", type="C", score=80.0)])
    assert not UAS.applies(outcome("a", score=80.0))
