from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from transformers import LlamaConfig, WhisperConfig, WhisperFeatureExtractor

from cpbench.speechlm import (
    LogMelExtractor,
    SpeechEncoderConfig,
    SpeechLMConfig,
    SpeechLMForConditionalGeneration,
    SpeechLMProcessor,
    register,
)
from cpbench.training.fresh import tokenizer

register()


@pytest.fixture(scope="session")
def words() -> Any:
    return tokenizer(["What did Anna buy in the garden?", "How does the speaker sound?"], 290)


@pytest.fixture
def tiny(words: Any) -> tuple[Any, Any]:
    """Our own small encoder; 2 s windows of 25 embeddings; random weights, large enough that answers differ."""
    config = SpeechLMConfig(
        encoder_config=SpeechEncoderConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, initializer_range=0.3
        ),
        text_config=_text(words),
        audio_token_id=words.convert_tokens_to_ids("<|audio|>"),
        window_seconds=2.0,
        frames_per_embedding=2,
        adapter_hidden_size=48,
        trim=True,
    )
    return _built(config, LogMelExtractor(), words)


@pytest.fixture
def whisper(words: Any) -> tuple[Any, Any]:
    """Whisper's encoder with the paper's windows: 1,500 frames of 30 s become 100 embeddings."""
    encoder = WhisperConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_mel_bins=80,
    )
    config = SpeechLMConfig(
        encoder_config=encoder, text_config=_text(words), audio_token_id=words.convert_tokens_to_ids("<|audio|>")
    )
    return _built(config, WhisperFeatureExtractor(feature_size=80), words)


def _text(words: Any) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        bos_token_id=None,
        tie_word_embeddings=False,
        initializer_range=0.3,
    )


def _built(config: SpeechLMConfig, extractor: Any, words: Any) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(0)
    model = SpeechLMForConditionalGeneration(config).eval()
    processor = SpeechLMProcessor(
        extractor,
        words,
        window_seconds=config.window_seconds,
        mel_frames_per_embedding=config.mel_frames_per_embedding,
        trim=config.trim,
    )
    return model, processor


@pytest.fixture
def noise() -> Callable[[float], np.ndarray]:
    draw = np.random.default_rng(0)
    return lambda seconds: (0.1 * draw.standard_normal(round(16000 * seconds))).astype(np.float32)
