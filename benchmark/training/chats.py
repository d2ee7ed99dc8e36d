"""Questions to a transformers Speech-LLM of any class as it learns from them: worded and rendered as in a run.

What it learns is what an answered conversation has beyond the question: the masked part is the beginning that both
have in common, and behind the end of the answer nothing is learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cpbench.audio import load
from cpbench.errors import BadClip, UserError
from cpbench.models.local.generate import Speaker
from cpbench.models.local.prompts import Prompts
from cpbench.records import Heard, Sound, Turn
from cpbench.training.batches import IGNORED, weighed
from cpbench.training.config import UNTYPED
from cpbench.training.rows import Pack, Row, common_prefix

TOKENS_A_SECOND = 25  # of audio, about: for lengths that bring like to like


class Questions(torch.utils.data.Dataset[Row]):
    """One question an example; its audio is decoded when a batch is made."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._rows = [row for pack in packs for row in pack.rows]
        self.lengths = [_length(row) for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]


def _length(row: Row) -> int:
    seconds = sum(sound.clip.seconds or 0.0 for sound in row.request.sounds)
    return round(seconds * TOKENS_A_SECOND) + (len(row.request.text) + len(row.answer)) // 4


@dataclass
class Chats:
    """Rows to a batch: the inputs of the answered conversations, `labels` and `weights` (B, L)."""

    prompts: Prompts
    ends: Sequence[int]  # tokens that end an answer
    weights: Mapping[str, float]  # of a question type's answers in the loss, else 1

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        heard = _heard(rows, self.prompts.ear.sampling_rate)
        turns = [
            self.prompts.fitted(Turn(row.request, tuple(heard[sound] for sound in row.request.sounds))) for row in rows
        ]
        answers = [row.answer + self._missing_end(turns[0], rows[0].answer) for row in rows]
        inputs = self.prompts.encoded(turns, answers)
        batch = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        batch["labels"] = torch.full_like(batch["input_ids"], IGNORED)
        for row, (turn, answer) in enumerate(zip(turns, answers, strict=True)):
            self._label(batch["input_ids"][row], batch["labels"][row], turn, answer)
        batch["weights"] = weighed(batch["labels"], [self.weights.get(row.type or UNTYPED, 1.0) for row in rows])
        return batch

    def _label(self, ids: torch.Tensor, labels: torch.Tensor, turn: Turn, answer: str) -> None:
        """Mark what is learned of one row, which ends where the row ends: it is padded on the left.

        The audio's places lie in the common beginning, so tokens behind it are as many with them as without.
        """
        asked, said = self._ids(self.prompts.rendered(turn)), self._ids(self.prompts.answered(turn, answer))
        own = said[len(common_prefix([asked, said])) :]
        end = next((place + 1 for place, token in enumerate(own) if token in self.ends), len(own))
        start = len(ids) - len(own)
        if ids[start:].tolist() != own:
            raise UserError(f"{turn.request.key}: the processor renders the answered question in another way each time")
        labels[start : start + end] = ids[start : start + end]

    def _missing_end(self, turn: Turn, answer: str) -> str:
        """The end token's text, where the chat template writes none behind an answer."""
        tail = self.prompts.answered(turn, answer).rpartition(answer)[2]
        tokenizer = self.prompts.processor.tokenizer
        return "" if any(token in self.ends for token in self._ids(tail)) else str(tokenizer.eos_token)

    def _ids(self, text: str) -> list[int]:
        return list(self.prompts.processor.tokenizer(text, add_special_tokens=False)["input_ids"])


def ends_of(model: Any, processor: Any) -> list[int]:
    """The tokens that end an answer of this model in a run."""
    return Speaker(model, processor.tokenizer).ends


def _heard(rows: Sequence[Row], sampling_rate: int) -> dict[Sound, Heard]:
    """Every sound of the rows, decoded once."""
    try:
        return {sound: load(sound, sampling_rate) for row in rows for sound in row.request.sounds}
    except BadClip as error:
        raise UserError(f"a clip of the training data cannot be heard: {error}", mend="take its lines out") from None
