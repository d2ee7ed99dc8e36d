"""Runs against each other, from their folders: what is compared, what it means, what is said, what is refused."""

import dataclasses
import json
import xml.etree.ElementTree as ET

import pytest

from cpbench.comparison import Choice, compare
from cpbench.comparison.layout import plain
from cpbench.comparison.plot import check_plot, draw
from cpbench.comparison.right import write_items
from cpbench.comparison.standings import better, verdict
from cpbench.errors import UsageError, UserError
from cpbench.records import Rights

from .conftest import items_of, judge


def of(found, metric, slice_="all"):
    (one,) = [each for each in found.differences if (each.metric, each.slice) == (metric, slice_)]
    return one


def test_the_better_run_is_named_by_task_and_type(run):
    found = compare([run("good", 0.9), run("poor", 0.3, seed=1)])
    for slice_ in ("all", "DE", "C"):
        one = of(found, "overlap_score", slice_)
        assert better(one) == "a" and verdict(one) == "good better" and one.p_holm == one.p < 0.01
    assert of(found, "accuracy").estimate.n == 60 and of(found, "overlap_score").estimate.clusters == 20
    assert {(each.system, each.best, each.worst) for each in found.ranks if each.metric == "accuracy"} == {
        ("good", 1, 1),
        ("poor", 2, 2),
    }


def test_no_difference_shown_says_what_the_set_shows(run):
    one = of(compare([run("one", 0.6), run("other", 0.6, seed=5)]), "accuracy")
    assert one.p > 0.05 and better(one) is None
    assert verdict(one) == f"no difference shown; this set shows {100 * one.smallest:.1f} points or more"


def test_four_recordings_allow_no_verdict_and_it_is_said(run):
    found = compare([run("good", 1.0, items=items_of(4)), run("poor", 0.0, items=items_of(4))])
    one = of(found, "accuracy")
    assert (one.p, one.p_least, one.smallest) == (0.125, 0.125, None)
    assert verdict(one) == "no verdict: 4 recordings allow no p under 0.125"
    assert any("only 4 recordings" in note for note in found.notes)
    gate = found.gate()
    assert (gate.outcome, gate.exit_code) == ("insufficient", 4) and "0.125" in gate.reasons[0]


def test_six_recordings_do_for_one_pair_and_not_for_three(run):
    items = items_of(6)
    two = compare([run("a", 1.0, items=items), run("b", 0.0, items=items)])
    assert of(two, "accuracy").p == 0.03125 and verdict(of(two, "accuracy")) == "a better"
    three = compare([run("a3", 1.0, items=items), run("b3", 0.0, items=items), run("c3", 0.0, items=items)])
    one = next(each for each in three.differences if each.metric == "accuracy")
    assert one.p_holm == pytest.approx(3 * 0.03125) and one.smallest is None
    assert verdict(one, three.pairs(one)) == (
        "no verdict: 6 recordings allow no p under 0.0312, and each of 3 pairs needs 0.0167"
    )


def test_equal_answers_are_no_difference_and_pass_the_gate(run):
    found = compare([run("one", 0.5), run("other", 0.5)])
    assert verdict(of(found, "accuracy")) == "no difference: equal in every recording"
    assert found.gate().outcome == "passed" and found.alone == ()


def test_the_gate_looks_from_the_first_run_to_the_last(run):
    good, poor = run("good", 0.9), run("poor", 0.3, seed=1)
    down, up = compare([good, poor]).gate(), compare([poor, good]).gate()
    assert (down.outcome, down.exit_code) == ("regression", 3)
    assert "poor is" in down.reasons[0] and "points of overlap_score worse than good" in down.reasons[0]
    assert (up.outcome, up.exit_code) == ("passed", 0)


def test_a_metric_where_less_is_better_counts_the_other_way(run):
    metrics = ("unextractable", "accuracy")
    found = compare(
        [run("clear", 1.0, metrics=metrics), run("vague", 0.2, metrics=metrics)], Choice(metrics=("unextractable",))
    )
    assert of(found, "unextractable").estimate.value < 0 and verdict(of(found, "unextractable")) == "clear better"
    assert found.main["set"] == ("unextractable", None) and found.gate().outcome == "regression"


