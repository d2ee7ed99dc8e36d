"""The published schema is the one that is checked: by an independent validator, on real submissions and wrong ones."""

import copy
import json
from importlib.resources import files

import jsonschema
import pytest

from cpbench.leaderboard.parsing import parse_submission
from cpbench.leaderboard.schema import SCHEMA_VERSION, json_schema

SCHEMA = json_schema()


def line_schema(name):
    return {"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}


def test_the_packaged_schema_is_the_one_that_the_code_makes():
    packaged = json.loads((files("cpbench.leaderboard") / "submission.schema.json").read_text("utf-8"))
    assert packaged == json.loads(json.dumps(SCHEMA))
    jsonschema.Draft202012Validator.check_schema(packaged)
    assert packaged["$defs"]["Submission"]["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_a_real_submission_is_valid_for_an_independent_validator(ground):
    jsonschema.validate(json.loads(ground.files["submission.json"]), SCHEMA)
    for file, name in (("predictions.jsonl", "PredictionLine"), ("judgements.jsonl", "JudgementLine")):
        validator = jsonschema.Draft202012Validator(line_schema(name))
        for line in ground.files[file].splitlines():
            validator.validate(json.loads(line))


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.update(extra=1),
        lambda head: head["system"].pop("name"),
        lambda head: head["system"].update(url="javascript:alert(1)"),
        lambda head: head["system"].update(name="a\u202eb"),
        lambda head: head["system"].update(kind="best"),
        lambda head: head["dataset"].update(items=0),
        lambda head: head["predictions"].update(sha256="f" * 63),
        lambda head: head["usage"].update(wall_s=-1),
        lambda head: head["judge"].update(correct_score=101),
        lambda head: head["scores"][0].update(coverage=2),
    ],
)
def test_what_is_not_valid_there_is_refused_here(ground, change):
    head = copy.deepcopy(json.loads(ground.files["submission.json"]))
    change(head)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(head, SCHEMA)
    with pytest.raises(Exception, match="schema"):
        parse_submission(json.dumps(head).encode())
