"""What is said beside the scores, and when."""

import dataclasses

import pytest

from cpbench.results import caveats, tally


@pytest.fixture
def quiet(task):
    """A task about which nothing need be said."""
    return dataclasses.replace(task, metrics=("accuracy",))


def of_many(outcome, **known):
    return [outcome("anger", "anger", recording=f"speaker {at}", **known) for at in range(10)]


def test_statuses_clips_and_seconds_are_counted(outcome, task):
    outcomes = [
        outcome("anger", "anger", sha256="a" * 64, flags=("trained_on", "leaked"), heard=1.0),
        outcome("anger", "anger", sha256="a" * 64, flags=("trained_on",)),
        outcome("anger", "anger", recording="speaker 2", status="refused"),
        outcome("anger", "anger", status="truncated"),
        outcome("", "anger"),
        outcome("", "anger", status="error"),
        outcome("anger", "anger", condition="silence"),
    ]
    audio, silence = tally(outcomes, [task])
    assert (audio.n, audio.recordings, audio.errors, audio.refused, audio.truncated, audio.empty) == (6, 2, 1, 1, 1, 1)
    assert (audio.clips, audio.trained_on, audio.leaked) == (5, 1, 1)
    assert (audio.seconds, audio.seconds_heard, audio.heard) == (10.0, 9.0, 0.9)
    assert (silence.condition, silence.n, silence.heard) == ("silence", 1, 1.0)


def test_no_audio_has_no_heard_share(outcome, task):
    (counted,) = tally([outcome("", "anger", status="error")], [task])
    assert counted.heard is None


def test_of_ten_recordings_heard_whole_nothing_need_be_said(outcome, quiet):
    assert caveats(of_many(outcome), [quiet]) == []


@pytest.mark.parametrize(
    ("recordings", "wanted"),
    [
        (1, "task: only 1 recording: there are no intervals"),
        (2, "task: only 2 recordings: intervals are t intervals with 1 degree of freedom, and wide"),
        (4, "task: only 4 recordings: intervals are t intervals with 3 degrees of freedom, and wide"),
    ],
)
def test_few_recordings_are_named_with_their_number(outcome, quiet, recordings, wanted):
    outcomes = [outcome("anger", "anger", recording=f"speaker {at}") for at in range(recordings)]
    assert caveats(outcomes, [quiet]) == [wanted]


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ({"heard": 1.5}, "task, audio: clips were heard in part: 75.0% of the audio reached the model"),
        ({"flags": ("trained_on",)}, "task, audio: the model was trained on 10 of the 10 evaluated clips"),
        ({"flags": ("leaked",)}, "task, audio: the prompt gives away the answer of 10 of 10 items"),
        ({"status": "refused"}, "task, audio: 10 of 10 answers were refused, and count as wrong"),
        ({"status": "truncated"}, "task, audio: 10 of 10 answers were cut off, and count as wrong"),
        ({"status": "empty"}, "task, audio: 10 of 10 answers were empty, and count as wrong"),
    ],
)
def test_what_happened_to_the_answers_is_said(outcome, quiet, known, wanted):
    (said,) = caveats(of_many(outcome, **known), [quiet])
    assert said.startswith(wanted)


def test_failures_are_said_with_the_coverage(outcome, quiet):
    outcomes = [*of_many(outcome), outcome("", "anger", status="error")]
    assert caveats(outcomes, [quiet]) == [
        "task, audio: 1 of 11 items failed; they are in no score (coverage 90.9%)",
    ]


def test_what_kind_of_run_it_was_is_said(outcome, quiet):
    task = dataclasses.replace(quiet, synthetic=True, metrics=("accuracy", "overlap_score"))
    partial, synthetic, overlap = caveats(of_many(outcome), [task], partial=True)
    assert "--limit" in partial
    assert "synthetic speech" in synthetic
    assert "no LLM judge" in overlap


def test_a_task_that_was_not_asked_is_not_spoken_of(outcome, quiet):
    other = dataclasses.replace(quiet, name="other", synthetic=True)
    assert caveats(of_many(outcome), [quiet, other]) == []


def test_a_number_that_does_not_exist_is_explained(outcome, quiet):
    task = dataclasses.replace(quiet, metrics=("macro_f1",))
    outcomes = [*of_many(outcome), outcome("male", "male", options=("female", "male"))]
    (said,) = caveats(outcomes, [task])
    assert said.startswith("task, audio: no macro_f1: the items have 2 different sets of labels")
