"""`majority`: says the most frequent label of the item's task and type. What a score owes to the label frequencies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cpbench.models._null import null_card
from cpbench.records import Item, ModelCard, Prediction, Turn


@dataclass
class Majority:
    """Knows how often each label stands in the data, and nothing else of the items."""

    _answers: dict[tuple[str, str], str] = field(default_factory=dict, init=False, repr=False)

    @property
    def card(self) -> ModelCard:
        return null_card("majority")

    def study(self, items: Sequence[Item]) -> None:
        """Count the labels of each (task, type); where items have none, their first references.

        Give it all items, not a shard's: the most frequent label is a fact about the data set. Ties go to the first
        label in the alphabet, so that the answer does not depend on the items' order.
        """
        counts: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
        for item in items:
            counts[item.task, item.type].update(_truth(item))
        most = {group: min(count, key=lambda word: (-count[word], word)) for group, count in counts.items() if count}
        for item in items:
            self._answers[item.task, item.id] = most.get((item.task, item.type), "")

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        for turn in turns:
            request = turn.request
            said = self._answers.get((request.task, request.item_id))
            if said is None:
                yield request.failed("majority has not studied this item")
            else:
                yield request.answered(said, heard=0.0, finish_reason="stop")


def _truth(item: Item) -> tuple[str, ...]:
    return (item.label,) if item.label is not None else item.references[:1]
