"""Held against the fields of the store's schema 0.3.0, listed by hand from its eval.schema.json."""

import json
import math
import re
import uuid
from dataclasses import replace

import pytest

from cpbench import exports
from cpbench.errors import UsageError, UserError
from cpbench.records import Estimate, JudgeSheet, ModelCard, Results, Rights, Score, Task

JUDGE = "ab" * 32
ESTIMATE = Estimate(0.62, 0.5, 0.74, 0.06, 120, 24, "clustered t")

# (allowed keys, required keys) of each object; the store refuses other keys on the top level, and ignores them below.
TOP = (
    {
        *("schema_version", "evaluation_id", "evaluation_timestamp", "retrieved_timestamp", "source_metadata"),
        *("eval_library", "model_info", "evaluation_results", "detailed_evaluation_results"),
    },
    {
        *("schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info"),
        *("eval_library", "evaluation_results"),
    },
)
SOURCE = (
    {
        *("source_name", "source_type", "source_organization_name", "source_organization_url"),
        *("source_organization_logo_url", "evaluator_relationship", "additional_details"),
    },
    {"source_type", "source_organization_name", "evaluator_relationship"},
)
MODEL = (
    {"name", "id", "developer", "inference_platform", "inference_engine", "additional_details"},
    {"name", "id", "additional_details"},
)
RESULT = (
    {
        *("evaluation_result_id", "evaluation_name", "source_data", "evaluation_timestamp", "metric_config"),
        *("score_details", "generation_config"),
    },
    {"evaluation_name", "source_data", "metric_config", "score_details"},
)
DATA = {
    "hf_dataset": (
        {
            *("dataset_name", "source_type", "hf_repo", "hf_split", "samples_number", "sample_ids"),
            "additional_details",
        },
        {"dataset_name", "source_type"},
    ),
    "other": ({"dataset_name", "source_type", "additional_details"}, {"dataset_name", "source_type"}),
}
METRIC = (
    {
        *("evaluation_description", "metric_id", "metric_name", "metric_kind", "metric_unit", "metric_parameters"),
        *("lower_is_better", "score_type", "min_score", "max_score", "llm_scoring", "additional_details"),
    },
    {"lower_is_better", "score_type", "min_score", "max_score"},  # the last two: of a continuous score
)
SCORING = (
    {"judges", "input_prompt", "aggregation_method", "expert_baseline", "additional_details"},
    {"judges", "input_prompt"},
)
DETAILS = ({"score", "details", "uncertainty"}, {"score"})
UNCERTAINTY = (
    {"standard_error", "confidence_interval", "standard_deviation", "num_samples", "num_bootstrap_samples"},
    set(),
)
GENERATION = ({"generation_args", "additional_details"}, set())
ARGUMENTS = (
    {"temperature", "top_p", "top_k", "max_tokens", "execution_command", "reasoning", "prompt_template"},
    set(),
)


def results(**changes):
    tasks = (
        Task("emotion_x", "1", "A citation", ("accuracy",), Rights("CC-BY-4.0"), fingerprint="v1:sha256:00"),
        Task("cpqa_x", "2", "Another", (), revision="c0ffee", repository="org/CPQA"),
    )
    scores = (
        Score("emotion_x", "audio", "all", "accuracy", None, ESTIMATE, coverage=0.99, worst=0.6, best=0.63),
        Score("emotion_x", "audio", "DE", "unextractable", None, replace(ESTIMATE, value=0.03, low=None, high=None)),
        Score("emotion_x", "silence", "all", "macro_f1", None, replace(ESTIMATE, value=math.nan)),
        Score("emotion_x", "silence", "all", "accuracy", None, replace(ESTIMATE, se=math.nan), leaked=True),
        Score("cpqa_x", "audio", "all", "judge_score", JUDGE, replace(ESTIMATE, value=62.0)),
    )
    made = Results("a-run", ModelCard("Org/Model-7B", "qwen"), tasks, scores, {JUDGE: "PASS: DE; en"})
    sheet = JudgeSheet("my jury", ("openai/gpt-4o", "hf/Qwen/Qwen3-8B"), "Judge it.\n\n{data}", "median")
    whole = replace(made, sheets={JUDGE: sheet}, time="2026-11-22T21:00:00+00:00")
    return replace(whole, **changes)


