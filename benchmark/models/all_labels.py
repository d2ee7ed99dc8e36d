"""`all-labels`: names every option at once. What a score owes to a judge or an extractor that accepts a hedge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cpbench.models._null import null_card
from cpbench.records import Item, ModelCard, Prediction, Turn


@dataclass
class AllLabels:
    """Knows the options of each item, or which labels its task and type have; not which one is right."""

    _answers: dict[tuple[str, str], str] = field(default_factory=dict, init=False, repr=False)

    @property
    def card(self) -> ModelCard:
        return null_card("all-labels")

    def study(self, items: Sequence[Item]) -> None:
        """Learn what could be said: an item's options, else the labels of its (task, type), else nothing."""
        labels: dict[tuple[str, str | None], set[str]] = defaultdict(set)
        for item in items:
            labels[item.task, item.type].update(() if item.label is None else (item.label,))
        for item in items:
            choices = item.options or sorted(labels[item.task, item.type])
            self._answers[item.task, item.id] = ", ".join(choices)

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        for turn in turns:
            request = turn.request
            said = self._answers.get((request.task, request.item_id))
            if said is None:
                yield request.failed("all-labels has not studied this item")
            else:
                yield request.answered(said, heard=0.0, finish_reason="stop")
