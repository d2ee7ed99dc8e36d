"""Several questions of each clip, beside the peers' way: `generate` on one item after the other, in the same run.

The models have random weights and the shape of small Speech-LLMs: Qwen2Audio with 15 million parameters and its 30 s
window, and `speechlm`. The clips are EmoDB's, of about 2 s, and 30 s of them joined. Every answer must be the one that
the item gets alone. What is done once a run (loading, the trial of what may be saved) is done before the clock starts.

CPBENCH_PERF_CLIPS=2 asks about so few clips, to see that it works; the ratios are then printed and not held.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from cpbench.audio import clip, load
from cpbench.flow.device import use_all_cores
from cpbench.models.local import LocalModel
from cpbench.models.local.listening import encoder_of
from cpbench.records import Generation, Request, Sound, Turn

EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb/clips"
FEW = int(os.environ.get("CPBENCH_PERF_CLIPS", "0"))
CLIPS = {2: FEW or 32, 30: FEW or 12}  # by their seconds
LEAST = {2: 5.0, 30: 2.5}  # times as many items a second
QUESTIONS = (
    "How does she feel?",
    "What does he say, and how?",
    "Is the voice loud or soft?",
    "Who speaks, and to whom?",
)
NEW_TOKENS = 32
pytestmark = [
    pytest.mark.performance,
    pytest.mark.skipif(not EMODB.is_dir(), reason="EmoDB's clips are not beside this checkout"),
]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TINY = _module(Path(__file__).parents[1] / "models" / "local" / "tiny.py")
TEXT = {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 3, "initializer_range": 0.05}
HEADS = {"num_attention_heads": 6, "num_key_value_heads": 6}


def qwen2_audio(folder: Path) -> Path:
    import transformers as hf

    tokenizer = TINY._tokenizer(["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"])
    audio = {"encoder_layers": 6, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536, "d_model": 384}
    config = hf.Qwen2AudioConfig(
        audio_config={**audio, "num_mel_bins": 80, "max_source_positions": 1500, "initializer_range": 0.05},
        text_config={**TINY._text(tokenizer), **TEXT, **HEADS},
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        initializer_range=0.05,
    )
    template = TINY.CHATML.replace("AUDIO", "<|audio_bos|><|AUDIO|><|audio_eos|>\n")
    extractor = hf.WhisperFeatureExtractor(feature_size=80, return_attention_mask=True)
    processor = hf.Qwen2AudioProcessor(extractor, tokenizer, chat_template=template)
    return TINY._save(folder, hf.Qwen2AudioForConditionalGeneration, config, processor, 0)  # type: ignore[no-any-return]


def speechlm(folder: Path) -> Path:
    import cpbench.speechlm as own

    own.register()
    tokenizer = TINY._tokenizer(["<|audio|>"])
    size = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1152}
    config = own.SpeechLMConfig(
        encoder_config=own.SpeechEncoderConfig(**size, initializer_range=0.05),
        text_config={**TINY._text(tokenizer), **TEXT, **HEADS},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio|>"),
    )
    processor = own.SpeechLMProcessor(
        own.LogMelExtractor(),
        tokenizer,
        chat_template=TINY.CHATML.replace("AUDIO", "<|audio|>"),
        mel_frames_per_embedding=config.mel_frames_per_embedding,
    )
    return TINY._save(folder, own.SpeechLMForConditionalGeneration, config, processor, 0)  # type: ignore[no-any-return]


@pytest.fixture(scope="module", params=[qwen2_audio, speechlm], ids=lambda make: make.__name__)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    use_all_cores()
    made: Path = request.param(tmp_path_factory.mktemp("checkpoints") / request.param.__name__)
    return made


def sounds(seconds: int, folder: Path) -> Iterator[Path]:
    """EmoDB's clips as they are, or joined to clips of 30 s, each another one."""
    files = sorted(EMODB.iterdir())
    if seconds == 2:
        yield from files[:: max(1, len(files) // CLIPS[2])][: CLIPS[2]]
        return
    waves = [soundfile.read(file, dtype="float32") for file in files]
    rate = waves[0][1]
    for number in range(CLIPS[30]):
        joined = np.concatenate([wave for wave, _ in [*waves[7 * number :], *waves]])[: 30 * rate]
        soundfile.write(folder / f"{number}.wav", joined, rate)
        yield folder / f"{number}.wav"


def turns(files: Iterable[Path]) -> list[Turn]:
    """Four questions of each clip, the longest clip first, as the engine asks."""
    made = []
    for number, sound in enumerate(sorted((Sound(clip(file)) for file in files), key=lambda s: -(s.clip.seconds or 0))):
        heard = (load(sound, 16000),)
        for place, text in enumerate(QUESTIONS):
            request = Request(f"{number}-{place}", "t", "audio", text, (sound,), Generation(NEW_TOKENS))
            made.append(Turn(request, heard))
    return made


def one_by_one(checkpoint: Path, asked: list[Turn]) -> tuple[list[str], float]:
    """The answers by transformers alone, one item after the other, and the seconds that they took."""
    import transformers as hf

    processor, model = hf.AutoProcessor.from_pretrained(checkpoint), TINY.plain(checkpoint).eval()

    def answer(turn: Turn) -> str:
        content = [{"type": "audio", "audio": turn.heard[0].wave}, {"type": "text", "text": turn.request.text}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            add_generation_prompt=True,
        )
        with torch.inference_mode():
            made = model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS, top_k=None, top_p=None)
        return str(processor.tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))

    answer(asked[0])
    start = time.perf_counter()
    said = [answer(turn) for turn in asked]
    return said, time.perf_counter() - start


@pytest.mark.filterwarnings("ignore:.*generation flags.*")
@pytest.mark.parametrize("seconds", [2, 30])
def test_items_a_second_beside_one_by_one_generate(checkpoint: Path, seconds: int, tmp_path: Path) -> None:
    asked = turns(sounds(seconds, tmp_path))
    model = LocalModel(str(checkpoint), device="cpu")
    list(model.answer(asked[: 2 * len(QUESTIONS)]))  # loads, and tries what may be saved
    before = model.account()
    rows: list[int] = []
    hook = _first_layer(model).register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    start = time.perf_counter()
    answers = list(model.answer(asked))
    took = time.perf_counter() - start
    hook.remove()
    expected, alone = one_by_one(checkpoint, asked)
    after = model.account()
    clips = len(asked) // len(QUESTIONS)
    print(
        f"\n{checkpoint.name}, {clips} clips of {seconds} s, {len(asked)} items: {len(asked) / took:.2f} items/s, "
        f"one by one {len(asked) / alone:.2f}, ratio {alone / took:.2f}; encoder passes {sum(rows)} for {clips} clips; "
        f"batches {after['batches'] - before['batches']}; {after['ways']}"
    )
    assert [answer.raw for answer in answers] == expected
    assert sum(rows) == after["encoder_passes"] - before["encoder_passes"] == clips
    assert FEW or alone / took >= LEAST[seconds]


def _first_layer(model: LocalModel) -> Any:
    encoder: Any = encoder_of(model._speaker.model)
    return encoder.conv1 if hasattr(encoder, "conv1") else encoder.convolutions[0]
