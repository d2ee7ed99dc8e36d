"""Pretrained parts joined, a speechlm trained further, and what is cached of a frozen encoder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM

from cpbench.audio import load
from cpbench.errors import UserError
from cpbench.formats import read
from cpbench.models import load_model
from cpbench.records import Request, Setting, Sound, Turn
from cpbench.training import Stage, TrainConfig, train
from cpbench.training.bases import Learner, open_learner
from cpbench.training.batches import IGNORED, Collator, Examples
from cpbench.training.config import Joint, Lora
from cpbench.training.features import Features
from cpbench.training.rows import Pack, packs

ADAPTER = (Stage("questions", 2, 3e-3, trainable="adapter"),)


@pytest.fixture(scope="session")
def saved(parts: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """saved("wav2vec2 group") -> the folder of that part."""
    folder, made = tmp_path_factory.mktemp("parts"), {}

    def make(name: str) -> str:
        kind, _, norm = name.partition(" ")
        if name not in made:
            torch.manual_seed(len(made))
            options = {"norm": norm} if norm else {}
            made[name] = str(getattr(parts, kind)(folder / name.replace(" ", "-"), **options))
        return made[name]

    return make


@pytest.fixture
def joint(config: TrainConfig, saved: Callable[[str], str]) -> Callable[..., TrainConfig]:
    """joint(encoder, llm, ...) -> a training of the adapter between two pretrained parts."""

    def make(encoder: str, llm: str, **changes: Any) -> TrainConfig:
        said = {"encoder": saved(encoder), "llm": saved(llm), "sizes": None, "stages": ADAPTER, "threads": 1}
        sizes = Joint(frames_per_embedding=5, adapter_hidden_size=48, window_seconds=3.0)
        return dataclasses.replace(config, **{**said, "joint": sizes, "conditions": None, "batch_size": 4, **changes})

    return make


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def turns(corpus: Path, count: int = 3) -> Iterator[Turn]:
    for item in list(read("items", corpus, task="t"))[:count]:
        sounds = tuple(Sound(clip) for clip in item.clips)
        yield Turn(Request(item.id, "t", "audio", item.question, sounds), tuple(load(one, 16000) for one in sounds))


@pytest.mark.parametrize(
    ("encoder", "llm"), [("whisper", "gemma2"), ("wav2vec2 layer", "llama"), ("wav2vec2 group", "gemma2")]
)
def test_of_joined_parts_the_adapter_alone_learns(
    joint: Callable[..., TrainConfig], corpus: Path, encoder: str, llm: str
) -> None:
    config = joint(encoder, llm)
    folder = train(config)
    after = weights(folder)
    whole = AutoModel.from_pretrained(str(config.encoder))
    before = {f"audio_encoder.{k}": v for k, v in getattr(whole, "encoder", whole).state_dict().items()}
    if encoder != "whisper":
        before = {f"audio_encoder.{name}": value for name, value in whole.state_dict().items()}
    words = AutoModelForCausalLM.from_pretrained(str(config.llm)).state_dict()
    before |= {f"language_model.{name}": value for name, value in words.items()}
    unchanged = [name for name in after if not name.startswith("adapter.")]
    assert len(unchanged) > 20
    for name in unchanged:  # the embeddings may have got a row for the audio token
        assert torch.equal(after[name][: len(before[name])] if before[name].ndim else after[name], before[name]), name
    answers = list(load_model(str(folder), {"max_new_tokens": "5"}).answer(turns(corpus)))
    assert [answer.status in ("ok", "empty") for answer in answers] == [True] * 3
    assert all("<|audio|>" not in answer.raw for answer in answers)


def test_whispers_1500_frames_become_100_embeddings() -> None:
    import yaml

    import cpbench.training
    from cpbench.speechlm import SpeechLMConfig

    paper = Path(cpbench.training.__file__).parent / "configs" / "paper.yaml"
    frames = yaml.safe_load(paper.read_text())["joint"]["frames_per_embedding"]
    large = {"model_type": "whisper", "d_model": 1280, "num_mel_bins": 128, "max_source_positions": 1500}
    config = SpeechLMConfig(encoder_config=large, text_config={"model_type": "gemma2"}, frames_per_embedding=frames)
    assert config.embeddings_per_window == 100


@pytest.mark.parametrize(("llm", "attention"), [("llama", "sdpa"), ("llama", "eager"), ("gemma2", "eager")])
def test_packed_questions_score_as_each_alone_in_every_attention(
    joint: Callable[..., TrainConfig], llm: str, attention: str
) -> None:
    config = joint("whisper", llm)
    learner = opened(config)
    learner.model.language_model.set_attn_implementation(attention)
    pack = first_pack(config)
    features = Features(learner.processor)
    together, alone = (
        scores(learner, [pack], features),
        [scores(learner, [Pack((row,))], features)[0] for row in pack.rows],
    )
    assert len(pack.rows) == 2
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=1e-4)


def opened(config: TrainConfig) -> Learner:
    torch.manual_seed(0)
    learner = open_learner(config, [])
    learner.model.eval()
    return learner


def first_pack(config: TrainConfig) -> Pack:
    items = list(read("items", Path(config.data[0]), task="t"))
    return packs(items, {"audio": 1.0}, Setting(), seed=0)[0]


def scores(learner: Learner, made: list[Pack], features: Features) -> torch.Tensor:
    """The scores of each answer's first token."""
    from cpbench.training.trainer import fitted

    examples = Examples(made, learner.processor, features)
    batch = Collator(learner.processor.tokenizer.pad_token_id)([examples[0]])
    labels = batch["labels"][0]
    starts = [at for at in range(1, len(labels)) if labels[at] != IGNORED and labels[at - 1] == IGNORED]
    names = ("input_ids", "attention_mask", "position_ids", "input_features", "input_features_mask")
    with torch.no_grad():
        said = learner.model(**fitted(learner.model, {name: batch[name] for name in names})).logits[0]
    return said[[start - 1 for start in starts]]


