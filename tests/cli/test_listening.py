"""The listening report as the terminal shows it."""

import io

import pytest
from rich.console import Console

from cpbench.cli.listening import HINT, show_listening

GAP = {
    "task": "set",
    "type": "DE",
    "metric": "balanced_accuracy",
    "judge": None,
    "a": "audio",
    "b": "silence",
    "kind": "silent",
    "shown": "above",
    "value_a": 0.85,
    "value_b": 0.2,
    "difference": 0.65,
    "low": 0.57,
    "high": 0.73,
    "lost": 3,
    "leaked": False,
    "points": False,
    "sentence": "a gap",
}
REPORT = {
    "main": "audio",
    "conditions": [
        {"name": "audio", "kind": "plain", "meaning": "The item."},
        {"name": "silence", "kind": "silent", "meaning": "Nobody."},
        {"name": "tags:gold", "kind": "told", "meaning": "Tags."},
    ],
    "gaps": [GAP, {**GAP, "type": "C", "metric": "judge_score", "judge": "J", "points": True, "shown": "no_number"}],
    "told": [{**GAP, "a": "tags:gold", "b": "audio", "shown": "cannot_be_shown", "leaked": True, "lost": 0}],
    "needs": [
        {"task": "set", "type": "DE", "judge": None, "main": "audio", "conditions": ["silence"], "n": 4}
        | {"always": ["a"], "only": ["b", "c"]}
    ],
    "agreements": [{"task": "set", "type": "DE", "sentence": "agree"}],
    "verdicts": [
        {"task": "set", "type": name, "judge": judge, "sentence": "Listens."}
        for name, judge in (("DE", None), ("C", "J"))
    ],
    "followed": [{"task": "set", "type": "DE", "sentence": "follows"}],
    "changed": [],
}


@pytest.fixture
def shown():
    def show(report):
        file = io.StringIO()
        show_listening(Console(file=file, width=160), report)
        return file.getvalue()

    return show


def test_values_differences_and_marks_stand_in_their_tables(shown):
    text = shown(REPORT)
    first, tags = text.split("With tags")
    for word in ("0.85", "0.20", "+0.65*", "[+0.57, +0.73]", "3 lost", "25%", "50%", "audio and"):
        assert word in first
    assert "DE (leaked)" in tags and "+0.65?" in tags and "lost" not in tags
    assert "DE, C (J): Listens." in text and "DE: follows" in text and "silence: Nobody." in text


def test_a_run_with_one_condition_is_told_how_to_get_more(shown):
    assert " ".join(shown(None).split()) == HINT
