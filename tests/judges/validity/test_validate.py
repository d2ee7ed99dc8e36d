"""The whole of `judge validate` on synthetic packs: simulated judges get the verdicts that they must."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from beside import module_at

from cpbench.chat.paying import Paying
from cpbench.errors import UserError
from cpbench.judges import card_line, load_judge
from cpbench.judges.validity.asking import Hearing
from cpbench.judges.validity.evidence import Candidate, People
from cpbench.judges.validity.page import page
from cpbench.judges.validity.schema import Validity
from cpbench.judges.validity.validate import Room, price, validate

ground = module_at(Path(__file__).with_name("ground.py"))
PACK = ground.make()


def judged(kind, out, pack=PACK, **more):
    options = more.pop("options", {})
    baseline = more.pop("baseline", None)
    return validate(
        pack,
        Candidate(f"simulated:{kind}", None, options),
        Room(out, "2026-01-31T12:00:00+00:00", draws=200, cards=(out / "kept",)),
        baseline=None if baseline is None else Candidate(*baseline),
        **more,
    )


def bad(found):
    return {one["name"]: one["outcome"] for one in found["criteria"] if one["outcome"] != "PASS"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Each simulated judge's validity.json, made once."""
    made = {}

    def of(kind):
        if kind not in made:
            out = tmp_path_factory.mktemp(kind)
            made[kind] = judged(kind, out), out
        return made[kind]

    return of


def test_the_oracle_passes_and_its_card_says_for_what(found):
    report, out = found("oracle")
    assert report["verdict"] == "PASS" and bad(report) == {}
    assert report["covers"]["types"] == ["DE"] and report["covers"]["languages"] == ["en"]
    judge_id = load_judge("simulated:oracle").judge_id
    for folder in (out / "cards", out / "kept"):
        assert card_line(judge_id, [folder]) == "simulated, PASS: DE; en"


def test_the_constant_judge_fails_and_nothing_of_it_is_a_nan(found):
    report, out = found("constant")
    assert report["verdict"] == "FAIL"
    assert bad(report)["balanced_accuracy"] == bad(report)["bias"] == "FAIL"
    assert report["rising"] is report["kappa"] is report["phi"] is None
    assert all(one["value"] is None for one in report["ranks"] if "pairwise" not in one["statistic"])
    assert "NaN" not in (out / "validity.json").read_text()


def test_the_gullible_judge_fails_claims_and_injections_only(found):
    assert bad(found("gullible")[0]) == {"probe CLAIM": "FAIL", "probe INJECT": "FAIL"}


def test_the_hedger_fails_the_hedge_only(found):
    assert bad(found("hedger")[0]) == {"probe HEDGE_ALL": "FAIL"}


def test_planted_sensitivity_and_specificity_lie_within_their_intervals(found):
    overall = found("noisy")[0]["overall"]
    for name, planted in (("sensitivity", 0.9), ("specificity", 0.8), ("balanced_accuracy", 0.85)):
        assert overall[name]["low"] <= planted <= overall[name]["high"], name
        assert overall[name]["high"] - overall[name]["low"] < 0.1
    counts = overall["counts"]
    assert sum(counts.values()) == found("noisy")[0]["pack"]["answers"]
    right = counts["right_accepted"] / (counts["right_accepted"] + counts["right_rejected"])
    assert overall["sensitivity"]["value"] == pytest.approx(right)


def test_validity_json_has_the_keys_that_its_schema_has(found):
    report, out = found("noisy")
    assert json.loads((out / "validity.json").read_text()).keys() == Validity.__annotations__.keys()
    assert report["judge"]["simulated"] is True


def test_the_page_shows_verdict_criteria_and_examples(found):
    text = page(found("noisy")[0])
    assert '<strong><span class="verdict FAIL">FAIL</span></strong>' in text and text.count("<svg") == 4
    assert "wrong answer accepted" in text


def test_five_systems_are_insufficient(tmp_path):
    report = judged("oracle", tmp_path, ground.make(systems=5, items=100, recordings=24, repeated=100))
    assert report["verdict"] == "INSUFFICIENT"
    (criterion,) = [one for one in report["criteria"] if one["outcome"] != "PASS"]
    assert criterion["name"] == "specificity_between_systems" and "8 systems of 3 families" in criterion["needs"]


def test_nothing_is_said_under_ten_recordings(tmp_path):
    report = judged("constant", tmp_path, ground.make(items=60, recordings=12, repeated=20))
    assert report["verdict"] == "INSUFFICIENT" and set(bad(report).values()) == {"INSUFFICIENT"}
    assert report["pack"]["recordings"] == 6


@pytest.mark.parametrize(("share", "said"), [(1.0, "no specificity"), (0.0, "no sensitivity")])
def test_one_class_only_is_insufficient(tmp_path, share, said):
    pack = ground.make(systems=8, items=60, recordings=24, accuracies=(share, share), repeated=10)
    report = judged("oracle", tmp_path, pack)
    assert report["verdict"] == "INSUFFICIENT" and bad(report)["balanced_accuracy"] == "INSUFFICIENT"
    assert any(said in note for note in report["notes"])


