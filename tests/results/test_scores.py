"""From outcomes to scores: what is in a value, what is missing, how it is clustered."""

import dataclasses
import random
import time

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from cpbench.errors import UsageError, UserError
from cpbench.records import QTYPES, Task
from cpbench.results import absences, compute

EMOTIONS = ("anger", "happiness", "sadness")


def by_key(scores):
    return {(score.slice, score.metric): score for score in scores}


def test_an_accuracy_and_its_interval_are_those_of_the_clustered_regression(outcome, task):
    rng = random.Random(1)
    right = [rng.random() < 0.6 for _ in range(80)]
    speakers = [f"speaker {at % 5}" for at in range(80)]
    outcomes = [
        outcome("anger" if each else "sadness", "anger", recording=speaker)
        for each, speaker in zip(right, speakers, strict=True)
    ]
    estimate = by_key(compute(outcomes, [task]))["all", "accuracy"].estimate
    fit = OLS(np.array(right, float), np.ones(80)).fit(
        cov_type="cluster", cov_kwds={"groups": np.unique(speakers, return_inverse=True)[1]}, use_t=True
    )
    assert estimate.value == pytest.approx(np.mean(right))
    assert (estimate.low, estimate.high) == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-7)
    assert (estimate.n, estimate.clusters) == (80, 5)


def test_words_that_recur_across_speakers_are_clustered_two_ways(outcome, task):
    rng = random.Random(2)
    cells = [(speaker, sentence) for speaker in range(6) for sentence in range(5) for _ in range(2)]
    right = [rng.random() < 0.3 + 0.1 * speaker for speaker, _ in cells]
    outcomes = [
        outcome("anger" if each else "sadness", "anger", recording=f"speaker {speaker}", words=f"sentence {sentence}")
        for each, (speaker, sentence) in zip(right, cells, strict=True)
    ]
    estimate = by_key(compute(outcomes, [task]))["all", "accuracy"].estimate
    means = np.array(right, float).reshape(6, 5, 2).mean(axis=2)  # by speaker and sentence
    rows, columns = (means.mean(axis=axis, keepdims=True) for axis in (1, 0))
    left = means - rows - columns + means.mean()
    variance = 5 * rows.var(ddof=1) + 6 * columns.var(ddof=1) - (left**2).sum() / 20  # the mean squares
    assert estimate.se == pytest.approx(np.sqrt(variance / 30), rel=1e-7)
    assert "two ways" in estimate.method


def test_words_of_one_speaker_each_cross_nothing(outcome, task):
    outcomes = [
        outcome(answer, "anger", recording=f"speaker {at}", words=f"said by {at}")
        for at, answer in enumerate(["anger", "anger", "sadness"])
    ]
    assert "one way" in by_key(compute(outcomes, [task]))["all", "accuracy"].estimate.method


def test_every_question_type_has_its_own_scores(outcome, task):
    outcomes = [
        outcome("anger", "anger", type="DE"),
        outcome("anger", "sadness", type="DE"),
        outcome("A dog.", type="C", references=("A dog.",)),
    ]
    scores = by_key(compute(outcomes, [task]))
    assert [name for name, metric in scores if metric == "overlap_score"] == ["all", "C", "DE"]
    assert scores["all", "overlap_score"].estimate.value == pytest.approx(200 / 3)
    assert scores["DE", "overlap_score"].estimate.value == 50
    assert scores["all", "accuracy"].estimate.n == 2  # the open question has no label
    assert ("C", "accuracy") not in scores


def test_conditions_and_tasks_are_scored_apart(outcome, task):
    other = dataclasses.replace(task, name="other", metrics=("accuracy",))
    outcomes = [
        outcome("anger", "anger", task="other"),
        outcome("anger", "anger"),
        outcome("anger", "sadness", condition="silence"),
    ]
    found = [
        (score.task, score.condition, score.estimate.value)
        for score in compute(outcomes, [task, other])
        if score.metric == "accuracy" and score.slice == "all"
    ]
    assert found == [("task", "audio", 1.0), ("task", "silence", 0.0), ("other", "audio", 1.0)]


def test_a_failure_lowers_coverage_and_not_the_value(outcome, task):
    outcomes = [outcome("anger", "anger"), outcome("sadness", "anger"), *[outcome("", "anger", status="error")] * 2]
    score = by_key(compute(outcomes, [task]))["all", "accuracy"]
    assert (score.estimate.value, score.estimate.n, score.coverage) == (0.5, 2, 0.5)
    assert (score.worst, score.best) == (0.25, 0.75)


def test_the_bounds_of_macro_f1_by_hand(outcome, task):
    """anger 1 of 1, the one sadness missing. At worst F1 1 and 0, mean 1/2; at best 1 and 1.."""
    outcomes = [outcome("anger", "anger"), outcome("", "sadness", status="error")]
    score = by_key(compute(outcomes, [task]))["all", "macro_f1"]
    assert (score.estimate.value, score.worst, score.best) == (1.0, 0.5, 1.0)


