"""`empty`: says nothing. What a score owes to nothing at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cpbench.models._null import null_card
from cpbench.records import ModelCard, Prediction, Turn


@dataclass(frozen=True)
class Empty:
    @property
    def card(self) -> ModelCard:
        return null_card("empty")

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        for turn in turns:
            yield turn.request.answered("", heard=0.0, finish_reason="stop")
