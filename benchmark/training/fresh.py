"""A `speechlm` from random weights, with a vocabulary made from the data it will see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cpbench.training.config import Sizes

SPECIAL = ("<|pad|>", "<|end|>", "<|audio|>", "<|user|>", "<|assistant|>", "<|system|>")


def tokenizer(texts: Iterable[str], size: int) -> Any:
    """A byte-level BPE of `size` tokens, digits apart: it can spell whatever it has not seen."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(add_prefix_space=True), pre_tokenizers.Digits(individual_digits=True)]
    )
    # A word is the same token at the start of an answer as in a sentence; decoding takes the added space off again.
    bpe.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        extra_special_tokens=list(SPECIAL[2:]),
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def speechlm(sizes: Sizes, texts: Iterable[str]) -> tuple[Any, Any]:
    """(model, processor) of these sizes; the weights come from torch's generator as it stands."""
    from transformers import AutoConfig

    from cpbench.speechlm import (
        LogMelExtractor,
        SpeechEncoderConfig,
        SpeechLMConfig,
        SpeechLMForConditionalGeneration,
        SpeechLMProcessor,
        register,
    )

    register()
    words = tokenizer(texts, sizes.vocabulary)
    text = {"model_type": "llama", **sizes.text}
    config = SpeechLMConfig(
        encoder_config=SpeechEncoderConfig(**sizes.encoder),
        text_config=AutoConfig.for_model(
            **text,
            vocab_size=len(words),
            pad_token_id=words.pad_token_id,
            eos_token_id=words.eos_token_id,
            bos_token_id=None,
        ),
        audio_token_id=words.convert_tokens_to_ids("<|audio|>"),
        window_seconds=sizes.window_seconds,
        frames_per_embedding=sizes.frames_per_embedding,
        adapter_hidden_size=sizes.adapter_hidden_size,
        trim=True,
    )
    processor = SpeechLMProcessor(
        LogMelExtractor(feature_size=config.encoder_config.num_mel_bins),
        words,
        window_seconds=config.window_seconds,
        mel_frames_per_embedding=config.mel_frames_per_embedding,
        trim=config.trim,
    )
    return SpeechLMForConditionalGeneration(config), processor
