"""Training steps and an evaluation of the source paper's architecture at full size, with random weights.

    python tests/performance/full_size.py --out full_size.json   # one GPU of 80 GB or more
    python tests/performance/full_size.py --tiny   # the same at tiny sizes, on a CPU: does it run?

Whisper-large-v3's encoder, an MLP adapter from 1,500 frames to 100 embeddings, and Gemma2-9B are built from their
configurations alone: nothing is downloaded, and what is answered means nothing. Two trainings are timed through
cpbench's own stages: the adapter alone on cached encoder outputs (the paper's recipe), and adapter with LoRA on sounds
that are encoded in every step; then the held-out part is asked as a run asks it. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from cpbench.formats import read
from cpbench.models.local.load import quietly
from cpbench.records import Item, Setting
from cpbench.training import Stage, TrainConfig, joined
from cpbench.training.bases import Learner, _add_lora
from cpbench.training.batches import Aims, Collator, Examples
from cpbench.training.config import Evaluation, Joint, Lora
from cpbench.training.encoded import Encoded
from cpbench.training.features import Features
from cpbench.training.fresh import tokenizer
from cpbench.training.held_out import held_out
from cpbench.training.rows import Pack, packs
from cpbench.training.stages import Round, run_stage

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WHISPER = {"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120}
GEMMA = {
    "hidden_size": 3584,
    "intermediate_size": 14336,
    "num_hidden_layers": 42,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "vocab_size": 256000,
    "query_pre_attn_scalar": 256,
}
TINY_WHISPER = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
TINY_GEMMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "vocab_size": 600,
}
QUESTIONS = ("What is said in this clip?", "How does the speaker feel?", "Is the speaker a man?", "Why is it said so?")
ANSWER = "The speaker sounds disappointed, because the parcel has not come and nobody has called back about it."


@dataclass(frozen=True)
class Plan:
    """How much is timed."""

    tiny: bool
    clips: int
    seconds: float  # of each clip
    batch: int  # clips, each with four questions
    steps: int  # that are timed, after WARM that are not
    asked: int  # questions of the evaluation
    checkpointing: bool

    @property
    def precision(self) -> Any:
        return "float32" if self.tiny else "bfloat16"


WARM = 2


@dataclass
class Clock:
    """When each step ended."""

    ends: list[float] = field(default_factory=list)

    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        self.ends = [now()]

    def advance(self, pieces: int = 1) -> None:
        self.ends.append(now())

    def say(self, message: str) -> None: ...

    def steps(self) -> list[float]:
        """Seconds of each step after the first ones."""
        return [end - begun for begun, end in zip(self.ends[WARM:], self.ends[WARM + 1 :], strict=False)]


def now() -> float:
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def corpus(folder: Path, plan: Plan) -> list[Item]:
    """Noise, four questions a clip."""
    draw, lines = np.random.default_rng(0), []
    for number in range(plan.clips):
        soundfile.write(folder / f"{number}.flac", 0.1 * draw.standard_normal(round(16000 * plan.seconds)), 16000)
        for place, question in enumerate(QUESTIONS):
            line = {"id": f"{number}-{place}", "audio": f"{number}.flac", "question": question, "references": [ANSWER]}
            lines.append({**line, "type": "CE", "split": "train"})
    (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return list(read("items", folder / "items.jsonl", task="noise"))


def learner_of(config: TrainConfig, plan: Plan) -> Learner:
    """The joined model with random parts, on the device from the beginning."""
    import transformers as hf

    sizes, mels = (TINY_WHISPER, 80) if plan.tiny else (WHISPER, 128)
    positions = 200 if plan.tiny else 1500
    dtype = getattr(torch, plan.precision)

    def encoder(path: str, dtype: Any, config: TrainConfig) -> tuple[Any, Any]:
        small = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 8, "vocab_size": 60}
        ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
        shape = hf.WhisperConfig(**sizes, **small, **ids, num_mel_bins=mels, max_source_positions=positions)
        model = on_device(lambda: hf.WhisperModel(shape).encoder, dtype)
        return model, hf.WhisperFeatureExtractor(feature_size=mels, chunk_length=positions // 50)

    def language_model(path: str, dtype: Any, config: TrainConfig) -> tuple[Any, Any]:
        words = tokenizer([*QUESTIONS, ANSWER], 400)
        ends = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id, "bos_token_id": None}
        shape = hf.Gemma2Config(**(TINY_GEMMA if plan.tiny else GEMMA), **ends)
        return on_device(lambda: hf.Gemma2ForCausalLM(shape), dtype), words

    joined._encoder, joined._language_model = encoder, language_model
    torch.manual_seed(0)
    learner = Learner(*joined.speechlm(config, dtype), packs=True)
    learner.model.to(DEVICE)
    return learner


def on_device(make: Any, dtype: torch.dtype) -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(DEVICE):
            return make().eval()
    finally:
        torch.set_default_dtype(before)


def trained(learner: Learner, made: Sequence[Pack], sounds: Features | Encoded, config: TrainConfig, plan: Plan) -> Any:
    """Time the steps of one stage."""
    stage = Stage("timed", epochs=(WARM + plan.steps) * plan.batch / len(made), learning_rate=1e-4, trainable="adapter")
    processor, clock = learner.processor, Clock()
    examples = Examples(made, processor, sounds, Aims())
    collate = Collator(processor.tokenizer.pad_token_id, downsampling=learner.model.config.downsampling)
    with tempfile.TemporaryDirectory() as work:
        forget_peak()
        run_stage(Round(stage, config, learner, examples, collate, Path(work), clock))
    tokens = sum(examples.lengths) / len(examples) * plan.batch
    seconds = statistics.median(clock.steps())
    return {
        "seconds_a_step": seconds,
        "questions_a_second": len(QUESTIONS) * plan.batch / seconds,
        "tokens_a_second": tokens / seconds,
        "tokens_a_step": tokens,
        "steps": len(clock.steps()),
        "learned_parameters": sum(one.numel() for one in learner.model.parameters() if one.requires_grad),
        "peak_memory_gb": peak(),
    }


def evaluated(learner: Learner, items: Sequence[Item], config: TrainConfig, plan: Plan) -> dict[str, float]:
    asked = held_out(items[: plan.asked], config)
    assert asked is not None
    forget_peak()
    begun = now()
    asked.scores(learner)
    seconds = now() - begun
    most = config.evaluation.max_new_tokens * plan.asked
    return {
        "seconds": seconds,
        "questions": plan.asked,
        "questions_a_second": plan.asked / seconds,
        "new_tokens_a_second_at_most": most / seconds,  # random weights hardly ever end an answer
        "peak_memory_gb": peak(),
    }


def forget_peak() -> None:
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak() -> float:
    """Gigabytes: of the device since `forget_peak`; without one, of this process in all."""
    if DEVICE == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measured(plan: Plan, folder: Path) -> dict[str, Any]:
    """Everything, as JSON has it."""
    from cpbench.flow.ranks import Ranks
    from cpbench.flow.watch import Unwatched

    items = corpus(folder, plan)
    config = TrainConfig(
        data=(str(folder / "items.jsonl"),),
        out=str(folder / "out"),
        encoder="random",
        llm="random",
        joint=Joint(frames_per_embedding=15, adapter_hidden_size=32 if plan.tiny else 2048),
        stages=(Stage("timed", 1, 1e-4, trainable="adapter"),),
        batch_size=plan.batch,
        precision=plan.precision,
        gradient_checkpointing=plan.checkpointing,
        evaluation=Evaluation(max_new_tokens=8 if plan.tiny else 64),
    )
    begun = now()
    learner = learner_of(config, plan)
    parameters = sum(one.numel() for one in learner.model.parameters())
    found: dict[str, Any] = {"parameters": parameters, "seconds_to_build": now() - begun}
    made = packs(items, {"audio": 1.0}, Setting(), seed=0)
    features = Features(learner.processor)
    encoded = Encoded(folder / "cache", learner.model, learner.processor, "float16")
    begun = now()
    encoded.fill([one.sounds[0] for one in made], features, ranks=Ranks(), watch=Unwatched())
    found["encoding"] = {"clips_a_second": plan.clips / (now() - begun)}
    found["adapter_cached"] = trained(learner, made, encoded, config, plan)
    found["evaluation"] = evaluated(learner, items, config, plan)
    lora = Lora(rank=16)
    _add_lora(learner, lora)
    with_lora = TrainConfig(**{**vars(config), "lora": lora, "cache": "off"})
    learner.model.to(DEVICE)
    found["adapter_and_lora"] = trained(learner, made, features, with_lora, plan)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: does it run?")
    parser.add_argument("--batch", type=int, default=4, help="clips a step, each with four questions")
    parser.add_argument("--steps", type=int, default=10, help="steps that are timed")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each clip")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    parser.add_argument("--out", type=Path, help="write the JSON here, too")
    given = parser.parse_args()
    clips, asked = (4, 4) if given.tiny else (16, 32)
    seconds = 2.0 if given.tiny else given.seconds
    batch, steps = (2, 2) if given.tiny else (given.batch, given.steps)
    plan = Plan(given.tiny, clips, seconds, batch, steps, asked, given.checkpointing)
    with tempfile.TemporaryDirectory() as folder, quietly():
        found = measured(plan, Path(folder))
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    said = json.dumps({"device": name, "torch": torch.__version__, "plan": vars(plan), **found}, indent=1)
    if given.out:
        given.out.write_text(said + "\n")
    print(said)


if __name__ == "__main__":
    main()
