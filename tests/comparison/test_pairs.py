"""Two columns of outcomes: what pairs, what is lost, and whose differences these are."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import f1_score

from cpbench.comparison import About, corrected, difference, differences, measured, pair
from cpbench.comparison.pairs import NoDifference
from cpbench.errors import UserError
from cpbench.metrics import find_metrics
from cpbench.records import Clip, Item, Judgement, Outcome, Request, Task

EMOTIONS = ("anger", "happiness", "sadness")
TASK = Task("task", "1", "Somebody (2020)", ("accuracy", "macro_f1", "overlap_score"))


def item(at, label="anger", *, type="DE", recording=None, **known):
    clip = Clip(f"{at}.wav", f"{at:064d}", 2.0, recording or f"speaker {at // 3}")
    return Item(str(at), "task", (clip,), "Which?", (label,), type=type, label=label, options=EMOTIONS, **known)


def answered(one, answer, *, status="ok", flags=(), score=None):
    request = Request(one.id, one.task, "audio", one.question, (), flags=flags)
    prediction = request.failed("broken") if status == "error" else request.answered(answer, heard=2.0, status=status)
    judged = (
        Judgement("key", one.id, one.task, "audio", "0" * 64, "judge-1", "ok", score) if score is not None else None
    )
    return Outcome(one, prediction, (judged,) if judged else ())


@pytest.fixture
def columns():
    """Sixty items in twenty recordings; a is right in two of three, b in one of three, c as a but for two items."""
    rng = np.random.default_rng(1)
    items = [item(at, EMOTIONS[at % 3], type=("DE", "CE")[at % 2]) for at in range(60)]
    wrong = {"anger": "sadness", "happiness": "anger", "sadness": "happiness"}

    def column(share):
        return [
            answered(one, one.label if right else wrong[one.label])
            for one, right in zip(items, rng.random(60) < share, strict=True)
        ]

    return column(2 / 3), column(1 / 3)


ACCURACY, MACRO_F1, JUDGED = find_metrics(["accuracy", "macro_f1", "judge_score"])
ALL = About("task", "all", "a", "b")


def test_pairs_are_joined_by_item_in_the_order_of_the_first(columns):
    a, b = columns
    found = pair(a, b[::-1])
    assert [one.item.id for one in found.a] == [one.item.id for one in found.b] == [one.item.id for one in a]
    assert found.lost == 0


def test_a_difference_is_that_of_the_values_with_the_interval_of_the_items(columns):
    a, b = columns
    found = difference(pair(a, b), ACCURACY, ALL)
    right = [np.array([one.prediction.answer == one.item.label for one in side], dtype=float) for side in columns]
    gap = right[0] - right[1]
    sums = (gap - gap.mean()).reshape(20, 3).sum(axis=1)
    assert (found.value_a, found.value_b) == pytest.approx((right[0].mean(), right[1].mean()))
    assert found.estimate.value == pytest.approx(gap.mean())
    assert found.estimate.se == pytest.approx(np.sqrt(20 / 19 * (sums**2).sum()) / 60)
    assert (found.estimate.n, found.estimate.clusters, found.n_lost, found.p_holm) == (60, 20, 0, None)


def test_macro_f1_is_sklearn_s_on_each_side(columns):
    found = difference(pair(*columns), MACRO_F1, ALL)
    for side, value in zip(columns, (found.value_a, found.value_b), strict=True):
        truth, said = [one.item.label for one in side], [one.prediction.answer for one in side]
        assert value == pytest.approx(f1_score(truth, said, average="macro"))


def test_every_metric_and_type_has_its_difference(columns):
    found = differences(*columns, [TASK], a_name="new", b_name="old")
    assert {(one.metric, one.slice) for one in found} == {
        (metric, name) for metric in TASK.metrics for name in ("all", "DE", "CE")
    }
    assert {(one.a, one.b, one.judge_id) for one in found} == {("new", "old", None)}


def test_items_of_one_side_and_failures_are_lost_and_counted_where_they_belong(columns):
    a, b = columns
    a = a[2:]  # a DE and a CE item
    b[2] = answered(b[2].item, "", status="error")  # a DE item
    a[5] = answered(a[5].item, "", status="error")  # a CE item
    by_slice = {one.slice: one for one in differences(a, b, [TASK], a_name="a", b_name="b") if one.metric == "accuracy"}
    assert {name: (one.estimate.n, one.n_lost) for name, one in by_slice.items()} == {
        "all": (56, 4),
        "DE": (28, 2),
        "CE": (28, 2),
    }


@pytest.mark.parametrize(
    "other", [{"question": "How?"}, {"references": ("joy",)}, {"label": "sadness"}, {"type": "C"}, {"clips": ()}]
)
def test_items_whose_content_differs_are_no_pair(columns, other):
    a, b = columns
    b[7] = dataclasses.replace(b[7], item=dataclasses.replace(b[7].item, **other))
    found = pair(a, b)
    assert [one.id for one in found.changed] == ["7"] and len(found.a) == 59 and found.lost == 1


def test_the_path_of_a_clip_is_no_content(columns):
    a, b = columns
    elsewhere = [
        dataclasses.replace(
            one, item=dataclasses.replace(one.item, clips=(dataclasses.replace(one.item.clips[0], path="/elsewhere"),))
        )
        for one in b
    ]
    assert pair(a, elsewhere).lost == 0


def test_a_column_of_two_conditions_is_refused(columns):
    with pytest.raises(ValueError, match="one column"):
        pair(columns[0] * 2, columns[1])


def test_a_judged_metric_needs_a_judgement_on_both_sides(columns):
    a, b = (
        [answered(one.item, "x", score=score) for one in side]
        for side, score in zip(columns, (80.0, 60.0), strict=True)
    )
    b[0] = answered(b[0].item, "x")
    found = difference(pair(a, b), JUDGED, dataclasses.replace(ALL, judge_id="judge-1"))
    assert (found.estimate.value, found.estimate.n, found.n_lost) == (pytest.approx(20.0), 59, 1)
    assert found.judge_id == "judge-1"
    none = difference(pair(*columns), JUDGED, ALL)
    assert none == "none of 60 common items has a usable judgement on both sides"


def test_where_there_is_no_difference_the_reason_is_given(columns):
    a, b = columns
    assert difference(pair(a[:3], b[3:]), ACCURACY, ALL) == "no common items"
    mixed = [
        dataclasses.replace(one, item=dataclasses.replace(one.item, options=EMOTIONS[: 2 + n % 2]))
        for n, one in enumerate(a)
    ]
    task = dataclasses.replace(TASK, metrics=("macro_f1",))
    (first, *_) = [one for one in measured(pair(mixed, mixed), [task], ALL) if isinstance(one, NoDifference)]
    assert "different sets of labels" in first.why and first.metric == "macro_f1"
    with pytest.raises(UserError, match="does not know"):
        differences(a, b, [], a_name="a", b_name="b")


def test_a_leak_on_either_side_is_said(columns):
    a, b = columns
    b[0] = answered(b[0].item, "anger", flags=("leaked",))
    found = {
        one.slice: one.leaked for one in differences(a, b, [TASK], a_name="a", b_name="b") if one.metric == "accuracy"
    }
    assert found == {"all": True, "DE": True, "CE": False}


def test_words_that_recur_are_clustered_two_ways(columns):
    a, b = (
        [
            dataclasses.replace(one, item=dataclasses.replace(one.item, words=f"sentence {at % 3}"))
            for at, one in enumerate(side)
        ]
        for side in columns
    )
    found = difference(pair(a, b), ACCURACY, ALL)
    assert "two ways" in found.estimate.method and found.p_least == 1e-4 and 0 < found.p < 1


def test_one_recording_has_no_p_and_four_no_significance(columns):
    a, b = columns
    alone = difference(pair(a[:3], b[:3]), ACCURACY, ALL)
    assert (alone.p, alone.p_least, alone.smallest, alone.estimate.low) == (None, None, None, None)
    good, bad = ([answered(item(at, "anger"), said) for at in range(12)] for said in ("anger", "sadness"))
    four = difference(pair(good, bad), ACCURACY, ALL)
    assert (four.p, four.p_least, four.smallest) == (0.125, 0.125, None)


def test_an_interval_does_not_leave_what_a_difference_can_be(columns):
    good, bad = ([answered(item(at, "anger"), said) for at in range(9)] for said in ("anger", "sadness"))
    bad[0] = good[0]
    found = difference(pair(good, bad), ACCURACY, ALL)
    assert found.estimate.high == 1.0 and found.estimate.value == pytest.approx(8 / 9)


def test_holm_is_over_the_pairs_of_systems_and_nothing_else(columns):
    a, b = columns
    found = [
        *differences(a, b, [TASK], a_name="a", b_name="b"),
        *differences(a, b[::-1], [TASK], a_name="a", b_name="c"),
        *differences(b, a, [TASK], a_name="b", b_name="c"),
    ]
    for one, before in zip(corrected(found), found, strict=True):
        family = [other.p for other in found if (other.slice, other.metric) == (one.slice, one.metric)]
        assert len(family) == 3 and len(set(family)) == 1  # the same two columns three times
        assert one.p_holm == pytest.approx(min(1.0, 3 * before.p))


def test_the_smallest_difference_is_for_the_level_that_is_left_to_each_pair(columns):
    alone = difference(pair(*columns), ACCURACY, ALL)
    beside = difference(pair(*columns), ACCURACY, dataclasses.replace(ALL, pairs=3))
    assert beside.smallest > alone.smallest and beside.p == alone.p
