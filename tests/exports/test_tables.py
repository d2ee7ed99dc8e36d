"""CSV, JSON and Parquet: the same rows, read back by an independent reader."""

import csv
import json
import math

import pandas
import pyarrow.parquet
import pytest

from cpbench import exports
from cpbench.errors import UsageError


def test_csv_has_a_row_a_score_and_the_baselines_beside(results, tmp_path):
    (file,) = exports.export("csv", results, tmp_path / "new" / "scores.csv")
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["model"], row["baseline"], row["task"], row["metric"]) for row in rows] == [
        ("my_ckpt", "false", "emotion_x", "accuracy"),
        ("my_ckpt", "false", "emotion_x", "unextractable"),
        ("my_ckpt", "false", "emotion_x", "accuracy"),
        ("my_ckpt", "false", "emotion_x", "macro_f1"),
        ("my_ckpt", "false", "cpqa_x", "judge_score"),
        ("my_ckpt", "false", "cpqa_x", "judge_score"),
        ("majority", "true", "emotion_x", "accuracy"),
    ]
    first, unread, _, nan, judged, part, _ = rows
    assert {key: first[key] for key in ("value", "low", "high", "n", "recordings", "coverage", "worst", "best")} == {
        **{"value": "0.62", "low": "0.5", "high": "0.74", "n": "120", "recordings": "24"},
        **{"coverage": "0.99", "worst": "0.6", "best": "0.63"},
    }
    assert (unread["low"], unread["higher_is_better"], nan["value"]) == ("", "false", "")
    assert (judged["judge"], judged["judge_validity"]) == ("50% & more_judge", "PASS: DE; en")
    assert (part["slice"], float(part["value"])) == ("DE", 100 / 3)  # in full, not rounded


def test_parquet_and_json_hold_what_csv_holds(results, tmp_path):
    (table,) = exports.export("parquet", results, tmp_path / "scores.parquet")
    (text,) = exports.export("json", results, tmp_path / "scores.json")
    (comma,) = exports.export("csv", results, tmp_path / "scores.csv")
    frame = pandas.read_parquet(table)
    said = json.loads(text.read_text(encoding="utf-8"))
    assert said["scores"] == json.loads(json.dumps(pyarrow.parquet.read_table(table).to_pylist()))
    read = pandas.read_csv(comma)
    assert list(read.columns) == list(frame.columns) == list(exports.COLUMNS)
    pandas.testing.assert_series_equal(read["value"], frame["value"])
    assert said["model"]["name"] == "my_ckpt"
    assert said["judges"]["ab" * 32]["models"] == ["openai/gpt-4o"]
    assert said["tasks"][1]["repository"] == "org/CPQA"


def test_parquet_columns_have_their_types_also_when_they_are_empty(results, tmp_path):
    (file,) = exports.export("parquet", results, tmp_path / "scores.parquet")
    types = {field.name: str(field.type) for field in pyarrow.parquet.read_schema(file)}
    assert (types["value"], types["n"], types["leaked"], types["judge"]) == ("double", "int64", "bool", "string")
    value = pyarrow.parquet.read_table(file)["value"].to_pylist()[3]
    assert value is None or math.isnan(value)


def test_no_path_of_the_machine_goes_out(results, tmp_path):
    for name in ("csv", "json", "latex", "eee"):
        for file in exports.export(name, results, tmp_path / name):
            assert "/home/somebody" not in file.read_text(encoding="utf-8")


def test_an_unknown_format_or_option_is_named(results, tmp_path):
    with pytest.raises(UsageError, match="unknown export 'cvs' \\(did you mean 'csv'"):
        exports.export("cvs", results, tmp_path / "x")
    with pytest.raises(UsageError, match="csv takes no options"):
        exports.export("csv", results, tmp_path / "x", options={"sep": ";"})
