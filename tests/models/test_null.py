"""The four null baselines: they hear nothing, and know no more than label frequencies."""

from __future__ import annotations

import pytest

from cpbench.models import load_model
from cpbench.records import Clip, Item, QType, Request, Turn

CLIP = Clip("x.wav", "00", 1.0, "r")


def item(item_id: str, label: str | None, kind: QType = "DE", task: str = "t", options: tuple[str, ...] = ()) -> Item:
    return Item(item_id, task, (CLIP,), "?", (f"reference {label}",), type=kind, label=label, options=options)


def ask(*items: Item) -> list[Turn]:
    return [Turn(Request(i.id, i.task, "audio", "How does she feel?", ()), ()) for i in items]


@pytest.mark.parametrize("name", ["echo", "empty", "majority", "all-labels"])
def test_a_null_baseline_says_what_it_is(name: str) -> None:
    card = load_model(name, {}).card
    assert (card.name, card.kind, card.family, card.sampling_rate, card.third_party) == (
        name,
        "null",
        "null",
        None,
        False,
    )


def test_echo_says_the_question_and_empty_nothing() -> None:
    assert [p.answer for p in load_model("echo", {}).answer(ask(item("a", "sad")))] == ["How does she feel?"]
    (said,) = load_model("empty", {}).answer(ask(item("a", "sad")))
    assert (said.answer, said.status, said.audio_seconds_heard) == ("", "empty", 0.0)


def test_majority_is_that_of_the_task_and_the_type() -> None:
    items = [
        item("a", "sad"),
        item("b", "sad"),
        item("c", "joy"),
        item("d", "female", "DG"),
        item("e", "joy", task="u"),
    ]
    majority = load_model("majority", {})
    majority.study(items)  # type: ignore[attr-defined]
    assert [p.answer for p in majority.answer(ask(*items))] == ["sad", "sad", "sad", "female", "joy"]


def test_a_tie_does_not_depend_on_the_order_of_the_items() -> None:
    items = [item("a", "sad"), item("b", "joy")]
    for order in (items, items[::-1]):
        majority = load_model("majority", {})
        majority.study(order)  # type: ignore[attr-defined]
        assert {p.answer for p in majority.answer(ask(*order))} == {"joy"}


def test_majority_takes_the_most_frequent_reference_where_there_are_no_labels() -> None:
    items = [Item(str(n), "t", (CLIP,), "?", (said, "never this")) for n, said in enumerate(["x", "y", "y"])]
    majority = load_model("majority", {})
    majority.study(items)  # type: ignore[attr-defined]
    assert {p.answer for p in majority.answer(ask(*items))} == {"y"}


def test_all_labels_names_the_options_else_the_labels_of_the_type() -> None:
    items = [
        item("a", "sad", options=("sad", "happy")),
        item("b", "joy", "DG"),
        item("c", "anger", "DG"),
        item("d", None, "C"),
    ]
    model = load_model("all-labels", {})
    model.study(items)  # type: ignore[attr-defined]
    said = list(model.answer(ask(*items)))
    assert [p.answer for p in said] == ["sad, happy", "anger, joy", "anger, joy", ""]
    assert said[3].status == "empty"


@pytest.mark.parametrize("name", ["majority", "all-labels"])
def test_an_item_that_was_not_studied_is_an_error(name: str) -> None:
    (said,) = load_model(name, {}).answer(ask(item("a", "sad")))
    assert said.status == "error" and "has not studied" in (said.error or "")


@pytest.mark.parametrize("name", ["majority", "all-labels"])
def test_labels_are_frequencies_and_not_the_item_s_own(name: str) -> None:
    """Swapping the labels of two items of one type changes no answer."""

    def answers(first: str, second: str) -> list[str]:
        items = [item("a", first), item("b", second), item("c", "sad")]
        model = load_model(name, {})
        model.study(items)  # type: ignore[attr-defined]
        return [p.answer for p in model.answer(ask(*items))]

    assert answers("sad", "joy") == answers("joy", "sad")