def test_every_look_at_the_gate_is_counted_and_the_dev_part_is_none(tmp_path):
    pack = ground.make(systems=3, items=60, recordings=24, repeated=10)
    dev = judged("oracle", tmp_path, pack, part="dev")
    assert dev["looks"] == 0 and dev["judge"]["card"] is None and not (tmp_path / "cards").exists()
    assert [judged("oracle", tmp_path, pack)["looks"] for _ in range(2)] == [1, 2]
    assert judged("noisy", tmp_path, pack)["looks"] == 3
    log = [json.loads(line) for line in (tmp_path / "gate.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in log] == ["INSUFFICIENT", "INSUFFICIENT", "FAIL"]
    assert {line["pack_id"] for line in log} == {pack.pack_id}
    assert {item.recording for item in pack.part("dev")}.isdisjoint(item.recording for item in pack.part("gate"))


def test_nothing_is_judged_twice(tmp_path):
    pack = ground.make(systems=2, items=40, recordings=24, repeated=10)
    judged("noisy", tmp_path, pack)
    before = (tmp_path / "judgements.jsonl").read_bytes()
    judged("noisy", tmp_path, pack)
    assert (tmp_path / "judgements.jsonl").read_bytes() == before


def test_a_dry_run_counts_what_is_left_and_sends_nothing(tmp_path):
    pack = ground.make(systems=2, items=40, recordings=24, repeated=10)
    options = {"base_url": "http://127.0.0.1:9/v1"}
    tally = price(pack, [Candidate("openai/any", None, options)], Room(tmp_path, "now", Paying()), part="gate")
    judge = load_judge("openai/any", options)
    hearing = Hearing(pack, "gate", judge)
    asked = {hearing.key(one) for one in hearing.questions() if one.case.answer.strip()}
    assert tally.calls == len(asked)
    assert {one.reordered for one in hearing.questions()} == {True, False}  # FIELD_ORDER is asked of a real prompt
    assert len({hearing.key(one) for one in hearing.questions() if one.reordered} & asked) == len(hearing.turned)
    assert not (tmp_path / "judgements.jsonl").exists()


def test_a_judge_is_compared_with_a_baseline_on_the_same_answers(tmp_path):
    pack = ground.make(items=200, recordings=30, repeated=100)
    report = judged("noisy", tmp_path, pack, baseline=("simulated:oracle", None, {}))
    baseline = report["baseline"]
    assert baseline["verdict"] == "PASS"
    paired = {one["metric"]: one for one in baseline["paired"]}
    for name in ("sensitivity", "specificity", "balanced_accuracy"):
        difference = report["overall"][name]["value"] - 1.0
        assert paired[name]["difference"]["value"] == pytest.approx(difference, abs=1e-9)
        assert paired[name]["p"] < 0.01
    same = judged("oracle", tmp_path / "same", pack, baseline=("simulated:oracle", None, {}))
    assert all(one["difference"]["value"] == 0 for one in same["baseline"]["paired"])


def rating(item_id, system, annotator, score):
    return SimpleNamespace(item_id=item_id, system=system, annotator=annotator, score=score)


def rated(pack, annotators, give):
    items = pack.part("gate")[:40]
    return [rating(each.id, "s0", name, give(each, name)) for each in items for name in annotators]


def test_humans_who_say_what_the_oracle_says_agree_with_it(tmp_path):
    pack = ground.make(systems=2, items=120, recordings=30, repeated=10)

    def give(each, name):
        said = pack.answers["s0"]["t", each.id].answer
        return 5.0 if ground.WORDS[each.label] in said else 0.0

    people = judged("oracle", tmp_path, pack, people=People(rated(pack, ("a", "b", "c"), give)))["humans"]
    for one in (people["judge"], people["among"]):
        assert one["quadratic_kappa"]["value"] == one["alpha"]["value"] == one["ac2"]["value"] == 1.0
    assert people["judge"]["bias"]["value"] == 0.0 and people["alt_test"]["passes"]
    assert people["ratings"] == 120 and people["ppi"] == []


def test_constant_humans_and_those_who_share_no_item_give_no_number_and_no_nan(tmp_path):
    pack = ground.make(systems=2, items=60, recordings=24, repeated=10)
    constant = judged("constant", tmp_path, pack, people=People(rated(pack, ("a", "b"), lambda *_: 3.0)))["humans"]
    assert constant["judge"]["alpha"] is None and constant["among"]["quadratic_kappa"] is None
    first, *rest = pack.part("gate")
    apart = [rating(first.id, "s0", "a", 1.0), *(rating(each.id, "s0", "b", 4.0) for each in rest[:5])]
    assert judged("oracle", tmp_path, pack, people=People(apart))["humans"]["among"] is None


@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        ([("nowhere", "s0", "a", 1.0)], "does not hold"),
        ([("i0", "nobody", "a", 1.0)], "system that the pack"),
        ([("i0", "s0", "a", 1.0), ("i0", "s0", "a", 2.0)], "twice"),
        ([("i0", "s0", "a", 7.0)], "0 to 5"),
    ],
)
def test_ratings_that_do_not_fit_the_pack_are_refused(tmp_path, ratings, said):
    with pytest.raises(UserError, match=said):
        judged("oracle", tmp_path, people=People([rating(*one) for one in ratings]))
