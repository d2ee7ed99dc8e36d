"""Tiny random checkpoints of the real transformers classes, saved to disk as a user would have them.

Each maker writes a folder with config, safetensors, generation config (with sampling defaults, as real checkpoints
have them), a processor with a byte-level BPE tokenizer trained on the spot, and a chat template; and returns the
folder. The extractors' window is 4 seconds instead of 30, so that the encoders are fast and windows can be tested. Load
this module by its path (tests/engine/conftest.py shows how): tests are no package.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cpbench.records import Clip, Generation, Heard, Request, Sound, Turn

WINDOW = 4  # seconds
MELS = 32
WORDS = (  # noqa: SIM905
    "the speaker sounds angry happy sad calm afraid what is said and how who speaks in this clip answer with one word "
    "a woman man child says that train late today because of rain yes no question emotion voice loud soft fast slow"
).split()
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}AUDIO{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def qwen2_audio(folder: Path, *, seed: int = 0) -> Path:
    """Qwen2AudioForConditionalGeneration: cuts at its window, takes several clips."""
    import transformers as hf

    tokenizer = _tokenizer(["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"])
    audio = {"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "d_model": 32}
    config = hf.Qwen2AudioConfig(
        audio_config={**audio, "num_mel_bins": MELS, "max_source_positions": WINDOW * 50, "initializer_range": 0.2},
        text_config=_text(tokenizer),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        initializer_range=0.2,
    )
    template = CHATML.replace("AUDIO", "<|audio_bos|><|AUDIO|><|audio_eos|>\n")
    processor = hf.Qwen2AudioProcessor(_extractor(), tokenizer, chat_template=template)
    return _save(folder, hf.Qwen2AudioForConditionalGeneration, config, processor, seed)


def audioflamingo3(folder: Path, *, seed: int = 0) -> Path:
    """AudioFlamingo3ForConditionalGeneration: chunks by itself (to 16 s here), one clip a text."""
    import transformers as hf

    tokenizer = _tokenizer(["<sound>"])
    audio = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "hidden_size": 32}
    config = hf.AudioFlamingo3Config(
        audio_config={**audio, "num_mel_bins": MELS, "max_source_positions": WINDOW * 50, "initializer_range": 0.2},
        text_config=_text(tokenizer),
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
        initializer_range=0.2,
    )
    template = CHATML.replace("AUDIO", "<sound>")
    processor = hf.AudioFlamingo3Processor(_extractor(), tokenizer, chat_template=template, max_audio_len=4 * WINDOW)
    return _save(folder, hf.AudioFlamingo3ForConditionalGeneration, config, processor, seed)


def glmasr(folder: Path, *, seed: int = 0) -> Path:
    """GlmAsrForConditionalGeneration: chunks by itself (to 16 s here), one clip a text."""
    import transformers as hf

    tokenizer = _tokenizer(["<|audio|>"])
    # four encoder frames are joined for one embedding: intermediate_size is four times hidden_size
    audio = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128, "hidden_size": 32}
    text = {key: value for key, value in _text(tokenizer).items() if key != "model_type"}
    config = hf.GlmAsrConfig(
        audio_config={**audio, "num_mel_bins": MELS, "max_position_embeddings": WINDOW * 50, "initializer_range": 0.2},
        text_config=text,
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio|>"),
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    template = CHATML.replace("AUDIO", "<|audio|>")
    processor = hf.GlmAsrProcessor(
        _extractor(), tokenizer, chat_template=template, audio_token="<|audio|>", max_audio_len=4 * WINDOW
    )
    return _save(folder, hf.GlmAsrForConditionalGeneration, config, processor, seed)


def speechlm(folder: Path, *, seed: int = 0) -> Path:
    """cpbench's own class, registered with the Auto classes: cuts windows by itself, takes several clips."""
    import cpbench.speechlm as own

    own.register()
    tokenizer = _tokenizer(["<|audio|>"])
    encoder = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = own.SpeechLMConfig(
        encoder_config=own.SpeechEncoderConfig(**encoder, num_mel_bins=MELS, kernel_size=5, initializer_range=0.2),
        text_config=_text(tokenizer),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio|>"),
        window_seconds=float(WINDOW),
        adapter_hidden_size=64,
        trim=True,
    )
    processor = own.SpeechLMProcessor(
        own.LogMelExtractor(feature_size=MELS),
        tokenizer,
        chat_template=CHATML.replace("AUDIO", "<|audio|>"),
        window_seconds=config.window_seconds,
        mel_frames_per_embedding=config.mel_frames_per_embedding,
        trim=True,
    )
    return _save(folder, own.SpeechLMForConditionalGeneration, config, processor, seed)


