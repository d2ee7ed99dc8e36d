"""Tiny recognisers of the real classes, saved to disk as a user would have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpbench.records import Clip, Effect, Heard, Sound


@pytest.fixture
def heard() -> Callable[..., Heard]:
    """heard(name, seconds, hertz): a tone that comes and goes over noise, as an annotator gets it."""

    def make(
        name: str = "a", seconds: float = 1.0, hertz: float = 300.0, rate: int = 16000, effects: tuple[Effect, ...] = ()
    ) -> Heard:
        time = np.arange(round(seconds * rate)) / rate
        noise = np.random.default_rng(round(hertz)).normal(0, 0.05, len(time))
        wave = 0.3 * np.sin(2 * np.pi * hertz * time) * (np.sin(2 * np.pi * 3 * time) > 0) + noise
        return Heard(Sound(Clip(f"{name}.wav", name, seconds, name), effects), wave.astype(np.float32), rate)

    return make


@pytest.fixture(scope="session")
def ctc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random wav2vec2 with a letter tokenizer, 30,000 weights."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC
    from transformers import Wav2Vec2Processor as Processor

    folder = tmp_path_factory.mktemp("ctc")
    words = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    model = Wav2Vec2ForCTC(config)
    torch.nn.init.normal_(model.lm_head.weight, std=2.0)  # so that its letters change with what it hears
    model.save_pretrained(folder)
    Processor(Wav2Vec2FeatureExtractor(), Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whisper(tmp_path_factory.mktemp("whisper"))


def save_whisper(folder: Path, **generation: Any) -> Path:
    """A random Whisper with a byte-level tokenizer, in its real window of 30 s."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    vocabulary = {letter: n for n, letter in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[], language=None)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|startoftranscript|>", "<|notimestamps|>"]})
    start, end = tokenizer.convert_tokens_to_ids(["<|startoftranscript|>", "<|endoftext|>"])
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_target_positions=24,
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start, bos_token_id=end, eos_token_id=end, pad_token_id=end, **generation
    )
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(feature_size=80), tokenizer).save_pretrained(folder)
    return folder


ENCODER = {  # of a tiny wav2vec 2.0 and its like
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture(scope="session")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """classifiers(kind, labels): a random checkpoint of that class, its head so large that its answers differ."""
    made: dict[tuple[str, tuple[str, ...], str | None], Path] = {}

    def make(kind: str, labels: tuple[str, ...], problem: str | None = None) -> Path:
        if (kind, labels, problem) not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[kind, labels, problem] = save_classifier(folder, kind, dict(enumerate(labels)), problem)
        return made[kind, labels, problem]

    return make


def save_classifier(folder: Path, kind: str, labels: dict[int, str], problem: str | None) -> Path:
    import torch
    import transformers

    shape: dict[str, Any] = {**ENCODER, "classifier_proj_size": 8}
    if kind == "Whisper":
        shape = {
            "d_model": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "classifier_proj_size": 8,
        }
        extractor: Any = transformers.WhisperFeatureExtractor(feature_size=80)
    elif kind == "AST":
        shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        extractor = transformers.ASTFeatureExtractor()
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    config = getattr(transformers, f"{kind}Config")(id2label=labels, problem_type=problem, **shape)
    head = "ForSequenceClassification" if kind in ("Wav2Vec2", "Hubert", "WavLM") else "ForAudioClassification"
    torch.manual_seed(0)
    model = getattr(transformers, kind + head)(config)
    last = model.classifier if kind != "AST" else model.classifier.dense
    torch.nn.init.normal_(last.weight, std=3.0)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def dimensional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint in audeering's layout: an encoder's weights under wav2vec2., a head's under classifier."""
    import torch
    from safetensors.torch import save_file
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    folder = tmp_path_factory.mktemp("dimensional")
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        **ENCODER,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        architectures=["Wav2Vec2ForSpeechClassification"],
        id2label={0: "arousal", 1: "dominance", 2: "valence"},
        problem_type="regression",
    )
    weights = {f"wav2vec2.{key}": value for key, value in Wav2Vec2Model(config).state_dict().items()}
    for layer, rows in (("dense", 16), ("out_proj", 3)):
        weights[f"classifier.{layer}.weight"] = torch.randn(rows, 16) * 0.1
        weights[f"classifier.{layer}.bias"] = torch.linspace(0.3, 0.7, rows)
    config.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