def test_for_a_rate_that_should_be_low_the_worst_is_high(outcome, task):
    task = dataclasses.replace(task, metrics=("unextractable", "lure_rate"))
    outcomes = [outcome("anger", "anger", lure="sadness"), outcome("", "anger", lure="sadness", status="error")]
    for score in compute(outcomes, [task]):
        assert (score.estimate.value, score.worst, score.best) == (0.0, 0.5, 0.0)


@pytest.mark.parametrize("status", ["refused", "truncated", "empty"])
def test_a_refusal_is_wrong_and_not_missing(outcome, task, status):
    scores = by_key(compute([outcome("anger", "anger"), outcome("anger", "anger", status=status)], [task]))
    assert scores["all", "accuracy"].estimate.value == 0.5
    assert scores["all", "overlap_score"].estimate.value == 50
    assert scores["all", "accuracy"].coverage == 1
    assert scores["all", "accuracy"].worst is None


def test_a_slice_with_a_leaked_prompt_is_marked(outcome, task):
    outcomes = [
        outcome("anger", "anger", type="DE", flags=("leaked",)),
        outcome("A dog.", type="C", references=("A dog.",)),
    ]
    leaked = {score.slice: score.leaked for score in compute(outcomes, [task]) if score.metric == "overlap_score"}
    assert leaked == {"all": True, "C": False, "DE": True}


def test_an_interval_ends_where_the_metric_does(outcome, task):
    outcomes = [outcome("anger" if at else "sadness", "anger", recording=f"{at % 4}") for at in range(20)]
    estimate = by_key(compute(outcomes, [task]))["all", "accuracy"].estimate
    assert estimate.high == 1
    assert estimate.value + 3.18 * estimate.se > 1


def test_one_recording_has_no_interval(outcome, task):
    estimate = by_key(compute([outcome("anger", "anger"), outcome("anger", "sadness")], [task]))[
        "all", "accuracy"
    ].estimate
    assert (estimate.value, estimate.low, estimate.high, estimate.se) == (0.5, None, None, None)


def test_several_label_sets_have_an_accuracy_and_no_f1_over_all(outcome, task):
    outcomes = [
        outcome("anger", "anger", type="DE"),
        outcome("male", "male", type="DG", options=("female", "male")),
    ]
    scores = by_key(compute(outcomes, [task]))
    assert ("all", "macro_f1") not in scores
    assert scores["DG", "macro_f1"].estimate.value == 1
    (absent,) = absences(outcomes, [task])
    assert (absent.slice, absent.metric) == ("all", "macro_f1")
    assert "2 different sets of labels" in absent.why


def test_where_every_answer_failed_there_is_no_number_but_a_reason(outcome, task):
    outcomes = [outcome("", "anger", status="error")] * 3
    assert compute(outcomes, [task]) == ()
    assert {absent.why for absent in absences(outcomes, [task])} == {"none of 3 items has a usable answer"}


def test_a_judges_scores_are_his_alone(outcome, task):
    outcomes = [
        outcome("a", type="C", score=80.0, references=("b",)),
        outcome("a", type="C", score=60.0, references=("b",)),
        outcome("a", type="DE", score=10.0, references=("b",)),
        outcome("a", type="DE", references=("b",)),
    ]
    scores = by_key(compute(outcomes, [task], judge_id="judge-1"))
    assert {score.judge_id for score in scores.values()} == {"judge-1"}
    assert scores["all", "judge_score"].estimate.value == 50
    assert scores["all", "judge_score"].coverage == 0.75
    assert (scores["all", "judge_score"].worst, scores["all", "judge_score"].best) == (37.5, 62.5)
    assert scores["all", "judge_score_uas"].estimate.value == 40
    assert (scores["all", "judge_score_uas"].worst, scores["all", "judge_score_uas"].best) == (37.5, 62.5)
    assert ("C", "judge_score_uas") not in scores
    assert all(score.judge_id is None for score in compute(outcomes, [task]))


def test_nothing_gives_nothing(task):
    assert compute([], [task]) == ()


def test_an_unknown_task_or_metric_is_a_users_error(outcome, task):
    with pytest.raises(UserError, match="'task'"):
        compute([outcome("anger", "anger")], [])
    with pytest.raises(UsageError, match="did you mean 'accuracy'"):
        compute([outcome("anger", "anger")], [dataclasses.replace(task, metrics=("acuracy",))])


def test_ten_thousand_outcomes_take_seconds(outcome):
    """Seven types and six metrics; a generous bound, against anything that is not linear."""
    rng = random.Random(3)
    metrics = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "unextractable", "overlap_score")
    outcomes = [
        outcome(
            f"{rng.choice(EMOTIONS)}",
            rng.choice(EMOTIONS),
            type=QTYPES[at % 7],
            recording=f"speaker {at % 300}",
            words=f"sentence {at % 40}",
            status="error" if at % 50 == 0 else "ok",
        )
        for at in range(10_000)
    ]
    start = time.perf_counter()
    assert len(compute(outcomes, [Task("task", "1", "", metrics)])) == 8 * 6
    assert time.perf_counter() - start < 15
