"""Any transformers Speech-LLM, from a folder or the Hub: loading and PEFT, chat templates, batched generation.

    LocalModel("path/to/checkpoint").answer(turns)

Nothing here knows a class by name: what a model takes is read off its processor, or tried.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Literal

import numpy as np

from cpbench.errors import UsageError, UserError
from cpbench.flow.batching import Shortage, in_loads
from cpbench.flow.device import best_device, best_dtype, use_all_cores
from cpbench.flow.streams import prefetch
from cpbench.models.local.budget import GUESSED, LETTERS, Load, Taken, bytes_taken, free_bytes, measured
from cpbench.models.local.ear import Saving, frame_mask, join, spans, valid
from cpbench.models.local.generate import Speaker, drawn_by, effective
from cpbench.models.local.listening import encoder_of, entering
from cpbench.models.local.load import Checkpoint, Source, load_weights, open_checkpoint
from cpbench.models.local.prompts import SEVERAL, Prompts, conversation
from cpbench.models.local.reuse import Asked, Reuse, Ways, untried
from cpbench.models.local.tower import Tower
from cpbench.models.local.trial import LONGEST, brief, questions, tried
from cpbench.parts import Listened
from cpbench.records import Generation, Heard, ModelCard, Prediction, Turn

__all__ = ["LocalModel", "Prompts", "conversation"]

ENOUGH = 4  # questions with audio, long ones for more, before it is tried what can be saved: a trial costs as much
AHEAD = {"cpu": 0, "gpu": 64}
"""Turns that are decoded, and their features extracted, while a batch is answered. A CPU has no core to spare for it:
there it only costs memory."""
TRIED = 10.0  # seconds that clips are tried in, where an encoder states no window


@dataclass(frozen=True)
class LocalModel:
    """A checkpoint that runs here. Config and processor are read at once, weights at the first answer or by `load()`.

    Raises UserError, before any data is read, for a checkpoint that cannot run (see `load.open_checkpoint`).
    """

    path: str  # a folder, or a Hub id
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # bfloat16 on a GPU, float32 on a CPU
    device: str = "auto"
    batch_size: Literal["auto"] | int = "auto"  # auto: by a budget of seconds of audio
    max_new_tokens: int | None = None  # None: what the task says
    revision: str | None = None
    trust_remote_code: bool = False
    attn: str | None = None  # sdpa, eager, flash_attention_2, ...
    base: str | None = None  # of a PEFT adapter, where its own record of it is wrong
    name: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.batch_size, int) and self.batch_size < 1:
            raise UsageError("batch_size is auto or at least 1, not", value=self.batch_size)
        _ = self.card

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        return open_checkpoint(Source(self.path, self.revision, self.trust_remote_code, self.base))

    @cached_property
    def prompts(self) -> Prompts:
        return Prompts(self._checkpoint.processor, self._checkpoint.name)

    @cached_property
    def card(self) -> ModelCard:
        checkpoint, ear, notes = self._checkpoint, self.prompts.ear, self._checkpoint.notes
        return ModelCard(
            name=self.name or checkpoint.name,
            family=checkpoint.config.model_type,
            revision=checkpoint.revision,
            sampling_rate=ear.sampling_rate,
            window=ear.window,
            max_clips=self.prompts.max_parts,
            condition=notes.get("condition") or "audio",
            tag_template=notes.get("tag_template"),
            trained_on=frozenset(notes.get("trained_on") or ()),
            details=self._details(),
        )

    def _details(self) -> dict[str, Any]:
        from cpbench.fingerprint import text_sha256

        checkpoint = self._checkpoint
        return {
            "class": next(iter(checkpoint.config.architectures or ()), None),
            "adapter": checkpoint.adapter.path if checkpoint.adapter else None,
            "base": checkpoint.source.path if checkpoint.adapter else None,
            "variant": checkpoint.notes.get("variant"),
            "device": self._device,
            "dtype": self._dtype,
            "attn": self.attn,
            "batch_size": self.batch_size,
            "max_new_tokens": self.max_new_tokens,
            "trust_remote_code": self.trust_remote_code,
            "chat_template_sha256": text_sha256(self.prompts.template),
            "generation": effective(checkpoint.generation),
            "splits_long_clips": self.prompts.max_parts == SEVERAL,
        }

    @cached_property
    def _device(self) -> str:
        return best_device() if self.device == "auto" else self.device

    @cached_property
    def _dtype(self) -> str:
        return best_dtype(self._device) if self.dtype == "auto" else self.dtype

    @cached_property
    def _speaker(self) -> Speaker:
        if self._device == "cpu":
            use_all_cores()
        model = load_weights(self._checkpoint, device=self._device, dtype=self._dtype, attn=self.attn)
        return Speaker(model, self._checkpoint.processor.tokenizer)

    @cached_property
    def _reuse(self) -> Reuse:
        encoder = encoder_of(self._speaker.model)
        return Reuse(self._speaker, None if encoder is None else Tower(encoder))

    def account(self) -> dict[str, Any]:
        """What answering took so far, for the manifest: batches, encoder passes, and which ways saved some of them."""
        return self._reuse.work

    def load(self) -> None:
        """Load the weights now. Raises UserError for weights that are missing or do not fit."""
        _ = self._speaker

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        """Yield one prediction a turn, in order. Turns are taken as batches are packed, so memory stays flat.

        A batch too large for the memory is halved; a turn too large alone becomes a failed prediction.
        """
        self._reuse.forget()
        self.prompts.sparing.made.clear()
        shortage: Shortage[tuple[Turn, Load], Prediction] = Shortage(
            lambda piece, error: piece[0].request.failed(f"out of memory, even alone: {error}"), self._release
        )
        ahead = AHEAD["cpu" if self._device == "cpu" else "gpu"]
        coming = prefetch(map(self._prepared, turns), ahead) if ahead else turns
        work = ((turn, self._load_of(turn)) for turn in coming)
        yield from in_loads(
            work,
            lambda pieces: self._answered([turn for turn, _ in pieces]),
            fits=self._fits,
            together=self._together,
            shortage=shortage,
        )

    def listen(self, turns: Sequence[Turn]) -> list[Listened]:
        """What enters the encoder for each turn, and what comes next: one batch, prepared as for answers."""
        fitted = [self._taken(turn) for turn in turns]
        inputs = self.prompts.encoded(fitted)
        with entering(self._speaker.model) as entered:
            scores = self._speaker.next_scores(inputs)
        if not entered:
            return [Listened(row, None, None) for row in scores]
        rows, mask = entered[0].float().cpu().numpy(), frame_mask(inputs)
        seen = [valid(row, None if mask is None else mask[place]) for place, row in enumerate(rows)]
        parts = spans(self.prompts.ear, fitted, len(rows))
        if parts is None:
            raise UserError(f"{self.card.name}: {len(rows)} rows of features for {len(turns)} turns: whose are they?")
        taken = [join(seen[part]) if seen[part] else None for part in parts]
        return [
            Listened(row, features, None if features is None else features.shape[-1] * self.prompts.ear.hop)
            for row, features in zip(scores, taken, strict=True)
        ]

    def features(self, heard: Heard) -> np.ndarray:
        """What the checkpoint's own extractor makes of a sound: float32 (features, frames), as `listen` shows them."""
        return self.prompts.ear.features(heard)

    def rendered(self, turn: Turn) -> str:
        """The prompt as the model gets it, for `--show`."""
        return self.prompts.rendered(turn)

    def _taken(self, turn: Turn) -> Turn:
        """What the model takes of a turn: the one step between the engine and the processor."""
        return self.prompts.fitted(turn)

    def _fits(self, pieces: Sequence[tuple[Turn, Load]]) -> bool:
        if self.batch_size != "auto":
            return len(pieces) <= self.batch_size
        budget = self._reuse.budget or GUESSED["cpu" if self._device == "cpu" else "gpu"]
        return budget.fits([load for _, load in pieces], once=self._once)

    def _prepared(self, turn: Turn) -> Turn:
        """The turn, the features of its sounds on their way."""
        if self._reuse.verdict is not None and self._reuse.verdict.ways.short:
            self.prompts.sparing.ahead([heard.wave for heard in self._taken(turn).heard])
        return turn

    def _together(self, one: tuple[Turn, Load], other: tuple[Turn, Load]) -> bool:
        """Whether these stay in one batch where they can: what a sound's questions share is worked out once a batch."""
        return self.batch_size == "auto" and self._once and one[1].sounds == other[1].sounds

    @property
    def _once(self) -> bool:
        return self._reuse.verdict is not None and self._reuse.verdict.ways.once

    def _load_of(self, turn: Turn) -> Load:
        """What a turn brings into a batch."""
        verdict, heard = self._reuse.verdict, self._taken(turn).heard
        padded = sum(map(self.prompts.ear.padded_seconds, heard))
        cut = verdict is not None and verdict.ways.cut
        seconds = sum(part.seconds for part in heard) if cut else padded
        words = len(turn.request.text) / LETTERS + self._generation(turn).max_new_tokens
        return Load(repr(turn.request.sounds), seconds, padded, words)

    def _answered(self, turns: list[Turn]) -> list[Prediction]:
        """The turns' predictions, neighbours that can share a batch together."""
        fitted = [self._taken(turn) for turn in turns]
        predictions: list[Prediction] = []
        for _, group in groupby(fitted, key=_shared):
            predictions += self._generated(list(group))
        return predictions

    def _generated(self, turns: list[Turn]) -> list[Prediction]:
        ways = self._ways(turns)
        asked = self._asked(turns, ways)
        tokens, heard = asked.inputs["attention_mask"].sum(-1).tolist(), self._heard(asked)
        generation = self._generation(turns[0])
        seed = drawn_by(generation, turns[0].request.key)
        said = self._reuse.generated(asked, self._speaker.options(generation), ways, seed=seed)
        answers = self._speaker.answers(said.tokens.tolist(), generation)
        return [
            turn.request.answered(
                answer.text,
                heard=seconds,
                finish_reason=answer.finish_reason,
                input_tokens=read,
                output_tokens=answer.tokens,
            )
            for turn, answer, read, seconds in zip(turns, answers, tokens, heard, strict=True)
        ]

    def _asked(self, turns: Sequence[Turn], ways: Ways) -> Asked:
        return Asked(turns, self.prompts.encoded(turns, saving=Saving(ways.once, ways.short)), self.prompts)

    def _ways(self, turns: list[Turn]) -> Ways:
        """How these turns are asked. The ways are tried once a model, when there is enough to ask."""
        reuse = self._reuse
        if reuse.verdict is None and turns[0].heard:
            reuse.seen += sum(max(1.0, self._load_of(turn).padded / LONGEST) for turn in turns)
            if self.batch_size == 1:
                reuse.verdict = untried("with a batch size of 1 every question is asked by itself")
            elif reuse.seen >= ENOUGH:
                window = self.prompts.ear.chunk or TRIED
                with reuse.uncounted():
                    reuse.verdict = tried(reuse, turns, self._asked, window=window, dtype=self._dtype)
                    self._weigh(turns, reuse.verdict.ways)
        return reuse.verdict.ways if reuse.verdict and turns[0].heard else Ways()

    def _weigh(self, turns: Sequence[Turn], ways: Ways) -> None:
        """Find out what a batch takes of this machine's memory, and how many tokens a second of audio becomes."""
        some = questions(turns, None)
        asked = self._asked(some, ways)
        generation = brief(self._generation(turns[0]))
        options = self._speaker.options(generation)
        found = bytes_taken(self._device, lambda: self._reuse.generated(asked, options, ways).kept)
        if found is None:
            return
        loads = [self._load_of(turn) for turn in some]
        taken = Taken(
            seconds=max(load.seconds for load in loads) * len(set(asked.sounds)),
            tokens=float((asked.width + generation.max_new_tokens) * len(some)),
            bytes=found,
            tokens_a_second=asked.width / max(1.0, *(load.padded for load in loads)),
            parameters=float(sum(weights.numel() for weights in self._speaker.model.parameters())),
        )
        self._reuse.budget = measured(taken, free_bytes(self._device), "cpu" if self._device == "cpu" else "gpu")

    def _heard(self, asked: Asked) -> list[float]:
        """Seconds of audio that the inputs hold for each turn, by the mask of their frames where there is one."""
        hop, mask, parts = self.prompts.ear.hop, frame_mask(asked.inputs), asked.parts
        sent = [sum((part.seconds for part in turn.heard), 0.0) for turn in asked.turns]
        if mask is None or parts is None:
            return sent
        frames = [int((mask[part] > 0).sum()) for part in parts]
        rounding = [
            2 * hop * (part.stop - part.start) for part in parts
        ]  # the last frame of a row is a whole one or none
        return [
            whole if whole - count * hop <= slack else count * hop
            for whole, count, slack in zip(sent, frames, rounding, strict=True)
        ]

    def _generation(self, turn: Turn) -> Generation:
        asked = turn.request.generation
        return asked if self.max_new_tokens is None else dataclasses.replace(asked, max_new_tokens=self.max_new_tokens)

    def _release(self) -> None:
        import gc

        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _shared(turn: Turn) -> tuple[bool, Generation, str]:
    """Turns with equal keys can share a batch: some processors take no text-only turn among others, and a drawn answer
    must not depend on its neighbours."""
    generation = turn.request.generation
    return bool(turn.heard), generation, turn.request.key if generation.temperature > 0 else ""