@pytest.mark.parametrize("encoder", ["whisper", "wav2vec2 layer"])
def test_with_its_outputs_cached_an_encoder_gives_the_same_training(
    joint: Callable[..., TrainConfig], tmp_path: Path, encoder: str
) -> None:
    config = joint(encoder, "llama", cache_precision="float32")
    cached = weights(train(dataclasses.replace(config, out=str(tmp_path / "cached"), cache=str(tmp_path / "kept"))))
    plain = weights(train(dataclasses.replace(config, out=str(tmp_path / "plain"), cache="off")))
    for name, value in plain.items():
        torch.testing.assert_close(cached[name], value, atol=2e-3, rtol=1e-2, msg=name)
    index = next((tmp_path / "kept").glob("*.jsonl"))
    assert len(index.read_text().splitlines()) == 7  # each sound once, for both epochs and both questions


def test_the_cache_keeps_what_the_encoder_says_and_asks_it_once(
    joint: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cpbench.flow.ranks import Ranks
    from cpbench.flow.watch import Unwatched
    from cpbench.training.encoded import Encoded

    learner = opened(joint("whisper", "llama"))
    features = Features(learner.processor)
    sounds = list(dict.fromkeys(packed.sounds[0] for packed in _packs(joint("whisper", "llama"))))
    encoded = Encoded(tmp_path, learner.model, learner.processor, "float16")
    encoded.fill([*sounds, *sounds], features, ranks=Ranks(), watch=Unwatched())
    for sound in sounds:
        ((states, mels),) = encoded.windows(sound)
        (window,) = features.windows(sound)
        with torch.no_grad():
            expected = learner.model.encode(window.float()[None], torch.ones(1, window.shape[1]))[0]
        assert mels == window.shape[1]
        torch.testing.assert_close(states.float(), expected, atol=2e-3, rtol=2e-3)
        assert encoded.embeddings(sound) == features.embeddings(sound)
    monkeypatch.setattr(type(learner.model), "encode", None)  # never again, by this process or another
    again = Encoded(tmp_path, learner.model, learner.processor, "float16")
    again.fill(sounds, features, ranks=Ranks(), watch=Unwatched())
    assert torch.equal(again.windows(sounds[0])[0][0], encoded.windows(sounds[0])[0][0])


def _packs(config: TrainConfig) -> list[Pack]:
    return packs(list(read("items", Path(config.data[0]), task="t")), {"audio": 1.0}, Setting(), seed=0)


def test_a_speechlm_is_trained_further_with_lora_merged_into_it(
    joint: Callable[..., TrainConfig], corpus: Path, tmp_path: Path
) -> None:
    base = train(joint("wav2vec2 layer", "llama", out=str(tmp_path / "base")))
    config = joint("wav2vec2 layer", "llama", lora=Lora(rank=4, dropout=0.0))
    folder = train(dataclasses.replace(config, base=str(base), encoder=None, llm=None))
    before, after = weights(base), weights(folder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert {name for name in changed if name.startswith("adapter.")}
    touched = {name.rsplit(".", 2)[1] for name in changed if name.startswith("language_model.")}
    assert touched == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert not [name for name in changed if name.startswith("audio_encoder.")]
    assert json.loads((folder / "checkpoint.json").read_text())["base"] == str(base)
    assert next(iter(load_model(str(folder), {"max_new_tokens": "5"}).answer(turns(corpus, 1)))).error is None


@pytest.mark.parametrize(
    ("encoder", "llm", "says"),
    [
        ("llama", "gemma2", "is no speech encoder"),
        ("whisper", "whisper", "is no causal language model"),
        ("whisper", "/no/such", "/no/such cannot be opened"),
    ],
)
def test_parts_of_another_kind_are_refused(
    joint: Callable[..., TrainConfig], encoder: str, llm: str, says: str
) -> None:
    config = joint(encoder, "llama" if llm == "/no/such" else llm)
    config = dataclasses.replace(config, llm=llm) if llm == "/no/such" else config
    with pytest.raises(UserError, match=says):
        train(config)


def test_prosody_is_measured_without_a_label(corpus: Path) -> None:
    from cpbench.training.prosody import prosody

    time = np.arange(16000) / 16000
    for hertz in (90.0, 150.0, 240.0, 330.0):
        wave = 0.1 * sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 6))
        found = prosody(wave.astype(np.float32), 16000)
        assert found.shape == (100, 3)
        assert found[5:95, 2].mean() == 1.0
        assert np.exp(np.median(found[5:95, 1]) * 0.4 + 5.2) == pytest.approx(hertz, rel=0.03)
        rms = 10 * np.log10(np.mean(wave[1600:-1600] ** 2))
        assert found[20:80, 0].mean() * 20 - 40 == pytest.approx(rms, abs=0.3)
    noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    assert prosody(0.1 * noise, 16000)[:, 2].mean() < 0.2
    assert prosody(np.zeros(16000, np.float32), 16000)[:, 2].sum() == 0
