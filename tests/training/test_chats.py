"""Other transformers classes: what is learned, and that a run answers with what was learned."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

from cpbench.audio import load
from cpbench.conditions import present
from cpbench.errors import UserError
from cpbench.formats import read
from cpbench.models import load_model
from cpbench.models.local import Prompts
from cpbench.models.local.load import Source, open_checkpoint
from cpbench.records import Generation, Item, Setting, Turn
from cpbench.training import Stage, TrainConfig, checkpoint, default_config, train
from cpbench.training.bases import Learner
from cpbench.training.batches import IGNORED
from cpbench.training.chats import Chats, Questions
from cpbench.training.checkpoint import Story, save
from cpbench.training.config import Lora
from cpbench.training.rows import packs

CLASSES = ["qwen2_audio", "audioflamingo3", "glmasr"]


def items(corpus: Path) -> list[Item]:
    return list(read("items", corpus, task="items"))


@pytest.mark.parametrize("name", CLASSES)
def test_labels_decode_to_exactly_the_answer_and_its_end(bases: dict[str, Path], corpus: Path, name: str) -> None:
    processor = open_checkpoint(Source(str(bases[name]))).processor
    prompts = Prompts(processor, name)
    tokenizer = processor.tokenizer
    rows = Questions(packs(items(corpus)[2:8], {"tags:gold": 1.0}, Setting(), seed=0))
    picked = [rows[index] for index in range(len(rows))]
    picked[1] = dataclasses.replace(picked[1], answer="A man's, I think: <loud>, 42!\nAnd sad.")
    batch = Chats(prompts, [tokenizer.eos_token_id], {"DE": 3.0})(picked)
    heard = [Turn(row.request, tuple(load(sound, 16000) for sound in row.request.sounds)) for row in picked]
    for place, row in enumerate(picked):
        learned = batch["labels"][place]
        assert tokenizer.decode(learned[learned != IGNORED]) == f"{row.answer}<|im_end|>"
        start = int((learned != IGNORED).nonzero()[0])
        alone = prompts.encoded([prompts.fitted(heard[place])])["input_ids"][0].tolist()
        kept = batch["attention_mask"][place][:start].bool()
        assert batch["input_ids"][place][:start][kept].tolist() == alone  # before it stands what a run asks
        assert batch["weights"][place].sum() == pytest.approx(3.0 if row.type == "DE" else 1.0)


@pytest.mark.parametrize("name", CLASSES)
def test_it_trains_saves_loads_and_merges(
    bases: dict[str, Path], config: TrainConfig, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = dataclasses.replace(
        config,
        base=str(bases[name]),
        sizes=None,
        conditions=None,
        variant="explicit",
        stages=(Stage("questions", 14, 1e-2, trainable="adapter"),),
        lora=Lora(rank=4),
        batch_size=4,
        threads=1,
    )
    merged = Path(f"{lora.out}-merged")

    def both(learner: Learner, how: TrainConfig, story: Story) -> Path:
        """The same weights saved in both ways."""
        apart = save(learner, how, story)
        save(learner, dataclasses.replace(how, out=str(merged), merge=True), story)
        return apart

    monkeypatch.setattr(checkpoint, "save", both)
    folder = train(lora)
    assert load_file(folder / "adapter_model.safetensors").keys() == {
        key for key in load_file(folder / "adapter_model.safetensors") if "language_model" in key and "lora_" in key
    }
    assert not (merged / "adapter_config.json").exists()
    model = load_model(str(folder))
    assert model.card.condition == "tags:gold"
    assert model.card.tag_template is not None
    asked = list(turns(Path(config.data[0]), model.card.condition))
    before, after, whole = (
        [answer.raw for answer in load_model(str(path)).answer(asked)] for path in (bases[name], folder, merged)
    )
    assert after == whole != before
    right = [item.references[0] for item in items(Path(config.data[0]))[2:8]]
    assert sum(map(str.__eq__, after, right)) >= 3  # it has begun to learn them
    assert sum(map(str.__eq__, before, right)) == 0


def turns(corpus: Path, condition: str) -> Iterator[Turn]:
    for request in present(items(corpus)[2:8], condition, Setting(), Generation(max_new_tokens=8)):
        yield Turn(request, tuple(load(sound, 16000) for sound in request.sounds))


def test_interrupted_it_goes_on_to_the_same_weights(bases: dict[str, Path], config: TrainConfig) -> None:
    stages = (Stage("questions", 2, 1e-2, trainable="adapter"),)
    lora = dataclasses.replace(config, base=str(bases["glmasr"]), sizes=None, stages=stages, lora=Lora(4), threads=1)
    lora = dataclasses.replace(lora, conditions=None, batch_size=4, save_every=3)
    whole = load_file(train(lora) / "adapter_model.safetensors")
    again = dataclasses.replace(lora, out=f"{lora.out}-again")
    with pytest.raises(KeyboardInterrupt):
        train(again, Interrupt(5))  # of eight, in the second epoch
    after = load_file(train(again) / "adapter_model.safetensors")
    assert all(torch.equal(whole[name], after[name]) for name in whole)


class Interrupt:
    def __init__(self, after: int) -> None:
        self.left = after

    def stage(self, name: str, *, total: int, done: int = 0) -> None: ...

    def advance(self, pieces: int = 1) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def say(self, message: str) -> None: ...


def test_without_lora_nothing_would_learn(bases: dict[str, Path], config: TrainConfig) -> None:
    stages = (Stage("questions", 1, 1e-2, trainable="adapter"),)
    with pytest.raises(UserError, match="nothing would learn"):
        train(dataclasses.replace(config, base=str(bases["glmasr"]), sizes=None, stages=stages))


def test_a_base_without_its_processor_or_without_ears_is_refused(
    bases: dict[str, Path], tiny: ModuleType, config: TrainConfig, tmp_path: Path
) -> None:
    import shutil

    bare = shutil.copytree(bases["glmasr"], tmp_path / "bare")
    (bare / "processor_config.json").unlink()
    for base, says in ((bare, "without its processor"), (tiny.text_only(tmp_path / "text"), "takes no audio")):
        with pytest.raises(UserError, match=says):
            train(dataclasses.replace(config, base=str(base), sizes=None, lora=Lora(), out=str(tmp_path / "out")))


def test_the_default_configuration_is_the_bases_own(bases: dict[str, Path]) -> None:
    assert default_config(None, None) == "demo"
    assert default_config(None, "openai/whisper-large-v3") == "paper"
    assert default_config(str(bases["qwen2_audio"]), None) == "lora"


def test_a_checkpoint_says_what_it_was_made_from(bases: dict[str, Path], config: TrainConfig) -> None:
    stages = (Stage("questions", 1, 1e-2, trainable="adapter"),)
    lora = dataclasses.replace(config, base=str(bases["glmasr"]), sizes=None, stages=stages, lora=Lora(4))
    folder = train(dataclasses.replace(lora, variant="combined", conditions=None))
    said = json.loads((folder / "checkpoint.json").read_text())
    assert (said["variant"], said["condition"], said["tag_source"]) == ("combined", "tags:gold", "gold")
    assert said["tag_template"] == "Emotion tags: {tags}\n{text}"
    assert said["steps"] == {"questions": 2}
    assert len(said["data"][0]["sha256"]) == 64
    text = (folder / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: transformers\n")
    assert "time-stamped emotion tags in the prompt" in text
    assert "not stated in the data" in text