MAKERS: dict[str, Callable[..., Path]] = {
    "qwen2_audio": qwen2_audio,
    "audioflamingo3": audioflamingo3,
    "glmasr": glmasr,
    "speechlm": speechlm,
}


def plain(checkpoint: Path) -> Any:
    """The model by its own class's from_pretrained: what our loading is held against."""
    import transformers as hf

    import cpbench.speechlm as own

    (name,) = hf.AutoConfig.from_pretrained(checkpoint).architectures
    return getattr(own if name.startswith("SpeechLM") else hf, name).from_pretrained(checkpoint)


def turn(number: int, seconds: float | None = 1.0, text: str = "what is said", **generation: Any) -> Turn:
    """A question about a voice-like sound of its own: a harmonic tone, its pitch and tremor by `number`.

    `seconds` None: words alone. At most 10 tokens are generated unless `generation` says otherwise.
    """
    setting = Generation(**({"max_new_tokens": 10} | generation))
    if seconds is None:
        return Turn(Request(f"i{number}", "t", "audio", text, (), setting), ())
    time = np.arange(round(seconds * 16000)) / 16000
    pitch = 90 + 40 * number
    tone = np.sum([np.sin(2 * np.pi * pitch * k * time + k) / k for k in range(1, 9)], axis=0)
    noise = np.random.default_rng(number).standard_normal(len(time))
    wave = (0.05 * tone * (1 + np.sin(9 * time + number)) + 0.002 * noise).astype(np.float32)
    sound = Sound(Clip(f"{number}.wav", f"{number:064x}", seconds, f"r{number}"))
    return Turn(Request(f"i{number}", "t", "audio", text, (sound,), setting), (Heard(sound, wave, 16000),))


def text_only(folder: Path, *, seed: int = 0) -> Path:
    """A Qwen2ForCausalLM with its tokenizer: what a user gives by mistake."""
    import torch
    import transformers as hf

    tokenizer = _tokenizer([])
    torch.manual_seed(seed)
    config = hf.Qwen2Config(**{key: value for key, value in _text(tokenizer).items() if key != "model_type"})
    hf.Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def lora(base: Path, folder: Path, *, seed: int = 0, base_name: str | None = None) -> Path:
    """A LoRA adapter of the language model of `base`, with weights that are not zero, saved as PEFT saves it."""
    import peft
    import torch

    model = plain(base)
    targets = r".*language_model.*\.(q_proj|v_proj)"
    with warnings.catch_warnings():  # PEFT 0.21 asks transformers 5.23 by an old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM"))
    torch.manual_seed(seed)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    adapted.save_pretrained(folder)
    settings = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(
        json.dumps(settings | {"base_model_name_or_path": base_name or str(base)})
    )
    return folder


def _text(tokenizer: Any) -> dict[str, Any]:
    return {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _tokenizer(audio_tokens: Sequence[str]) -> Any:
    """A byte-level BPE tokenizer that pads on the right, as several real ones do."""
    import tokenizers
    import transformers as hf

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *audio_tokens]
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    draw = random.Random(0)
    bpe.train_from_iterator([" ".join(draw.choices(WORDS, k=12)) for _ in range(300)], trainer)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>", *audio_tokens],
        padding_side="right",
    )


def _extractor() -> Any:
    import transformers as hf

    return hf.WhisperFeatureExtractor(feature_size=MELS, chunk_length=WINDOW, return_attention_mask=True)


def _save(folder: Path, cls: Any, config: Any, processor: Any, seed: int) -> Path:
    import torch

    torch.manual_seed(seed)
    model = cls(config)
    model.generation_config.update(
        do_sample=True, temperature=0.7, top_p=0.5, top_k=20, eos_token_id=config.text_config.eos_token_id
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
