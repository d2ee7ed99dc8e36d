"""`echo`: says the question. What a score owes to repeating the question's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cpbench.models._null import null_card
from cpbench.records import ModelCard, Prediction, Turn


@dataclass(frozen=True)
class Echo:
    @property
    def card(self) -> ModelCard:
        return null_card("echo")

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        for turn in turns:
            yield turn.request.answered(turn.request.text, heard=0.0, finish_reason="stop")
