from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from transformers import AutoModelForMultimodalLM, AutoProcessor

from cpbench.errors import UsageError, UserError
from cpbench.training import Stage, TrainConfig, load_config, train


class Told:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps = 0

    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        self.stages.append((name, total))

    def advance(self, pieces: int = 1) -> None:
        self.steps += pieces

    def say(self, message: str) -> None:
        pass


def answered(folder: Path, clip: Path, question: str) -> str:
    import soundfile

    model, processor = AutoModelForMultimodalLM.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)
    wave, _ = soundfile.read(clip, dtype="float32")
    chat = [{"role": "user", "content": [{"type": "audio", "audio": wave}, {"type": "text", "text": question}]}]
    given = processor.apply_chat_template(
        [chat], tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
    )
    said = model.generate(**given, max_new_tokens=8, do_sample=False)[0, given["input_ids"].shape[1] :]
    return str(processor.decode(said, skip_special_tokens=True))


def test_it_learns_and_its_checkpoint_answers(config: TrainConfig, corpus: Path) -> None:
    told = Told()
    ears = Stage("ears", epochs=60, learning_rate=3e-3, trainable="encoder", voice_weight=1.0)
    whole = Stage("all", epochs=120, learning_rate=3e-3, voice_weight=0.1)
    adapter = Stage("adapter", epochs=1, learning_rate=1e-4, trainable="adapter")
    folder = train(dataclasses.replace(config, stages=(ears, whole, adapter), conditions={"audio": 1.0}), told)
    assert told.stages == [("training ears", 60), ("training all", 120), ("training adapter", 1)]
    assert told.steps == 181
    for number, gender, emotion in ((1, "female", "anger"), (2, "male", "sadness"), (5, "female", "anger")):
        assert answered(folder, corpus.parent / f"{number}.wav", "Is the speaker male or female?") == gender
        assert answered(folder, corpus.parent / f"{number}.wav", "How does the speaker sound?") == emotion


@pytest.fixture(scope="module")
def short(shared: TrainConfig) -> Path:
    """A training of a few steps, which several tests look at."""
    return train(_short(shared))


def test_a_checkpoint_says_what_it_was_trained_on(short: Path) -> None:
    said = json.loads((short / "checkpoint.json").read_text(encoding="utf-8"))
    clips = {hashlib.sha256((short.parent / f"{number}.wav").read_bytes()).hexdigest() for number in range(1, 8)}
    assert set(said["trained_on"]) == clips  # not the test clip
    assert said["condition"] == "audio"
    assert said["tag_source"] == "gold"
    assert not any("head" in name for name in _weights(short))  # the auxiliary head is not kept


def test_the_same_seed_gives_the_same_weights(short: Path, config: TrainConfig, tmp_path: Path) -> None:
    first = _weights(short)
    again = _weights(train(_short(config)))
    other = _weights(train(dataclasses.replace(_short(config), out=str(tmp_path / "other"), seed=1)))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_nothing_of_a_training_stays_in_memory(config: TrainConfig) -> None:
    assert config.sizes is not None
    large = {**config.sizes.text, "hidden_size": 256, "intermediate_size": 1024}
    sizes = dataclasses.replace(config.sizes, text=large)
    before = alive()
    folder = train(dataclasses.replace(_short(config), sizes=sizes))
    assert (folder / "model.safetensors").stat().st_size > 2e6  # with AdamW's, 12 MB of tensors
    assert alive() - before < 200_000


def alive() -> int:
    """Bytes of all tensors that something holds."""
    gc.collect()
    with warnings.catch_warnings(action="ignore"):
        storages = [
            one.untyped_storage() for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)
        ]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


@pytest.mark.parametrize(("part", "prefix"), [("adapter", "adapter."), ("encoder", "audio_encoder.")])
def test_only_what_a_stage_names_learns(
    short: Path, config: TrainConfig, part: Literal["adapter", "encoder"], prefix: str
) -> None:
    everything, before = _short(config), _weights(short)
    own = Stage(part, epochs=1, learning_rate=1e-2, trainable=part, ctc_weight=1.0, voice_weight=1.0)
    after = _weights(train(dataclasses.replace(everything, stages=(*everything.stages, own))))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(prefix) for name in changed)


def test_data_without_a_training_part_are_refused(config: TrainConfig, corpus: Path) -> None:
    text = corpus.read_text(encoding="utf-8").replace('"split": "train"', '"split": "test"')
    corpus.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="no training items"):
        train(config)


def test_packaged_configuration_is_read() -> None:
    config = load_config("demo", data=("items.jsonl",), out="x", changes={"seed": 3})
    assert config.seed == 3
    assert config.stages[0].trainable == "encoder"
    assert config.stages[-1].trainable == "adapter"  # everything first, then the adapter (DESIGN §5)
    assert {"audio", "transcript", "tags:gold"} <= config.conditions.keys()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("batchsize: 3", "unknown key 'batchsize' .did you mean 'batch_size'"),
        ("batch_size: many", "batch_size: .*'many'"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_wrong_line_is_explained(tmp_path: Path, line: str, says: str) -> None:
    import cpbench.training

    packaged = Path(cpbench.training.__file__).parent / "configs" / "demo.yaml"
    kept = [one for one in packaged.read_text(encoding="utf-8").splitlines() if not one.startswith("batch_size")]
    path = tmp_path / "c.yaml"
    path.write_text("\n".join([*kept, line]), encoding="utf-8")
    with pytest.raises(UserError, match=says):
        load_config(str(path), data=("items.jsonl",), out="x", changes={})


def test_an_unknown_packaged_configuration_is_refused() -> None:
    with pytest.raises(UsageError, match="demo"):
        load_config("demoo", data=(), out="x", changes={})


def _short(config: TrainConfig) -> TrainConfig:
    stage = Stage("all", epochs=1, learning_rate=1e-3, ctc_weight=0.1)
    return dataclasses.replace(config, stages=(stage,), level_jitter=1.0, masked_frames=0.1)


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
