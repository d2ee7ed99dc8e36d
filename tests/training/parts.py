"""Tiny random pretrained parts of the real transformers classes, on disk as a user would have them.

Speech encoders (Whisper, wav2vec 2.0 with either norm, HuBERT) with their feature extractors, and causal language
models (Gemma 2, Llama) with tokenizers; Gemma's has a chat template, Llama's has none. Load this module by its path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

SENTENCES = ["Is the speaker male or female?", "How does the speaker sound? anger sadness", "Anna was in the kitchen."]
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


def whisper(folder: Path) -> Path:
    """A WhisperModel whose window is 4 s: 200 encoder frames."""
    import transformers as hf

    config = hf.WhisperConfig(
        vocab_size=60,
        d_model=32,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_mel_bins=80,
        max_source_positions=200,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    return _save(folder, hf.WhisperModel(config), hf.WhisperFeatureExtractor(feature_size=80, chunk_length=4))


def wav2vec2(folder: Path, *, norm: str = "layer") -> Path:
    """A Wav2Vec2Model; norm "layer" as in the large ones, "group" as in the base one."""
    import transformers as hf

    config = hf.Wav2Vec2Config(**_wave(norm))
    extractor = hf.Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer", do_normalize=True)
    return _save(folder, hf.Wav2Vec2Model(config), extractor)


def hubert(folder: Path) -> Path:
    import transformers as hf

    return _save(folder, hf.HubertModel(hf.HubertConfig(**_wave("group"))), hf.Wav2Vec2FeatureExtractor())


def gemma2(folder: Path) -> Path:
    """A Gemma2ForCausalLM with a chat template that refuses the system role and trims, as Gemma's does."""
    import transformers as hf

    special = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"]
    words = _tokenizer(special, GEMMA, eos_token="<eos>", bos_token="<bos>", pad_token="<pad>")
    config = hf.Gemma2Config(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=64,
        pad_token_id=0,
        eos_token_id=[1, 4],
        bos_token_id=2,
    )
    return _save(folder, hf.Gemma2ForCausalLM(config), words)


def llama(folder: Path) -> Path:
    """A LlamaForCausalLM without a chat template and without a padding token, its vocabulary padded."""
    import transformers as hf

    words = _tokenizer(["<s>", "</s>"], None, eos_token="</s>", bos_token="<s>")
    config = hf.LlamaConfig(
        vocab_size=len(words) + 8,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        eos_token_id=1,
        bos_token_id=0,
    )
    return _save(folder, hf.LlamaForCausalLM(config), words)


def _wave(norm: str) -> dict[str, Any]:
    return {
        "vocab_size": 32,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "conv_dim": (16,) * 7,
        "feat_extract_norm": norm,
        "conv_bias": norm == "layer",
        "do_stable_layer_norm": norm == "layer",
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "hidden_dropout": 0.1,
        "mask_time_prob": 0.5,
    }


def _tokenizer(special: list[str], template: str | None, **named: str) -> Any:
    import tokenizers
    import transformers as hf

    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return hf.PreTrainedTokenizerFast(tokenizer_object=bpe, chat_template=template, **named)


def _save(folder: Path, *made: Any) -> Path:
    for part in made:
        part.save_pretrained(folder)
    return folder
