"""Two small Speech-LLMs with random weights, real clips to ask them about, and the peers' ways of asking.

The models: Qwen2Audio with 15 million parameters and its 30 s window, and `speechlm`. The clips: EmoDB's, of about 2 s,
and 30 s of them joined. CPBENCH_PERF_CLIPS=2 asks about so few clips, to see that it works.

Load this module by its path: tests are no package.
"""

from __future__ import annotations

import inspect
import os
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from beside import TESTS, module_at

from cpbench.audio import clip, load
from cpbench.records import Generation, Request, Sound, Turn

EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb/clips"
FEW = int(os.environ.get("CPBENCH_PERF_CLIPS", "0"))
CLIPS = {2: FEW or 24, 30: FEW or 12}  # by their seconds
QUESTIONS = (
    "How does she feel?",
    "What does he say, and how?",
    "Is the voice loud or soft?",
    "Who speaks, and to whom?",
)
NEW_TOKENS = 32


TINY = module_at(TESTS / "models" / "local" / "tiny.py")
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


MAKERS = {"qwen2_audio": qwen2_audio, "speechlm": speechlm}


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


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the seconds that it takes."""
    start = time.perf_counter()
    made = work()
    return made, time.perf_counter() - start


def one_by_one(checkpoint: Path) -> Callable[[Sequence[Turn]], list[str]]:
    """The peers' way: transformers alone, one item after the other."""
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

    return lambda asked: [answer(turn) for turn in asked]


def by_lm_eval(checkpoint: Path, batch_size: int) -> Callable[[Sequence[Turn]], list[str]]:
    """lm-eval's own audio class (`hf-audiolm-qwen`, 0.4.13), repaired where it answers unheard or not at all.

    It is registered by a name that its file lacks, so that it cannot be imported; the processor is given `audio=` where
    lm-eval says `audios=`, which is ignored, and its rate, and padding on the left; and the device is the model's,
    where lm-eval says "cuda". All else is lm-eval's.
    """
    import lm_eval.models  # noqa: F401 (it registers the name)
    from lm_eval.api.instance import Instance
    from lm_eval.api.registry import model_registry

    if isinstance(model_registry._objs.get("hf-audiolm-qwen"), str):
        del model_registry._objs["hf-audiolm-qwen"]
    from lm_eval.models import hf_audiolm

    source = textwrap.dedent(inspect.getsource(hf_audiolm.HFAUDIOLMQWEN.generate_until))
    assert source.count('"cuda"') == 2
    repaired: dict[str, Any] = {}
    exec(source.replace('"cuda"', "self.device"), vars(hf_audiolm) | {}, repaired)

    class Repaired(hf_audiolm.HFAUDIOLMQWEN):  # type: ignore[misc]
        generate_until = repaired["generate_until"]

        def tok_batch_multimodal_encode(self, strings: list[str], audios: list[Any], **_: Any) -> Any:
            text = {"padding": True, "padding_side": "left"}
            heard = {"sampling_rate": 16000}
            return self.processor(
                text=strings, audio=audios, text_kwargs=text, audio_kwargs=heard, return_tensors="pt"
            ).to(self.device, self.model.dtype)

    model = Repaired(TINY.plain(checkpoint).eval(), batch_size=batch_size, device="cpu")
    model.chat_applied = True

    def answers(asked: Sequence[Turn]) -> list[str]:
        requests = []
        for number, turn in enumerate(asked):
            content = [{"type": "audio"}, {"type": "text", "text": turn.request.text}]
            context = model.apply_chat_template([{"role": "user", "content": content}])
            audio = {"audio": [{"array": turn.heard[0].wave, "sampling_rate": 16000}]}
            setting = {"until": [], "max_gen_toks": NEW_TOKENS}
            requests.append(Instance("generate_until", {}, (context, setting, audio), number))
        return list(model.generate_until(requests, disable_tqdm=True))

    return answers