def test_what_holds_of_the_data_is_said_once_whatever_each_run_was_asked(run):
    runs = [run("both", 0.6, items=[*items_of(), *items_of(task="another")]), run("one", 0.6)]
    for each in runs:
        each.tasks = tuple(dataclasses.replace(task, synthetic=True) for task in each.tasks)
    said = [note for note in compare(runs).notes if "synthetic speech" in note]
    assert said == ["set, another: synthetic speech, made for this project; never comparable with the paper"]


def test_the_gate_does_not_pass_what_was_not_answered(run):
    """A tenth of the last run's answers failed: the rest is no sample of the whole."""
    found = compare([run("whole", 0.6), run("broken", 0.6, seed=2, status=lambda at: at % 10 == 0)])
    gate = found.gate()
    assert gate.outcome == "insufficient" and "108 of 120 items" in gate.reasons[0]
    assert of(found, "overlap_score").n_lost == 12


def test_the_gate_does_not_pass_a_task_that_the_last_run_lacks(run):
    items = [*items_of(), *items_of(task="another")]
    found = compare([run("both", 0.6, items=items), run("one", 0.6, items=items_of())])
    assert "another: only both was asked it" in found.notes
    gate = found.gate()
    assert (gate.outcome, gate.reasons) == (
        "insufficient",
        ("another: its main metric was not compared between both and one",),
    )


def test_runs_that_share_no_item_are_refused_with_what_each_has(run):
    with pytest.raises(UserError, match="one has set, other has another"):
        compare([run("one", 0.6), run("other", 0.6, items=items_of(task="another"))])


def test_the_main_metric_is_the_judge_s_where_all_share_one(run):
    runs = [run("a", 0.9), run("b", 0.3, seed=1)]
    for at, made in enumerate(runs):
        judge(made, "f" * 64, [80.0 - 40 * at] * 120, missing={"3"} if at else ())
    found = compare(runs)
    assert found.main == {"set": ("judge_score", "f" * 64)} and found.judges == {"f" * 64: "openai/judge"}
    one = of(found, "judge_score")
    assert (one.estimate.value, one.estimate.n, one.n_lost, one.judge_id) == (pytest.approx(40.0), 119, 1, "f" * 64)
    assert {each.basis for each in found.alone} == {"label", "judge"}
    assert "judge openai/judge (ffffffff): not validated" in found.notes
    assert compare(runs, Choice(metrics=("accuracy",))).main == {"set": ("accuracy", None)}


def test_scores_of_different_judges_are_not_compared_and_they_are_named(run):
    runs = [run("a", 0.9), run("b", 0.3, seed=1)]
    judge(runs[0], "1" * 64, [50.0] * 120)
    judge(runs[1], "2" * 64, [50.0] * 120)
    found = compare(runs)
    assert found.judges == {} and {one.metric for one in found.differences} == {"accuracy", "macro_f1", "overlap_score"}
    notes = " ".join(found.notes)
    assert "a alone was judged by openai/judge (11111111)" in notes and "b alone was judged by openai/judge" in notes
    with pytest.raises(UserError, match="no two runs were judged by the same judge"):
        compare(runs, Choice(judge="openai/judge"))
    with pytest.raises(UsageError, match="no run has a judge"):
        compare(runs, Choice(judge="openai/jugde"))


def test_other_data_are_compared_on_the_common_items_with_the_loss_stated(run):
    items, changed = items_of(), items_of()
    changed[0] = dataclasses.replace(changed[0], question="Which mood?")
    changed[1] = dataclasses.replace(changed[1], clips=(dataclasses.replace(changed[1].clips[0], sha256="9" * 64),))
    found = compare([run("a", 0.8, items=items), run("b", 0.8, items=changed[:-6], seed=1)])
    assert of(found, "overlap_score").estimate.n == 112 and of(found, "overlap_score").n_lost == 8
    assert any(
        "112 common items; 6 that only one has, 2 whose content differs; the data differ (fingerprint)" in note
        for note in found.notes
    )


def test_conditions_that_differ_are_compared_and_it_is_said(run):
    a, b = run("a", 0.5), run("b", 0.9, seed=1, condition="tags:gold", flags=("leaked",))
    found = compare([a, b])
    assert any("a under audio, b under tags:gold" in note for note in found.notes)
    assert of(found, "accuracy", "DE").leaked and any("leaked" in note for note in found.notes)
    with pytest.raises(UserError, match="no answers under the condition silence") as caught:
        compare([a, b], Choice(condition="silence"))
    assert "audio" in str(caught.value)


