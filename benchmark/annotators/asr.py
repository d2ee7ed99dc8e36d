"""`asr/PATH`: the words of a clip, by any transformers checkpoint for speech recognition (Whisper-like, or CTC)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any, Literal

from cpbench.audio import windows
from cpbench.errors import UserError
from cpbench.flow.device import best_device, best_dtype
from cpbench.flow.refusals import refusal
from cpbench.records import Annotation, Heard, Word

RESERVED = 8  # decoder positions for the tokens that a Whisper prompt begins with


@dataclass
class Asr:
    """Greedy, a window at a time: the encoders differ with their padding, so nothing is batched.

    `window`: seconds of audio at once; None: what the checkpoint's extractor takes, at most 30. Longer clips are cut
    there and the pieces' words joined. `language` is for checkpoints that can be told it (Whisper); None: they guess.
    CTC checkpoints also give the times of their words.
    """

    path: str  # a folder, or a Hub id
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    language: str | None = None
    window: float | None = None
    revision: str | None = None
    trust_remote_code: bool = False

    @property
    def name(self) -> str:
        return f"{self.path}@{self.revision}" if self.revision else self.path

    @property
    def sampling_rate(self) -> int:
        """Hz that `annotate` needs its sounds at."""
        return int(self._processor.feature_extractor.sampling_rate)

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        """Yield the transcript of each sound, in order; "" where no words are recognised.

        Raises UserError for a checkpoint that is no speech recogniser, and for sounds at another rate than its own.
        """
        for heard in sounds:
            if heard.sampling_rate != self.sampling_rate:
                raise UserError(f"{self.name} takes sounds at {self.sampling_rate} Hz, not", value=heard.sampling_rate)
            pieces = windows(heard, self._window)
            starts = accumulate((piece.seconds for piece in pieces), initial=0.0)
            said = [self._said(piece, start) for piece, start in zip(pieces, starts, strict=False)]
            transcript = " ".join(text for text, _ in said if text)
            words = tuple(word for _, timed in said for word in timed)
            key = heard.sound.clip.sha256 or heard.sound.clip.path
            yield Annotation(key, self.name, transcript=transcript, words=words)

    def _said(self, heard: Heard, start: float) -> tuple[str, tuple[Word, ...]]:
        """The words of one window, and when they are said, where that can be known."""
        import torch

        inputs = self._processor(heard.wave, sampling_rate=heard.sampling_rate, return_tensors="pt")
        inputs = inputs.to(self._model.device)
        floats = {name: value.to(self._model.dtype) for name, value in inputs.items() if value.is_floating_point()}
        with torch.inference_mode():
            if self._generates:
                ids = self._model.generate(**{**inputs, **floats}, **self._decoding)
            else:
                ids = self._model(**{**inputs, **floats}).logits.argmax(dim=-1)
        text = str(self._processor.batch_decode(ids, skip_special_tokens=True)[0]).strip()
        return text, () if self._generates else self._timed(ids[0].tolist(), start, heard.sampling_rate)

    def _timed(self, frames: list[int], start: float, rate: int) -> tuple[Word, ...]:
        """The words of a CTC window, from their first letter's first frame to their last one's last.

        The tokenizers' own offsets are early by one frame for each special token that a decoding leaves out.
        """
        tokenizer, ratio = self._processor.tokenizer, getattr(self._model.config, "inputs_to_logits_ratio", None)
        if ratio is None or not hasattr(tokenizer, "word_delimiter_token_id"):
            return ()
        silent, second = {tokenizer.pad_token_id, *tokenizer.all_special_ids}, float(ratio) / rate
        words: list[Word] = []
        for ends, own in groupby(enumerate(frames), key=lambda one: one[1] == tokenizer.word_delimiter_token_id):
            letters = [] if ends else [frame for frame, n in own if n not in silent]
            if letters:
                first, last = letters[0], letters[-1] + 1
                text = str(tokenizer.decode(frames[first:last], skip_special_tokens=True)).strip()
                words.append(Word(text, round(start + second * first, 3), round(start + second * last, 3)))
        return tuple(words)

    @cached_property
    def _window(self) -> float:
        chunk = getattr(self._processor.feature_extractor, "chunk_length", None)
        most = float(chunk) if chunk else 30.0
        return most if self.window is None else min(most, self.window)

    @property
    def _generates(self) -> bool:
        return not self._class.endswith("ForCTC")

    @cached_property
    def _decoding(self) -> dict[str, Any]:
        """Greedy, up to the end of the decoder; told the language and not to translate where it can be told."""
        config = self._model.config
        positions = getattr(config, "max_target_positions", None) or 448
        options: dict[str, Any] = {"do_sample": False, "num_beams": 1, "max_new_tokens": positions - RESERVED}
        if getattr(self._model.generation_config, "is_multilingual", False):
            options |= {"task": "transcribe", "language": self.language}
        elif self.language is not None:
            raise UserError(f"{self.name} cannot be told its language", value=self.language, mend="leave language out")
        return options

    @cached_property
    def _class(self) -> str:
        """The class that the checkpoint was saved from."""
        from transformers import AutoConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING

        config = self._loaded(AutoConfig)
        name = next(iter(config.architectures or ()), "")
        if name.endswith("ForCTC") or type(config) in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING:
            return str(name)
        raise UserError(f"{self.path} is no speech recogniser, but", value=name or config.model_type)

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoProcessor

        processor = self._loaded(AutoProcessor)
        if getattr(processor, "feature_extractor", None) is None or getattr(processor, "tokenizer", None) is None:
            raise UserError(f"{self.path} has no processor of sounds and words, but", value=type(processor).__name__)
        return processor

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForCTC, AutoModelForSpeechSeq2Seq

        kind = AutoModelForSpeechSeq2Seq if self._generates else AutoModelForCTC
        device = best_device() if self.device == "auto" else self.device
        dtype = getattr(torch, best_dtype(device) if self.dtype == "auto" else self.dtype)
        model, found = self._loaded(kind, dtype=dtype, use_safetensors=True, output_loading_info=True)
        if missing := sorted(found["missing_keys"]):
            raise UserError(f"{self.path} lacks weights of a {type(model).__name__}, {missing[0]} first")
        return model.to(device).eval()

    def _loaded(self, kind: Any, **options: Any) -> Any:
        try:
            return kind.from_pretrained(
                self.path, revision=self.revision, trust_remote_code=self.trust_remote_code, **options
            )
        except (OSError, ValueError) as error:  # what transformers raises for what is not there, or is none of its own
            raise refusal(self.path, error) from error
