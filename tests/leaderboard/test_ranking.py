"""Ranks as intervals, against tests by hand and against the ranks that `compare` gives the same systems."""

import numpy as np
import pytest

from cpbench.leaderboard.ranking import Ground, rank
from cpbench.metrics import find_metrics

ACCURACY = find_metrics(["accuracy"])[0]
UNEXTRACTABLE = find_metrics(["unextractable"])[0]


def right(*answers: float) -> np.ndarray:
    """Rows whose value is the mean: what `accuracy` makes of right and wrong answers."""
    return np.array([[answer, 1.0] for answer in answers])


def mean(metric):
    """The metric with this value, whatever its own rows are."""
    import dataclasses

    return dataclasses.replace(metric, value=lambda sums: sums[..., 0] / sums[..., 1])


GROUND = Ground([f"r{at}" for at in range(12)])
GOOD, MIDDLE, POOR = right(*[1] * 12), right(*[1] * 6, *[0] * 6), right(*[0] * 12)


def test_a_rank_is_what_no_significant_difference_excludes():
    """Of 12 recordings: 12 against 0 differ in all of them, p = 2/4096; 12 against 6 in six, p = 2/64, times 2 by
    Holm .0625: not shown; 6 against 0 likewise."""
    found = rank({"good": GOOD, "middle": MIDDLE, "poor": POOR}, mean(ACCURACY), GROUND)
    places = {place.entry: (place.best, place.worst) for place in found.places}
    assert places == {"good": (1, 2), "middle": (1, 3), "poor": (2, 3)}
    good = next(place for place in found.places if place.entry == "good")
    assert (good.better, good.worse) == ((), ("poor",))
    assert (found.systems, found.pairs, found.undecidable) == (3, 3, None)


def test_where_less_is_better_the_order_turns():
    found = rank({"good": GOOD, "poor": POOR}, mean(UNEXTRACTABLE), GROUND)
    assert [(place.entry, place.best, place.worst) for place in found.places] == [("good", 2, 2), ("poor", 1, 1)]


def test_a_baseline_takes_no_place_and_is_not_in_the_correction():
    """Two systems alone: 12 against 6 right, p = 2/64 = .031, is shown; beside ten baselines it still is."""
    alone = rank({"good": GOOD, "middle": MIDDLE}, mean(ACCURACY), GROUND)
    nulls = {f"null{at}": POOR for at in range(10)}
    beside = rank({"good": GOOD, "middle": MIDDLE, **nulls}, mean(ACCURACY), GROUND, beside=list(nulls))
    for found in (alone, beside):
        assert [(p.entry, p.best, p.worst) for p in found.places][:2] == [("good", 1, 1), ("middle", 2, 2)]
    assert (beside.systems, beside.pairs) == (2, 1)
    null = beside.places[-1]
    assert (null.best, null.worst) == (None, None)
    assert null.better == ("good",)  # p = 2/4096 times 20 by Holm = .0098; "middle" 2/64 times 10: not shown


def test_missing_answers_are_left_out_on_both_sides():
    """Without its last six answers "good" meets "poor" on six recordings: p = 2/64 = .031; it loses to nobody."""
    part = GOOD.copy()
    part[6:] = np.nan
    found = rank({"part": part, "poor": POOR}, mean(ACCURACY), GROUND)
    assert [(place.best, place.worst) for place in found.places] == [(1, 1), (2, 2)]
    part[5:] = np.nan  # five recordings: 2/32 = .0625
    found = rank({"part": part, "poor": POOR}, mean(ACCURACY), GROUND)
    assert [(place.best, place.worst) for place in found.places] == [(1, 2), (1, 2)]


def test_too_few_recordings_are_said():
    ground = Ground([f"r{at % 5}" for at in range(12)])
    found = rank({"good": GOOD, "poor": POOR}, mean(ACCURACY), ground)
    assert [(place.best, place.worst) for place in found.places] == [(1, 2), (1, 2)]
    assert found.undecidable == "5 recordings allow no p under 0.062, and a pair needs 0.05"
    assert rank({"good": GOOD, "poor": POOR}, mean(ACCURACY), Ground(["r"] * 12)).undecidable is not None


def test_recurring_words_make_the_test_more_careful():
    """Two sentences said by 12 speakers: what differs by sentence is known of two sentences only."""
    answers = right(*[1, 0] * 12)
    speakers, words = [f"s{at // 2}" for at in range(24)], [f"w{at % 2}" for at in range(24)]
    poor = right(*[0] * 24)
    alone = rank({"a": answers, "b": poor}, mean(ACCURACY), Ground(speakers))
    crossed = rank({"a": answers, "b": poor}, mean(ACCURACY), Ground(speakers, words))
    assert [p.best for p in alone.places] == [1, 2]
    assert [p.best for p in crossed.places] == [1, 1]


def test_rows_of_another_length_are_refused():
    with pytest.raises(ValueError, match="11 rows for 12 items"):
        rank({"good": GOOD[:11]}, mean(ACCURACY), GROUND)


def test_one_system_alone_is_first_and_nothing_is_tested():
    found = rank({"good": GOOD, "null": POOR}, mean(ACCURACY), GROUND, beside=["null"])
    assert [(p.best, p.worst) for p in found.places] == [(1, 1), (None, None)]
    assert (found.pairs, found.smallest, found.undecidable) == (0, None, None)
