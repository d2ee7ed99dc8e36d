"""Training beside a yardstick in the same run: a frozen encoder that is asked once, and a plain Trainer loop."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from beside import TESTS, module_at

from cpbench.training import Stage, TrainConfig, train
from cpbench.training.config import Joint

CLIPS, QUESTIONS, EPOCHS = 24, 4, 3
CLIPS_A_STEP = 4
SHAPE = "Whisper-shaped encoder of 15 million parameters, its 30 s window; two threads"
ADAPTER = (Stage("questions", EPOCHS, 1e-3, trainable="adapter"),)
pytestmark = pytest.mark.performance


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """spoken(questions) -> a data file with so many questions about each of the clips."""
    folder = tmp_path_factory.mktemp("data")
    draw = np.random.default_rng(0)
    for number in range(CLIPS):
        soundfile.write(folder / f"{number}.flac", 0.1 * draw.standard_normal(32000), 16000)

    def write(questions: int) -> Path:
        path = folder / f"{questions}.jsonl"
        with path.open("w") as file:
            for number, question in itertools.product(range(CLIPS), range(questions)):
                line = {"id": f"{number}-{question}", "audio": f"{number}.flac", "question": f"Question {question}?"}
                line |= {"references": [f"answer {number % 3}"], "type": "DE", "split": "train"}
                file.write(json.dumps(line) + "\n")
        return path

    return write


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A Whisper-shaped encoder of 15 million parameters, with its 30 s window, and a small language model."""
    import transformers as hf

    tiny = module_at(TESTS / "training" / "parts.py")
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(0)
    config = hf.WhisperConfig(
        vocab_size=60,
        d_model=384,
        encoder_layers=8,
        decoder_layers=1,
        encoder_attention_heads=6,
        decoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_ffn_dim=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    model = hf.WhisperModel(config)
    assert 14e6 < sum(value.numel() for value in model.encoder.parameters()) < 17e6
    model.save_pretrained(folder / "encoder")
    hf.WhisperFeatureExtractor().save_pretrained(folder / "encoder")
    return str(folder / "encoder"), str(tiny.llama(folder / "llm"))


class Clock:
    """When each step ended, and what the losses were."""

    def __init__(self) -> None:
        self.steps: list[float] = []

    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        self.steps = [time.perf_counter()]

    def advance(self, pieces: int = 1) -> None:
        self.steps.append(time.perf_counter())

    def say(self, message: str) -> None: ...

    def a_step(self) -> float:
        """Seconds of a step after the first epoch: the fastest, which nothing else on the machine slowed."""
        took = np.diff(self.steps)
        return float(np.min(took[len(took) // EPOCHS :]))


def configured(data: Path, parts: tuple[str, str], out: Path, **changes: Any) -> TrainConfig:
    made = TrainConfig(
        data=(str(data),),
        out=str(out),
        encoder=parts[0],
        llm=parts[1],
        joint=Joint(adapter_hidden_size=256),
        stages=ADAPTER,
        batch_size=CLIPS_A_STEP,
        threads=2,
        trainer={"logging_steps": 1},
    )
    return dataclasses.replace(made, **changes)


def test_epochs_after_the_first_are_twice_as_fast_with_a_cached_encoder(
    spoken: Callable[[int], Path], parts: tuple[str, str], tmp_path: Path, figure: Callable[..., None]
) -> None:
    from safetensors.torch import load_file

    cached, plain = Clock(), Clock()
    data = spoken(QUESTIONS)
    with_cache = train(configured(data, parts, tmp_path / "cached", cache_precision="float32"), cached)
    without = train(configured(data, parts, tmp_path / "plain", cache="off"), plain)
    ratio = plain.a_step() / cached.a_step()
    on = f"{SHAPE}, {QUESTIONS} questions a clip"
    figure("training: epochs after the first, encoder cached over run", ratio, bound=2, unit="x", on=on, at="least")
    assert ratio >= 2.0
    one, other = (load_file(folder / "model.safetensors") for folder in (with_cache, without))
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=2e-3, rtol=1e-2, msg=name)


@pytest.mark.parametrize("questions", [1, QUESTIONS])
def test_samples_a_second_are_at_least_a_plain_trainers(
    spoken: Callable[[int], Path], parts: tuple[str, str], tmp_path: Path, questions: int, figure: Callable[..., None]
) -> None:
    """The same model, questions a step, threads and precision, and the encoder run in every step of both.

    The plain loop has one question a sequence, as users write it; with one question a clip the batches are the same,
    with several it hears a clip once for each of them.
    """
    clock = Clock()
    data = spoken(questions)
    train(configured(data, parts, tmp_path / "ours", cache="off"), clock)
    ours = CLIPS_A_STEP * questions / clock.a_step()
    plain = CLIPS_A_STEP * questions / by_plain_trainer(configured(data, parts, tmp_path / "plain"), questions)
    ratio = ours / plain
    on = f"{SHAPE}, encoder run in each step, {questions} question{'s' * (questions > 1)} a clip, {ours:.1f} a second"
    name = f"7. samples a second of train over a plain Trainer loop, {questions} a clip"
    figure(name, ratio, bound=1.0, unit="x", on=on, at="least")
    assert ratio >= 1.0


def by_plain_trainer(config: TrainConfig, questions: int) -> float:
    """Seconds a step of transformers' Trainer with a collator that asks the processor: the fastest of two epochs."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from cpbench.audio import load
    from cpbench.formats import read
    from cpbench.records import Sound
    from cpbench.training.bases import open_learner

    learner = open_learner(config, [])
    model, processor = learner.model, learner.processor
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("adapter.")
    items = list(read("items", Path(config.data[0]), task="items"))

    def collate(chosen: list[Any]) -> dict[str, torch.Tensor]:
        chats = []
        for item in chosen:
            wave = load(Sound(item.clips[0]), 16000).wave
            content = [{"type": "audio", "audio": wave}, {"type": "text", "text": item.question}]
            chats.append([{"role": "user", "content": content}, {"role": "assistant", "content": item.references[0]}])
        made = processor.apply_chat_template(
            chats,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"text_kwargs": {"padding": True, "padding_side": "left"}},
        )
        return {**made, "labels": made["input_ids"].masked_fill(made["attention_mask"] == 0, -100)}

    arguments = TrainingArguments(
        output_dir=config.out,
        num_train_epochs=2,
        per_device_train_batch_size=CLIPS_A_STEP * questions,
        max_grad_norm=1.0,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    ends: list[float] = []

    class Ends(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *seen: Any, **named: Any) -> None:
            ends.append(time.perf_counter())

    trainer = Trainer(model=model, args=arguments, train_dataset=items, data_collator=collate, callbacks=[Ends()])
    trainer.train()
    return float(np.min(np.diff(ends)))