def written(tmp_path, made=None, options=None):
    (file,) = exports.export("eee", made or results(), tmp_path, options=options)
    return file, json.loads(file.read_text(encoding="utf-8"))


def held(value, fields):
    allowed, required = fields
    assert set(value) <= allowed
    assert set(value) >= required
    for key in ("additional_details", "details"):
        assert all(isinstance(text, str) for text in value.get(key, {}).values())


def held_model(value):
    held(value, MODEL)
    assert value["additional_details"]["deployment_type"] in ("self_deployed", "externally_managed", "unknown")
    assert value["additional_details"]["model_availability"] in ("open_weights", "closed_weights", "unknown")


def test_the_log_has_the_fields_of_the_schema(tmp_path):
    _, log = written(tmp_path)
    held(log, TOP)
    assert log["schema_version"] == "0.3.0"
    held(log["source_metadata"], SOURCE)
    assert log["source_metadata"]["source_type"] in ("documentation", "evaluation_run")
    held_model(log["model_info"])
    assert set(log["eval_library"]) == {"name", "version"}
    for result in log["evaluation_results"]:
        held(result, RESULT)
        held(result["source_data"], DATA[result["source_data"]["source_type"]])
        held(result["metric_config"], METRIC)
        held(result["score_details"], DETAILS)
        held(result["score_details"]["uncertainty"], UNCERTAINTY)
        held(result["generation_config"], GENERATION)
        held(result["generation_config"]["generation_args"], ARGUMENTS)
        metric = result["metric_config"]
        assert metric["score_type"] == "continuous"
        assert metric["min_score"] <= result["score_details"]["score"] <= metric["max_score"]
        parameters = metric["metric_parameters"].values()
        assert all(isinstance(value, str | float | bool | None) for value in parameters)


def test_each_finite_score_is_a_result_of_its_own(tmp_path):
    _, log = written(tmp_path)
    ids = [result["evaluation_result_id"] for result in log["evaluation_results"]]
    assert ids == [
        "cpbench.emotion_x:accuracy",
        "cpbench.emotion_x.DE:unextractable",
        "cpbench.emotion_x[silence]:accuracy",
        "cpbench.cpqa_x:judge_score#abababab",
    ]
    first, second, third, last = log["evaluation_results"]
    assert first["score_details"]["score"] == 0.62
    assert first["score_details"]["uncertainty"] == {
        "num_samples": 120,
        "standard_error": {"value": 0.06, "method": "clustered t"},
        "confidence_interval": {"lower": 0.5, "upper": 0.74, "confidence_level": 0.95, "method": "clustered t"},
    }
    assert first["score_details"]["details"] == {"recordings": "24", "coverage": "0.99", "worst": "0.6", "best": "0.63"}
    assert first["metric_config"]["lower_is_better"] is False
    assert second["metric_config"]["lower_is_better"] is True
    assert second["metric_config"]["additional_details"]["level"] == "question type"
    assert "confidence_interval" not in second["score_details"]["uncertainty"]
    assert "standard_error" not in third["score_details"]["uncertainty"]
    assert third["score_details"]["details"]["leaked"]
    assert last["metric_config"]["max_score"] == 100.0
    assert last["source_data"]["hf_repo"] == "org/CPQA"


def test_a_judge_is_named_with_its_models_and_prompt(tmp_path):
    _, log = written(tmp_path)
    metric = log["evaluation_results"][-1]["metric_config"]
    scoring = metric["llm_scoring"]
    held(scoring, SCORING)
    for judge in scoring["judges"]:
        held_model(judge["model_info"])
    assert [judge["model_info"]["id"] for judge in scoring["judges"]] == ["openai/gpt-4o", "Qwen/Qwen3-8B"]
    assert scoring["input_prompt"] == "Judge it.\n\n{data}"
    assert scoring["aggregation_method"] == "median"
    assert metric["additional_details"]["judge_validity"] == "PASS: DE; en"


