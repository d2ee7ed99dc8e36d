"""Where the scores come from: parts by duration and share heard, confusions, a judge's scores; numbers by hand."""

import dataclasses

from sklearn.metrics import confusion_matrix

from cpbench.records import ModelCard, Results
from cpbench.results import breakdown, compute, to_lm_eval


def lasting(one, seconds):
    clips = tuple(dataclasses.replace(clip, seconds=seconds) for clip in one.item.clips)
    return dataclasses.replace(one, item=dataclasses.replace(one.item, clips=clips))


def test_items_are_split_by_duration_and_each_part_is_scored_as_ever(outcome, task):
    made = [
        lasting(outcome("anger", "anger" if n < 60 else "sadness", recording=f"r{n % 7}"), n / 10) for n in range(80)
    ]
    parts = [part for part in breakdown(made, [task], condition="audio").parts if part.by == "seconds"]
    assert [(part.low, part.high) for part in parts] == [(0.0, 1.9), (2.0, 3.9), (4.0, 5.8), (5.9, 7.9)]
    for part in parts:
        inside = [one for one in made if part.low <= one.item.clips[0].seconds <= part.high]
        assert part.scores == tuple(score for score in compute(inside, [task]) if score.slice == "all")
    values = [score.estimate.value for part in parts for score in part.scores if score.metric == "accuracy"]
    assert values == [1.0, 1.0, 1.0, 1 / 21]
    assert sum(part.scores[0].estimate.n for part in parts) == 80


def test_few_items_and_clips_that_are_heard_whole_are_not_split(outcome, task):
    made = [lasting(outcome("anger", "anger"), 1.0 + n) for n in range(19)]
    assert breakdown(made, [task], condition="audio").parts == ()
    alike = [outcome("anger", "anger") for _ in range(100)]  # all of two seconds
    assert breakdown(alike, [task], condition="audio").parts == ()


def test_by_the_share_that_was_heard(outcome, task):
    made = [outcome("anger", "anger", heard=heard) for heard in (2.0, 1.9999, 1.5, 1.0, 0.5, 0.0)]
    made.append(outcome("", "anger", status="error"))
    made.append(outcome("sadness", "anger", heard=0.1, condition="silence"))  # of another condition
    parts = breakdown(made, [task], condition="audio").parts
    assert [(part.by, part.low, part.high) for part in parts] == [
        ("heard", 0.0, 0.0),
        ("heard", 0.25, 0.25),
        ("heard", 0.5, 0.75),
        ("heard", 0.99995, 1.0),
    ]
    assert [part.scores[0].estimate.n for part in parts] == [1, 1, 2, 2]


def test_confusions_are_sklearns_with_the_unreadable_as_one_more_column(outcome, task):
    truth = ["anger"] * 5 + ["sadness"] * 6
    answers = ["anger", "anger", "sad", "happiness", "no idea", "sad", "anger", "sad", "sad", "", "sad"]
    made = [outcome(answer, label) for answer, label in zip(answers, truth, strict=True)]
    made.append(outcome("", "anger", status="error"))
    (found,) = breakdown(made, [task], condition="audio").confusions
    assert found.labels == ("anger", "sadness")
    assert found.said == ("anger", "sadness", "happiness", None)
    read = ["anger", "anger", "sadness", "happiness", "-", "sadness", "anger", "sadness", "sadness", "-", "sadness"]
    wanted = confusion_matrix(truth, read, labels=["anger", "sadness", "happiness", "-"])[:2]
    assert [list(row) for row in found.counts] == wanted.tolist()
    assert found.errors == 1


def test_labels_of_one_question_each_and_few_items_have_no_table(outcome, task):
    own = [outcome("a", "a", options=("a", f"b{n}")) for n in range(30)]
    assert breakdown(own, [task], condition="audio").confusions == ()
    few = [outcome("anger", label) for label in ("anger", "sadness") * 4]
    assert breakdown(few, [task], condition="audio").confusions == ()


def test_a_judges_scores_are_counted_and_results_json_names_the_judge(outcome, task):
    made = [outcome("x", references=("x",), score=score) for score in (0.0, 2.4, 2.5, 80.0, 100.0)]
    made.append(outcome("x", references=("x",)))
    found = breakdown(made, [task], condition="audio", judged={"judge-1": made})
    (spread,) = found.spreads
    assert {5 * at: count for at, count in enumerate(spread.counts) if count} == {0: 2, 5: 1, 80: 1, 100: 1}
    assert spread.missing == 1
    scores = compute(made, [task], judge_id="judge-1")
    results = Results("r", ModelCard("m", "f"), (task,), scores, {"judge-1": "not validated"})
    plain = to_lm_eval(results, judges={"judge-1": {"name": "openai/gpt"}}, breakdown=found)["breakdown"]
    assert plain["spreads"][0]["judge"] == "openai/gpt"
    assert plain["spreads"][0]["counts"]["80"] == 1
    assert to_lm_eval(results)["breakdown"] == {"parts": [], "spreads": [], "confusions": []}
