"""From a turn to a model's inputs: the chat template of its processor, and nothing of our own.

Inference and training word their questions here, so that they cannot drift apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cpbench.audio import windows
from cpbench.errors import UserError
from cpbench.models.local.ear import Ear, Saving, Sparing, ear_of, put_before
from cpbench.records import Heard, Turn

SEVERAL = 8  # audio parts in one turn at most, where a model takes several: four minutes in windows of 30 s
LEFT = {"padding": True, "padding_side": "left"}
"""Left, or the answers of the shorter prompts change; under text_kwargs, or the features lose their padding."""
PLAIN = (
    "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'audio' %}AUDIO{% else %}"
    "{{ part['text'] }}{% endif %}{{ '\n' }}{% endfor %}{% endfor %}"
)
"""For a processor without a chat template: the audio, a line break, the question, a line break."""

Message = dict[str, Any]


def conversation(text: str, heard: Sequence[Heard], answer: str | None = None) -> list[Message]:
    """One exchange: the audio, then the question; with `answer`, the exchange as a model is trained on it.

    A new list each time: `apply_chat_template` changes the content in place.
    """
    content: list[Message] = [{"type": "audio", "audio": part.wave} for part in heard]
    messages: list[Message] = [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]
    if answer is not None:
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return messages


@dataclass(frozen=True)
class Prompts:
    """How one processor is asked."""

    processor: Any
    name: str  # of the checkpoint, for messages

    @cached_property
    def ear(self) -> Ear:
        return ear_of(self.processor)

    @cached_property
    def sparing(self) -> Sparing:
        """The extractor as it is asked where work is saved."""
        padded = self.ear.chunk is not None and self.ear.padded
        return Sparing(self.ear.extractor, round((self.ear.chunk or 0) * self.ear.sampling_rate) if padded else None)

    @cached_property
    def template(self) -> str:
        """The chat template, or PLAIN. Raises UserError for a processor without template and audio token."""
        own = self.processor.chat_template or getattr(self.processor.tokenizer, "chat_template", None)
        if isinstance(own, dict):
            own = own.get("default")
        if own:
            return str(own)
        token = getattr(self.processor, "audio_token", None)
        if not token:
            raise UserError(
                f"{self.name} has neither a chat template nor an audio token: it is not made to be asked questions",
                mend="save its processor with a chat_template",
            )
        return PLAIN.replace("AUDIO", token)

    @cached_property
    def max_parts(self) -> int:
        """How many audio parts a turn may have: found by preparing one with two, for processors do not say."""
        noise = np.random.default_rng(0).standard_normal((2, self.ear.sampling_rate // 2)).astype(np.float32) / 30
        try:
            two = self._encoded(
                [conversation("?", [_part(wave, self.ear.sampling_rate) for wave in noise])], audio=True
            )
        except (ValueError, IndexError, TypeError, RuntimeError):
            return 1
        return SEVERAL if any(len(value) == 2 for value in two.values() if value.is_floating_point()) else 1

    def fitted(self, turn: Turn) -> Turn:
        """The turn with what the model can take of its audio: long clips in windows, in order, and no more than fit.

        Raises ValueError for audio at another rate than the card's.
        """
        for heard in turn.heard:
            if heard.sampling_rate != self.ear.sampling_rate:
                raise ValueError(f"audio at {heard.sampling_rate} Hz for a model at {self.ear.sampling_rate} Hz")
        if self.ear.window is None:
            return turn
        pieces = [windows(heard, self.ear.window) for heard in turn.heard]
        spare = max(0, self.max_parts - len(pieces))  # each clip's first window comes before any clip's second
        kept: list[Heard] = []
        for windowed in pieces:
            kept += windowed[: 1 + spare]
            spare -= min(spare, len(windowed) - 1)
        return Turn(turn.request, tuple(kept))

    def rendered(self, turn: Turn) -> str:
        """The prompt in words, special tokens and all, as the model gets it; each audio part one placeholder."""
        asked = [conversation(turn.request.text, self.fitted(turn).heard)]
        text = self.processor.apply_chat_template(
            asked, chat_template=self.template, tokenize=False, add_generation_prompt=True
        )
        return str(text[0])

    def encoded(
        self, turns: Sequence[Turn], answers: Sequence[str] | None = None, *, saving: Saving | None = None
    ) -> Any:
        """The inputs of fitted turns, all with audio or all without: a BatchFeature, padded on the left.

        `input_ids` and `attention_mask` (B, L); where there is audio, features (rows, ...) and their mask. With
        `answers` the turns are answered, as a model is trained on them, and nothing is left to say. `saving`: what the
        extractor is spared.
        """
        said = answers if answers is not None else [None] * len(turns)
        asked = [conversation(turn.request.text, turn.heard, answer) for turn, answer in zip(turns, said, strict=True)]
        audio = any(turn.heard for turn in turns)
        self.sparing.saving = saving or Saving()
        with put_before(self.processor, self.sparing) if audio and saving else contextlib.nullcontext():
            return self._encoded(asked, audio=audio, to_answer=answers is None)

    def answered(self, turn: Turn, answer: str) -> str:
        """The turn and its answer in words, special tokens and all; each audio part one placeholder."""
        asked = [conversation(turn.request.text, turn.heard, answer)]
        text = self.processor.apply_chat_template(
            asked, chat_template=self.template, tokenize=False, add_generation_prompt=False
        )
        return str(text[0])

    def _encoded(self, asked: list[list[Message]], *, audio: bool, to_answer: bool = True) -> Any:
        options: dict[str, Any] = {"text_kwargs": LEFT}
        if audio:
            options["audio_kwargs"] = {"sampling_rate": self.ear.sampling_rate}
        return self.processor.apply_chat_template(
            asked,
            chat_template=self.template,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            add_generation_prompt=to_answer,
            processor_kwargs=options,
        )


def _part(wave: np.ndarray, sampling_rate: int) -> Heard:
    from cpbench.records import Clip, Sound

    return Heard(Sound(Clip("", None, len(wave) / sampling_rate, "")), wave, sampling_rate)
