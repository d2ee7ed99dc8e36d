"""How often the words' option is chosen against the voice's."""

from cpbench.metrics import find_metrics

(METRIC,) = find_metrics(["lure_rate"])


def test_the_lure_rate_counts_the_lure_and_no_other_wrong_option(outcome):
    outcomes = [
        outcome("happiness", "sadness", lure="happiness"),
        outcome("sadness", "sadness", lure="happiness"),
        outcome("fear", "sadness", lure="happiness"),
        outcome("I cannot tell.", "sadness", lure="happiness"),
    ]
    assert METRIC.value(METRIC.rows(outcomes).sum(axis=0)) == 0.25


def test_a_refusal_takes_no_lure(outcome):
    assert METRIC.rows([outcome("happiness", "sadness", lure="happiness", status="refused")]).tolist() == [[0, 1]]


def test_it_applies_where_there_is_a_lure(outcome):
    assert METRIC.applies(outcome("sadness", "sadness", lure="happiness"))
    assert not METRIC.applies(outcome("sadness", "sadness"))