def test_a_simulated_judge_is_no_llm(tmp_path):
    _, log = written(tmp_path, replace(results(), sheets={JUDGE: JudgeSheet("simulated:oracle")}))
    metric = log["evaluation_results"][-1]["metric_config"]
    assert "llm_scoring" not in metric
    assert metric["additional_details"]["judge"] == "simulated:oracle"


def test_the_file_lies_where_the_store_has_it_and_is_the_same_each_time(tmp_path):
    file, log = written(tmp_path / "a")
    again, _ = written(tmp_path / "b")
    below = file.relative_to(tmp_path / "a")
    assert below == again.relative_to(tmp_path / "b")
    assert file.read_bytes() == again.read_bytes()
    assert below.parts[:-1] == ("data", "cpbench", "Org", "Model-7B")
    # The store's own pattern of a version 4 UUID.
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.json", file.name)
    assert uuid.UUID(file.stem).version == 4
    assert log["evaluation_timestamp"] == "1795381200"  # 2026-11-22 21:00 UTC
    assert log["evaluation_id"] == "cpbench.a-run/Org/Model-7B/1795381200"
    other, _ = written(tmp_path / "a", results(warnings=("something else",)))
    assert other != file


def test_options_say_what_a_run_does_not_know(tmp_path):
    options = {
        "organisation": "A lab",
        "url": "https://lab.example",
        "relationship": "third_party",
        "model": "Other/Name",
        "availability": "open_weights",
    }
    file, log = written(tmp_path, options=options)
    assert file.parts[-3:-1] == ("Other", "Name")
    assert log["source_metadata"]["source_organization_name"] == "A lab"
    assert log["source_metadata"]["source_organization_url"] == "https://lab.example"
    assert log["source_metadata"]["evaluator_relationship"] == "third_party"
    assert log["model_info"]["additional_details"]["model_availability"] == "open_weights"
    with pytest.raises(UsageError, match="relationship"):
        written(tmp_path, options={"relationship": "self"})
    with pytest.raises(UsageError, match="organization"):
        written(tmp_path, options={"organization": "A lab"})


@pytest.mark.parametrize(
    ("name", "folders", "model_id"),
    [
        ("demo", ("unknown", "demo"), "unknown/demo"),
        ("/home/somebody/ckpt", ("unknown", "ckpt"), "unknown/ckpt"),  # no path of a machine goes out
        ("my_model.py:MyModel", ("unknown", "my_model.py_MyModel"), "unknown/my_model.py:MyModel"),
        ("data/con.v1", ("_data", "_con.v1"), "data/con.v1"),  # words that the store and Windows keep for themselves
        ("hf/Org/Name", ("Org", "Name"), "Org/Name"),
    ],
)
def test_any_model_name_makes_a_portable_path(tmp_path, name, folders, model_id):
    file, log = written(tmp_path, results(model=ModelCard(name, "x")))
    assert file.parts[-3:-1] == folders
    assert log["model_info"]["id"] == model_id
    assert "/home" not in file.read_text(encoding="utf-8")


def test_results_without_a_time_or_a_score_are_refused(tmp_path):
    with pytest.raises(UserError, match="when it was answered"):
        exports.export("eee", replace(results(), time=None), tmp_path)
    untimed = replace(results(), time=None)
    _, log = written(tmp_path, untimed, {"time": "2026-11-22T22:00:00+01:00"})
    assert log["evaluation_timestamp"] == "1795381200"
    with pytest.raises(UsageError, match="2026-01-31T12:00:00Z, not 'yesterday'"):
        written(tmp_path, untimed, {"time": "yesterday"})
    with pytest.raises(UserError, match="no score"):
        exports.export("eee", replace(results(), scores=()), tmp_path)