def test_a_partial_run_is_compared_on_what_it_asked(run):
    found = compare([run("whole", 0.6), run("part", 0.6, seed=1, items=items_of()[:60], limit=60)])
    assert of(found, "overlap_score").estimate.n == 60
    assert any("part is a partial run (--limit 60)" in note for note in found.notes)
    assert found.gate().outcome == "passed"  # the last run answered all that it was asked


@pytest.mark.parametrize("count", [0, 1])
def test_one_run_is_no_comparison(run, count):
    with pytest.raises(UserError, match="two runs or more"):
        compare([run("a", 0.5)][:count])


def test_the_same_run_twice_and_a_run_without_answers_are_refused(run, tmp_path):
    a = run("a", 0.5)
    with pytest.raises(UserError, match="the same run is given twice"):
        compare([a, run("b", 0.5), a])
    (tmp_path / "b" / "predictions.jsonl").write_text("")
    from cpbench.runfolder import load_run

    with pytest.raises(UserError, match="has no answers"):
        compare([a, load_run(tmp_path / "b")])


def test_an_unknown_metric_is_answered_with_the_nearest(run):
    with pytest.raises(UsageError, match="accuarcy") as caught:
        compare([run("a", 0.5), run("b", 0.5)], Choice(metrics=("accuarcy",)))
    assert "did you mean 'accuracy'" in str(caught.value)


def test_runs_whose_folders_are_named_alike_are_told_apart(run, tmp_path):
    found = compare([run("x/run", 0.5), run("y/run", 0.5)])
    assert [one.name for one in found.systems] == ["x/run", "y/run"]


def test_items_that_one_side_alone_got_right_are_listed_with_their_text(run, tmp_path):
    a, b = run("a", 1.0), run("b", 0.5, seed=1)
    found = compare([a, b])
    wrong = {one.item_id for one in b.predictions if one.answer.startswith("nothing")}
    assert {one.item_id for one in found.alone} == wrong and {one.right for one in found.alone} == {"a"}
    (table,) = [one for one in found.tables if one.slice == "all"]
    assert (table.both, table.only_a, table.only_b, table.neither) == (120 - len(wrong), len(wrong), 0, 0)
    one = found.alone[0]
    assert (one.answer_right, one.answer_wrong) == (one.reference, "nothing [of] that kind") and one.question
    lines = write_items(found.alone, tmp_path / "out" / "items.jsonl").read_text().splitlines()
    assert [json.loads(line)["item_id"] for line in lines] == [each.item_id for each in found.alone]


def test_texts_that_may_not_be_shown_are_not(run):
    found = compare([run("a", 1.0), run("b", 0.5, rights=Rights("unknown"))])
    assert found.alone and all(one.question is one.reference is one.answer_right is None for one in found.alone)
    assert "How does she sound" not in json.dumps(plain(found))


def test_three_runs_have_ranks_as_intervals(run):
    found = compare([run("a", 0.95), run("b", 0.9, seed=1), run("c", 0.2, seed=2)])
    assert {
        (one.system, one.best, one.worst) for one in found.ranks if (one.metric, one.slice) == ("accuracy", "all")
    } == {
        ("a", 1, 2),
        ("b", 1, 2),
        ("c", 3, 3),
    }


def test_the_json_is_plain_and_complete(run):
    found = compare([run("a", 0.9), run("b", 0.3, seed=1)])
    written = json.loads(json.dumps(plain(found, found.gate()), allow_nan=False))
    (one,) = [each for each in written["differences"] if (each["metric"], each["slice"]) == ("accuracy", "all")]
    assert one["better"] == "a" and one["verdict"] == "a better" and one["low"] < one["difference"] < one["high"]
    assert one["smallest_detectable_difference"] > 0 and one["pairs"] == 1
    assert written["gate"]["outcome"] == "regression" and written["main"]["set"]["metric"] == "overlap_score"
    assert [each["name"] for each in written["systems"]] == ["a", "b"]


def test_the_plot_is_drawn_the_same_each_time(run, tmp_path):
    found = compare([run("a", 0.9), run("b", 0.3, seed=1)])
    first, again = (draw(found, tmp_path / name).read_bytes() for name in ("1.svg", "2.svg"))
    assert first == again
    words = " ".join(ET.fromstring(first).itertext())
    assert "a minus b (overlap_score)" in words and "C (n 60)" in words and "95 % intervals" in words
    assert draw(found, tmp_path / "1.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="pdf"):
        check_plot(tmp_path / "1.pdf")
