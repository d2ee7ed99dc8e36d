"""Label metrics against sklearn, the unreadable being one more predicted class."""

import random
import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from cpbench.errors import UserError
from cpbench.metrics import find_metrics

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness")


def value_of(name, outcomes):
    (metric,) = find_metrics([name])
    return float(metric.value(metric.rows(outcomes).sum(axis=0)))


@pytest.fixture
def answered(outcome):
    """Two hundred answers over four of the five labels; one in ten names none, and some name the label nobody has."""
    rng = random.Random(5)
    truth = [rng.choice(EMOTIONS[:4]) for _ in range(200)]
    said = [rng.choice([label, label, *EMOTIONS, "I cannot tell."]) for label in truth]
    outcomes = [outcome(answer, label) for answer, label in zip(said, truth, strict=True)]
    return outcomes, truth, [answer if answer in EMOTIONS else "(none)" for answer in said]


def test_accuracy_is_sklearns(answered):
    outcomes, truth, said = answered
    assert value_of("accuracy", outcomes) == pytest.approx(accuracy_score(truth, said))


def test_balanced_accuracy_is_sklearns(answered):
    outcomes, truth, said = answered
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "y_pred contains classes not in y_true")  # the unreadable are meant to be one
        wanted = balanced_accuracy_score(truth, said)
    assert value_of("balanced_accuracy", outcomes) == pytest.approx(wanted)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_f1_is_sklearns_over_the_classes_that_have_references(answered, average):
    outcomes, truth, said = answered
    wanted = f1_score(truth, said, labels=sorted(set(truth)), average=average)
    assert value_of(f"{average}_f1", outcomes) == pytest.approx(wanted)


def test_f1_by_hand(outcome):
    """anger: 1 right, 1 missed, 0 false: 2/3. fear: 1 right, 0 missed, 1 false: 2/3. sadness: missed: 0. Mean 4/9."""
    outcomes = [outcome("anger", "anger"), outcome("fear", "anger"), outcome("fear", "fear"), outcome("?", "sadness")]
    assert value_of("macro_f1", outcomes) == pytest.approx(4 / 9)
    assert value_of("weighted_f1", outcomes) == pytest.approx((2 * 2 / 3 + 2 / 3) / 4)
    assert value_of("balanced_accuracy", outcomes) == pytest.approx((1 / 2 + 1 + 0) / 3)


@pytest.mark.parametrize("status", ["refused", "truncated", "empty"])
def test_an_answer_that_is_no_answer_is_wrong_whatever_it_says(outcome, status):
    outcomes = [outcome("anger", "anger"), outcome("anger", "anger", status=status)]
    assert value_of("accuracy", outcomes) == 0.5
    assert value_of("unextractable", outcomes) == 0.5


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "unextractable"])
def test_a_failure_is_missing_and_not_wrong(outcome, name):
    (metric,) = find_metrics([name])
    rows = metric.rows([outcome("anger", "anger"), outcome("", "fear", status="error")])
    assert np.isfinite(rows[0]).all()
    assert np.isnan(rows[1]).all()


def test_a_mean_over_classes_needs_one_set_of_labels(outcome):
    (metric,) = find_metrics(["macro_f1"])
    mixed = [outcome("anger", "anger"), outcome("male", "male", options=("female", "male"))]
    with pytest.raises(UserError, match="2 different sets of labels"):
        metric.rows(mixed)
    assert value_of("accuracy", mixed) == 1


def test_label_metrics_apply_to_labelled_items_alone(outcome):
    (metric,) = find_metrics(["accuracy"])
    assert metric.applies(outcome("anger", "anger"))
    assert not metric.applies(outcome("A dog.", references=("A dog.",)))
    assert not metric.applies(outcome("anger", "anger", options=()))
