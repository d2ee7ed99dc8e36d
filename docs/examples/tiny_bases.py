"""Tiny checkpoints of real transformers classes with random weights, for `cpbench train --base`.

    python docs/examples/tiny_bases.py items.jsonl bases       # bases/qwen2_audio, bases/audioflamingo3, bases/glmasr

They know nothing. With docs/examples/tiny_base.yaml they learn to answer about synthetic voices in some minutes on one
core: enough to see the whole road from a base to a judged run, and systems of other families than our own for a pack
of judges (`make demo-pack`). The tokenizer is made from the questions and answers of the items.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

MELS, SECONDS, WIDTH, LAYERS, HEADS = 40, 4, 64, 2, 4
VOCABULARY = 700
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}AUDIO{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def qwen2_audio(folder: Path, texts: Iterable[str], seed: int) -> None:
    import transformers as hf

    tokenizer = spelled(texts, ["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"])
    audio = {"encoder_layers": LAYERS, "encoder_attention_heads": HEADS, "encoder_ffn_dim": 2 * WIDTH, "d_model": WIDTH}
    config = hf.Qwen2AudioConfig(
        audio_config={**audio, "num_mel_bins": MELS, "max_source_positions": SECONDS * 50},
        text_config=text_of(tokenizer),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    template = CHATML.replace("AUDIO", "<|audio_bos|><|AUDIO|><|audio_eos|>\n")
    processor = hf.Qwen2AudioProcessor(extractor(), tokenizer, chat_template=template)
    save(folder, hf.Qwen2AudioForConditionalGeneration, config, processor, seed)


def audioflamingo3(folder: Path, texts: Iterable[str], seed: int) -> None:
    import transformers as hf

    tokenizer = spelled(texts, ["<sound>"])
    audio = {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": 2 * WIDTH}
    config = hf.AudioFlamingo3Config(
        audio_config={**audio, "hidden_size": WIDTH, "num_mel_bins": MELS, "max_source_positions": SECONDS * 50},
        text_config=text_of(tokenizer),
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    template = CHATML.replace("AUDIO", "<sound>")
    processor = hf.AudioFlamingo3Processor(extractor(), tokenizer, chat_template=template, max_audio_len=SECONDS)
    save(folder, hf.AudioFlamingo3ForConditionalGeneration, config, processor, seed)


def glmasr(folder: Path, texts: Iterable[str], seed: int) -> None:
    import transformers as hf

    tokenizer = spelled(texts, ["<|audio|>"])
    # four encoder frames are joined for one embedding: intermediate_size is four times hidden_size
    audio = {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": 4 * WIDTH}
    config = hf.GlmAsrConfig(
        audio_config={**audio, "hidden_size": WIDTH, "num_mel_bins": MELS, "max_position_embeddings": SECONDS * 50},
        text_config={key: value for key, value in text_of(tokenizer).items() if key != "model_type"},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio|>"),
        tie_word_embeddings=False,
    )
    template = CHATML.replace("AUDIO", "<|audio|>")
    processor = hf.GlmAsrProcessor(
        extractor(), tokenizer, chat_template=template, audio_token="<|audio|>", max_audio_len=SECONDS
    )
    save(folder, hf.GlmAsrForConditionalGeneration, config, processor, seed)


MAKERS = {"qwen2_audio": qwen2_audio, "audioflamingo3": audioflamingo3, "glmasr": glmasr}


def text_of(tokenizer: Any) -> dict[str, Any]:
    """The language model's configuration."""
    return {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": 2048,
        "initializer_range": 0.07,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def spelled(texts: Iterable[str], audio_tokens: Sequence[str]) -> Any:
    """A byte-level BPE tokenizer that spells these texts well."""
    import tokenizers
    import transformers as hf

    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", *audio_tokens],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    extra = ["<|im_start|>", *audio_tokens]
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=extra
    )


def extractor() -> Any:
    import transformers as hf

    return hf.WhisperFeatureExtractor(feature_size=MELS, chunk_length=SECONDS, return_attention_mask=True)


def save(folder: Path, cls: Any, config: Any, processor: Any, seed: int) -> None:
    """Write the checkpoint as a user would have one."""
    import torch

    torch.manual_seed(seed)
    model = cls(config)
    model.generation_config.update(eos_token_id=config.text_config.eos_token_id)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    print(f"{folder}: {cls.__name__}, {sum(one.numel() for one in model.parameters()):,} parameters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("items", type=Path, help="items.jsonl, of whose words the tokenizers are made")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.items.read_text(encoding="utf-8").splitlines()]
    texts = [text for row in rows for text in (row["question"], *row["references"])]
    for name, make in MAKERS.items():
        make(given.out / name, texts, given.seed)


if __name__ == "__main__":
    main()
