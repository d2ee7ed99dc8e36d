"""The offline scorer, by hand."""

import pytest

from cpbench.metrics import find_metrics
from cpbench.metrics.overlap import content, overlap

(METRIC,) = find_metrics(["overlap_score"])


def score(one):
    return METRIC.rows([one])[0, 0]


@pytest.mark.parametrize(
    ("answer", "reference", "wanted"),
    [
        ("The tablecloth is lying on the fridge.", "The tablecloth.", 100),
        ("TABLECLOTH", "the tablecloth", 100),
        ("A red letter.", "A red letter and two old keys.", 2 / 5),
        ("Ein Brief liegt dort.", "Der Brief.", 100),
        ("Die Lappen", "der Lappen", 100),
        ("There are two speakers.", "2 speakers", 100),
        ("Es sind zwei.", "2", 100),
        ("两个人", "2个人", 100),
        ("他很高兴", "高兴", 100),
        ("他很伤心", "高兴", 0),
        ("她高", "高兴", 1 / 2),
        ("He is not angry.", "He is angry.", 0),
        ("He isn't angry", "He is not angry.", 100),
        ("Not angry, but sad.", "She is sad.", 100),
        ("Er ist nicht traurig.", "Er ist traurig.", 0),
        ("他不高兴", "他高兴", 0),
        ("Yes, she sounds afraid of the dog.", "No, she sounds afraid of the dog.", 0),
        ("No", "No.", 100),
        ("Nein, er lacht.", "No.", 0),
        ("It is her.", "her", 100),
        ("Dog dog", "dog", 100),
        ("dog", "dog dog cat", 1 / 3),
        ("", "dog", 0),
        ("...", "dog", 0),
        ("dog", "...", 0),
    ],
)
def test_the_rule_by_hand(answer, reference, wanted):
    assert overlap(answer, reference) == pytest.approx(wanted if wanted > 1 else 100 * wanted)


def test_an_answer_of_twenty_content_words_is_not_too_long_and_one_of_forty_is():
    words = [f"{letter}{other}x" for letter in "bcdfg" for other in "jklmpqtv"]
    assert overlap(" ".join([*words[:19], "dog"]), "dog") == 100
    assert overlap(" ".join([*words[:39], "dog"]), "dog") == 50


def test_a_longer_reference_leaves_more_room():
    words = [f"{letter}{other}x" for letter in "bcdfg" for other in "jklmpqtv"]
    assert overlap(" ".join(words), " ".join(words[:10])) == 100


def test_negation_ends_with_its_clause():
    assert content("not a loud dog, very sad") == ("¬loud", "¬dog", "sad")


def test_a_labelled_item_goes_by_the_label_alone(outcome):
    assert score(outcome("sadness", "sadness", references=("The speaker sounds sad.",))) == 100
    assert score(outcome("The speaker sounds angry.", "sadness", references=("The speaker sounds sad.",))) == 0


def test_the_best_of_several_references_counts(outcome):
    assert score(outcome("A cloth.", references=("The tablecloth", "The cloth"))) == 100


def test_a_label_without_options_is_one_more_reference(outcome):
    assert score(outcome("male", "male", options=(), references=("A man.",))) == 100


@pytest.mark.parametrize("status", ["refused", "truncated", "empty"])
def test_an_answer_that_is_no_answer_scores_nothing(outcome, status):
    assert score(outcome("The cloth", references=("The cloth",), status=status)) == 0


def test_it_applies_where_something_would_be_right(outcome):
    assert METRIC.applies(outcome("x", references=("y",)))
    assert not METRIC.applies(outcome("x"))
