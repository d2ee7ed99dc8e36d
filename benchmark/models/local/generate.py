"""Batched generation with a loaded model: greedy unless asked otherwise, every answer with its reason to end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from cpbench.fingerprint import digest
from cpbench.records import Generation

SAMPLING = ("do_sample", "temperature", "top_p", "top_k", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
LENGTHS = ("max_length", "min_length", "max_new_tokens", "num_beams", "num_return_sequences")


@dataclass(frozen=True)
class Answer:
    """What one row of a batch said."""

    text: str
    finish_reason: Literal["stop", "length"]
    tokens: int  # generated, the end token included


def effective(own: Any) -> dict[str, Any]:
    """What is left of a checkpoint's generation settings: its sampling and its lengths give way to the task's.

    A repetition penalty stays, for it shapes a greedy answer too.
    """
    dropped = (*SAMPLING, *LENGTHS, "transformers_version")
    kept = {key: value for key, value in own.to_diff_dict().items() if key not in dropped and key[0] != "_"}
    return {"do_sample": False, **kept}


@dataclass(frozen=True)
class Speaker:
    """A model that answers; `own` is its checkpoint's GenerationConfig."""

    model: Any
    tokenizer: Any

    @cached_property
    def _talker(self) -> Any:
        """The part that writes: Qwen-Omni models have a thinker that writes and a talker that speaks."""
        model = getattr(self.model, "thinker", self.model)
        config = model.generation_config
        for name in (*SAMPLING, *LENGTHS):
            if hasattr(config, name):
                setattr(config, name, None)
        config.do_sample = False
        return model

    @cached_property
    def ends(self) -> list[int]:
        """The tokens that end an answer."""
        ends = self._talker.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if ends is None else ends
        return list(ends) if isinstance(ends, list | tuple) else [] if ends is None else [int(ends)]

    @cached_property
    def _padding(self) -> int:
        padding = self.tokenizer.pad_token_id
        return int(padding if padding is not None else (self.ends or [0])[0])

    def answers(self, said: Sequence[Sequence[int]], generation: Generation) -> list[Answer]:
        """What the rows of new tokens say, one answer a row."""
        return [self._answer(list(row), generation) for row in said]

    def next_scores(self, inputs: Any) -> np.ndarray:
        """The scores of the token that would come next, before any processing: float32 (B, V)."""
        made = self.generate(inputs, {"max_new_tokens": 1, "do_sample": False, "output_logits": True})
        return np.asarray(made.logits[0].float().cpu().numpy())

    def generate(self, inputs: Any, options: Mapping[str, Any], *, seed: int | None = None) -> Any:
        """transformers' own `generate` on a BatchFeature, and what it returns; `seed` fixes what is drawn."""
        import torch

        inputs = inputs.to(self._talker.device, dtype=self._talker.dtype)
        ends = {"eos_token_id": self.ends or None, "pad_token_id": self._padding, "return_dict_in_generate": True}
        devices = [self._talker.device] if self._talker.device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices, enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            return self._talker.generate(**inputs, **ends, **options)

    @contextlib.contextmanager
    def scoring_last(self) -> Iterator[None]:
        """Within it only the last position is scored: `generate` looks at no other, and a prompt with audio has
        hundreds. Classes that take `logits_to_keep` do so by themselves.
        """
        head = self._talker.get_output_embeddings()
        if head is None:
            yield
            return
        hook = head.register_forward_pre_hook(lambda _, given: (given[0][:, -1:],) if given[0].ndim == 3 else None)
        try:
            yield
        finally:
            hook.remove()

    def options(self, generation: Generation) -> dict[str, Any]:
        """How `generate` is asked."""
        options: dict[str, Any] = {"max_new_tokens": generation.max_new_tokens, "do_sample": False}
        if generation.temperature > 0:
            options |= {"do_sample": True, "temperature": generation.temperature, "top_k": 0, "top_p": 1.0}
        if generation.stop:
            options |= {"stop_strings": list(generation.stop), "tokenizer": self.tokenizer}
        return options

    def _answer(self, row: list[int], generation: Generation) -> Answer:
        ended = next((place for place, token in enumerate(row) if token in self.ends), None)
        if ended is not None:
            return Answer(_cut(self._decoded(row[:ended]), generation.stop)[0], "stop", ended + 1)
        while row and row[-1] == self._padding and generation.stop:  # a stop string ended it before its neighbours
            row = row[:-1]
        text, stopped = _cut(self._decoded(row), generation.stop)
        return Answer(text, "stop" if stopped or len(row) < generation.max_new_tokens else "length", len(row))

    def _decoded(self, row: list[int]) -> str:
        return str(self.tokenizer.decode(row, skip_special_tokens=True))


def _cut(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    """The text up to the first stop string, and whether there was one."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def drawn_by(generation: Generation, name: str) -> int | None:
    """The seed of an answer that is drawn: by the run's and the answer's name, whatever else is in the batch."""
    return int(digest(generation.seed, name)[:15], 16) if generation.temperature > 0 else None
