"""results.json: lm-eval's shape, plain JSON, and the same keys as its schema says."""

import dataclasses
import json
import math

import pytest

from cpbench.records import Estimate, ModelCard, Results, Rights, Score
from cpbench.results import ResultsFile, compute, tally, to_lm_eval

GPT = {"name": "openai/gpt", "spec": "openai/gpt"}


@pytest.fixture
def outcomes(outcome):
    return [
        outcome("anger", "anger", type="DE", recording="a", score=90.0),
        outcome("sadness", "anger", type="DE", recording="b", score=10.0),
        outcome("A dog.", type="C", recording="b", references=("A dog.",), score=80.0),
        outcome("anger", "sadness", type="DE", condition="silence", score=0.0),
        outcome("", "anger", type="DE", status="error"),
    ]


@pytest.fixture
def results(outcomes, task):
    scores = compute(outcomes, [task]) + compute(outcomes, [task], judge_id="judge-1")
    card = ModelCard("tiny", "speechlm", trained_on=frozenset({"f" * 64}), details={"dtype": "float32"})
    task = dataclasses.replace(task, rights=Rights("CC0"))
    usage = {"wall_s": 2.0, "items_per_second": 2.5, "judge_calls": 4.0}
    return Results("a-run", card, (task,), scores, {"judge-1": "PASS: DE; en"}, usage, ("few",))


def test_values_and_standard_errors_have_lm_evals_keys(results):
    made = to_lm_eval(results, judges={"judge-1": GPT})
    entry = made["results"]["task"]
    assert entry["alias"] == "task"
    assert entry["accuracy,none"] == 0.5
    assert entry["accuracy_stderr,none"] == pytest.approx(0.5)
    assert entry["judge_score,openai/gpt"] == pytest.approx(60)
    assert made["condition"] == "audio"
    assert made["conditions"]["silence"]["task"]["accuracy,none"] == 0.0
    assert "audio" not in made["conditions"]


def test_intervals_stand_by_condition_task_metric_and_slice(results):
    found = to_lm_eval(results, judges={"judge-1": GPT})["intervals"]["audio"]["task"]
    assert list(found["overlap_score,none"]) == ["all", "C", "DE"]
    detail = found["accuracy,none"]["all"]
    assert (detail["n"], detail["recordings"], detail["coverage"]) == (2, 2, pytest.approx(2 / 3))
    assert (detail["worst"], detail["best"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert detail["low"] == 0.0
    assert detail["method"].startswith("t, 1 degree of freedom")


def test_a_judge_is_named_by_its_spec_and_carries_its_card(results):
    made = to_lm_eval(results, judges={"judge-1": GPT})
    (found,) = made["judges"].values()
    assert (found["judge_id"], found["spec"], found["card"]) == ("judge-1", "openai/gpt", "PASS: DE; en")


def test_two_judges_of_one_spec_keep_their_names_apart(results):
    results = dataclasses.replace(results, judges={"aaaaaaaaaa": "", "bbbbbbbbbb": "", "judge-1": ""})
    names = to_lm_eval(
        results,
        judges={"aaaaaaaaaa": {"name": "openai/gpt"}, "bbbbbbbbbb": {"name": "openai/gpt", "spec": "openai/gpt"}},
    )["judges"]
    assert list(names) == ["openai/gpt#aaaaaaaa", "openai/gpt#bbbbbbbb", "judge#judge-1"]


def test_the_main_condition_is_the_models_own_where_there_is_no_plain_audio(results):
    scores = tuple(dataclasses.replace(score, condition="tags:gold") for score in results.scores)
    other = dataclasses.replace(results.scores[0], condition="silence")
    results = dataclasses.replace(
        results, scores=(other, *scores), model=ModelCard("explicit", "speechlm", condition="tags:gold")
    )
    made = to_lm_eval(results)
    assert made["condition"] == "tags:gold"
    assert list(made["conditions"]) == ["silence"]


def test_it_is_plain_json_with_null_for_what_is_no_number(results):
    estimate = Estimate(math.nan, None, math.inf, None, 1, 1, "none: one cluster")
    results = dataclasses.replace(
        results, scores=(Score("task", "audio", "all", "accuracy", None, estimate),), usage={"wall_s": math.inf}
    )
    made = to_lm_eval(results, config={"shard": (0, 1), "model": "demo"})
    again = json.loads(json.dumps(made, allow_nan=False))
    assert again == made
    assert again["results"]["task"] == {"alias": "task", "accuracy,none": None, "accuracy_stderr,none": None}
    assert again["throughput"] == {"wall_s": None}
    assert again["config"] == {"shard": [0, 1], "model": "demo"}


def test_its_keys_are_those_of_the_schema(results, outcomes, task):
    made = to_lm_eval(results, tallies=tally(outcomes, [task]))
    assert set(made) == set(ResultsFile.__annotations__)
    assert made["n-samples"] == {"task": {"original": 4, "effective": 3}}
    assert made["tallies"][0]["errors"] == 1
    assert (made["throughput"], made["costs"]) == ({"wall_s": 2.0, "items_per_second": 2.5}, {"judge_calls": 4.0})
    assert made["tasks"]["task"]["license"] == "CC0"
    assert made["higher_is_better"]["task"]["accuracy"] is True
    assert made["warnings"] == ["few"]


def test_a_metric_without_a_number_over_all_keeps_its_types(outcome, task):
    outcomes = [
        outcome("anger", "anger", type="DE"),
        outcome("male", "male", type="DG", options=("female", "male")),
    ]
    results = Results("r", ModelCard("m", "f"), (task,), compute(outcomes, [task]), {})
    made = to_lm_eval(results)
    assert "macro_f1,none" not in made["results"]["task"]
    assert list(made["intervals"]["audio"]["task"]["macro_f1,none"]) == ["DE", "DG"]
