"""Conversations with audio to what the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin

AUDIO_TOKEN = "<|audio|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['content'] is string %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|end|>' }}{% endif %}"
    "{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}{{ '<|audio|>' }}{% elif part['type'] == 'text' %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ part['text'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ part['text'] }}{% endif %}{% endif %}"
    "{% endfor %}"
    "{% if message['role'] != 'assistant' %}{{ '<|end|>' }}{% endif %}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


class SpeechLMProcessor(ProcessorMixin):  # type: ignore[misc]
    """Cuts clips into windows, makes their features, and puts one audio token for each embedding into the text.

    No clip is cut short: one longer than `window_seconds` becomes several windows.
    """

    valid_processor_kwargs: Any = ProcessorMixin.valid_processor_kwargs

    def __init__(  # noqa: PLR0917 (what stands behind a `*` the library would not save and load)
        self,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        audio_token: str = AUDIO_TOKEN,
        window_seconds: float = 30.0,
        mel_frames_per_embedding: int = 30,
        trim: bool = False,
    ) -> None:
        self.audio_token = audio_token
        self.audio_token_id = tokenizer.convert_tokens_to_ids(audio_token)
        self.window_seconds = window_seconds
        self.mel_frames_per_embedding = mel_frames_per_embedding
        self.trim = trim
        super().__init__(feature_extractor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE)

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "input_features", "input_features_mask"]

    def __call__(
        self,
        text: str | Sequence[str] | None = None,
        audio: np.ndarray | Sequence[np.ndarray] | None = None,
        **kwargs: Any,  # transformers' processing options, grouped or not: see ProcessingKwargs
    ) -> BatchFeature:
        """`text`: prompts with one audio token a clip; `audio`: the clips of all prompts in order, float32 (T,) mono.

        Raises ValueError where the prompts ask for another number of clips.
        """
        images, videos = kwargs.pop("images", None), kwargs.pop("videos", None)
        if images is not None or videos is not None:
            raise ValueError("speechlm takes audio and text")
        merged = self._merge_kwargs(
            self.valid_processor_kwargs, tokenizer_init_kwargs=self.tokenizer.init_kwargs, **kwargs
        )
        prompts = [text] if isinstance(text, str) else list(text or ())
        clips = [] if audio is None else [audio] if isinstance(audio, np.ndarray) and audio.ndim == 1 else list(audio)
        wanted = sum(prompt.count(self.audio_token) for prompt in prompts)
        if wanted != len(clips):
            raise ValueError(f"the prompts have {wanted} audio tokens, and {len(clips)} clips are given")
        heard, counts = self._listen(clips, merged["audio_kwargs"].get("sampling_rate"))
        options = {"return_tensors": "pt", **merged["text_kwargs"]}
        options.pop("return_mm_token_type_ids", None)
        options.setdefault("add_special_tokens", False)  # the chat template has written them
        said = self.tokenizer(self._expanded(prompts, counts), **options)
        return BatchFeature({**said, **heard}, tensor_type=options["return_tensors"])

    def _listen(
        self, clips: Sequence[np.ndarray], sampling_rate: int | None
    ) -> tuple[dict[str, torch.Tensor], list[int]]:
        """The features of all clips' windows, and how many embeddings each clip becomes."""
        if not clips:
            return {}, []
        rate = self.feature_extractor.sampling_rate
        size = round(self.window_seconds * rate)
        windows = [
            [np.asarray(clip)[start : start + size] for start in range(0, max(1, len(clip)), size)] for clip in clips
        ]
        made = self.feature_extractor(
            [window for clip in windows for window in clip],
            sampling_rate=sampling_rate or rate,
            padding=True if self.trim else "max_length",
            max_length=None if self.trim else size,
            return_attention_mask=True,
            return_tensors="pt",
        )
        features, mask = made[self.feature_extractor.model_input_names[0]], made["attention_mask"]
        counts = self._embeddings(mask).tolist()
        ends = np.cumsum([len(clip) for clip in windows])
        per_clip = [sum(counts[end - len(clip) : end]) for clip, end in zip(windows, ends, strict=True)]
        return {"input_features": features, "input_features_mask": mask}, per_clip

    def _embeddings(self, mask: torch.Tensor) -> torch.Tensor:
        """How many embeddings each window becomes."""
        frames = mask.sum(-1) if self.trim else torch.full((len(mask),), mask.shape[-1])
        return (frames + self.mel_frames_per_embedding - 1) // self.mel_frames_per_embedding

    def _expanded(self, prompts: Sequence[str], counts: Sequence[int]) -> list[str]:
        """The prompts with each audio token repeated once an embedding."""
        left = iter(counts)
        out = []
        for prompt in prompts:
            before, *after = prompt.split(self.audio_token)
            out.append(before + "".join(self.audio_token * next(left) + part for part in after))
        return out
