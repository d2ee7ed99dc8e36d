"""`speechlm`: the paper's architecture as a transformers model, from the demo's size to Whisper and a 9 B LLM.

An audio encoder, an MLP adapter that turns a window's frames into a fixed number of embeddings, and a causal language
model among whose token embeddings they stand. Encoder and language model are any of the library's, by their configs.

`register()` makes `AutoConfig`, `AutoProcessor`, `AutoFeatureExtractor` and `AutoModelForMultimodalLM` know it; without
it AutoProcessor gives a bare tokenizer, and no error. This module imports torch and transformers only when asked for
one of its classes, or to register.
"""

from __future__ import annotations

from typing import Any

_HOMES = {
    "SpeechEncoderConfig": "config",
    "SpeechLMConfig": "config",
    "LogMelExtractor": "features",
    "SpeechEncoder": "encoder",
    "SpeechLMProcessor": "processor",
    "SpeechLMForConditionalGeneration": "modeling",
}
__all__ = [*_HOMES, "register"]  # noqa: PLE0604 (names of classes that are imported when asked for)


def register() -> None:
    """Make transformers' Auto classes know `speechlm`; a second call does nothing."""
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForMultimodalLM, AutoProcessor

    from cpbench.speechlm.config import SpeechEncoderConfig, SpeechLMConfig
    from cpbench.speechlm.encoder import SpeechEncoder
    from cpbench.speechlm.features import LogMelExtractor
    from cpbench.speechlm.modeling import SpeechLMForConditionalGeneration
    from cpbench.speechlm.processor import SpeechLMProcessor

    AutoConfig.register(SpeechEncoderConfig.model_type, SpeechEncoderConfig, exist_ok=True)
    AutoConfig.register(SpeechLMConfig.model_type, SpeechLMConfig, exist_ok=True)
    AutoModel.register(SpeechEncoderConfig, SpeechEncoder, exist_ok=True)
    AutoFeatureExtractor.register(SpeechLMConfig, LogMelExtractor, exist_ok=True)
    AutoProcessor.register(SpeechLMConfig, SpeechLMProcessor, exist_ok=True)
    AutoModelForMultimodalLM.register(SpeechLMConfig, SpeechLMForConditionalGeneration, exist_ok=True)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
