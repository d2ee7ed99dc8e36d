"""The worked example of the docs: a program of rules in place of an LLM, and what three prompts make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from beside import module_at

from cpbench.judges.validity.evidence import Candidate
from cpbench.judges.validity.validate import Room, validate

HERE, EXAMPLES = Path(__file__).parent, Path(__file__).parents[3] / "docs" / "examples"


ground, rules = module_at(HERE / "ground.py"), module_at(EXAMPLES / "rule_judge.py")


@pytest.fixture
def judged(endpoint, tmp_path):
    """A function: a prompt of the example -> its validity.json on the dev part."""
    endpoint.default = lambda body: endpoint.answer(rules.completion(body))
    pack = ground.make(3, items=72, recordings=24, repeated=40, repeats=2)

    def of(prompt):
        judge = Candidate("openai/rules", str(EXAMPLES / prompt), {"base_url": endpoint.url})
        return validate(pack, judge, Room(tmp_path, "2026-01-31T12:00:00+00:00", draws=50), part="dev")

    return of


def failed(found):
    return {one["name"].removeprefix("probe ") for one in found["criteria"] if one["outcome"] == "FAIL"}


def test_each_prompt_mends_what_its_validation_showed_of_the_one_before(judged):
    first, second, third = judged("judge_v1.yaml"), judged("judge_v2.yaml"), judged("judge_v3.yaml")
    tricks = {"CLAIM", "INJECT", "NEGATED", "HEDGE_ALL", "GOLD_PARA", "LANG", "CROSS_WORDS"}
    assert failed(first) >= {"bias", *tricks}
    assert first["overall"]["sensitivity"]["value"] == 1.0 > first["overall"]["specificity"]["value"]
    for found in (second, third):
        assert found["overall"]["balanced_accuracy"]["value"] == 1.0  # plain answers say nothing about tricks
    assert failed(second) == {"NEGATED", "GOLD_PARA", "LANG", "CROSS_WORDS"}
    assert failed(third) == set()
