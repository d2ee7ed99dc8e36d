"""Which rows, asked how; and what is refused before anything is loaded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cpbench.errors import UsageError, UserError
from cpbench.records import Setting
from cpbench.training import Stage, TrainConfig, load_config, train
from cpbench.training.rows import Pack
from cpbench.training.variants import asked, loss_weights, main_condition, material

Change = Callable[[Callable[[dict[str, Any]], dict[str, Any] | None]], Path]


@pytest.fixture
def changed(corpus: Path) -> Change:
    """changed(function of a line) -> the corpus with every line changed so, or left out."""

    def change(how: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Path:
        lines = [how(json.loads(line)) for line in corpus.read_text(encoding="utf-8").splitlines()]
        corpus.write_text("".join(json.dumps(line) + "\n" for line in lines if line is not None), encoding="utf-8")
        return corpus

    return change


def generated(line: dict[str, Any]) -> dict[str, Any]:
    """Emotion questions come from a generator, gender questions from nobody."""
    return line | ({"origin": {"generator": "openai/some-llm", "license": "cc-by-4.0"}} if line["type"] == "DE" else {})


def presented(config: TrainConfig) -> list[Pack]:
    return asked(material(config).train, config.stages[0], config, Setting())


@pytest.mark.parametrize(
    ("variant", "types", "condition"),
    [
        ("baseline", {"DG"}, "audio"),
        ("implicit", {"DE", "DG"}, "audio"),
        ("explicit", {"DG"}, "tags:gold"),
        ("combined", {"DE", "DG"}, "tags:gold"),
    ],
)
def test_a_variant_is_its_rows_and_its_prompt(
    config: TrainConfig, changed: Change, variant: Any, types: set[str], condition: str
) -> None:
    changed(generated)
    config = dataclasses.replace(config, variant=variant, conditions=None)
    made = presented(config)
    assert {row.type for pack in made for row in pack.rows} == types
    assert {row.request.condition for pack in made for row in pack.rows} == {condition}
    assert main_condition(config) == condition
    tagged = ["Emotion tags: [0.0-" in row.request.text for pack in made for row in pack.rows]
    assert all(tagged) == any(tagged) == (condition == "tags:gold")


def test_items_without_tags_are_left_out_and_said(config: TrainConfig, changed: Change, watch: Any) -> None:
    changed(lambda line: {**line, "emotion": None} if line["recording"] in ("r1", "r2") else line)
    stages = (Stage("all", 1, 1e-3),)
    train(dataclasses.replace(config, variant="explicit", conditions=None, stages=stages), watch)
    assert "4 of 14 training items have no tags from gold: left out" in watch.said


def test_conditions_that_are_named_go_before_the_variants_own(config: TrainConfig) -> None:
    config = dataclasses.replace(config, variant="combined", conditions={"audio": 1.0, "tags:gold": 0.2})
    assert main_condition(config) == "audio"


@pytest.mark.parametrize(
    ("variant", "change", "says"),
    [
        ("implicit", lambda line: line, "none of the 14 training rows was generated"),
        ("baseline", lambda line: line | {"origin": {"generator": "g"}}, "all 14 training rows were generated"),
        ("explicit", lambda line: line | {"emotion": None}, "none of 14 items has emotion tags from gold"),
        ("baseline", lambda line: line | {"audio": f"no-{line['audio']}"}, "none of its 8 audio files is there"),
        (
            "baseline",
            lambda line: line | ({"audio": "gone.wav"} if line["audio"] == "3.wav" else {}),
            "1 of 7 audio files are not there.*gone.wav",
        ),
        ("baseline", lambda line: line | {"split": "test"}, "no training items"),
        ("baseline", lambda line: {"text": "words"}, "in no known format of questions"),
    ],
)
def test_data_that_cannot_be_learned_from_are_refused(
    config: TrainConfig, changed: Change, variant: Any, change: Any, says: str
) -> None:
    changed(change)
    with pytest.raises(UserError, match=says):
        train(dataclasses.replace(config, variant=variant, conditions=None))
    assert not Path(config.out).exists()


def test_a_speaker_in_two_splits_is_refused(config: TrainConfig, changed: Change) -> None:
    changed(lambda line: line | {"speaker": "r1" if line["recording"] == "r0" else line["recording"]})
    changed(lambda line: line | ({"split": "dev"} if line["split"] == "test" else {}))
    with pytest.raises(UserError, match=r"1 speakers are in two splits.*'r1'"):
        material(config)
    assert len(material(dataclasses.replace(config, shared_speakers=True)).held_out) == 2


def test_a_clip_that_is_trained_and_evaluated_on_is_refused(config: TrainConfig, changed: Change) -> None:
    changed(lambda line: line | ({"split": "dev"} if line["id"] == "3-DE" else {}))
    with pytest.raises(UserError, match="1 clips are both trained and evaluated on"):
        material(config)


def test_types_are_balanced_in_the_loss(config: TrainConfig, changed: Change) -> None:
    changed(lambda line: None if line["type"] == "DE" and int(line["id"][0]) > 2 else line)
    config = dataclasses.replace(config, balance="types", weights={"DG": 2.0}, conditions={"audio": 1.0})
    made = presented(config)
    weights = loss_weights(made, config)
    rows = [row.type for pack in made for row in pack.rows]
    assert (rows.count("DE"), rows.count("DG")) == (2, 7)
    assert weights["DE"] * 2 == pytest.approx(4.5)
    assert weights["DG"] * 7 == pytest.approx(2 * 4.5)


def test_a_file_is_mixed_in_as_often_as_said(config: TrainConfig) -> None:
    config = dataclasses.replace(config, conditions={"audio": 1.0})
    assert len(presented(dataclasses.replace(config, mix={"items": 2.0}))) == 14
    assert 0 < len(presented(dataclasses.replace(config, mix={"items": 0.5}))) < 7


def test_an_optional_stage_without_items_is_left_out(config: TrainConfig) -> None:
    stage = Stage("hearing", 1, 1e-3, types=("untyped",), optional=True)
    assert asked(material(config).train, stage, config, Setting()) == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["stages.0.epochs=7", "lora.rank=4", "evaluation.every=5"], None),
        (["stages.0.epoch=7"], "stages: unknown key 'epoch' .did you mean 'epochs'"),
        (["stages.9.epochs=7"], "names no place"),
        (["batch_size"], "--set takes KEY=VALUE"),
        (["merge=true", "lora=null"], "nothing to merge"),
        (["llm=a/b"], "given together"),
        (["trainer.seed=1"], None),
        (["cache=off"], None),  # which YAML reads as false
    ],
)
def test_settings_go_over_the_configuration(settings: list[str], says: str | None) -> None:
    def made() -> TrainConfig:
        return load_config("lora", data=("items.jsonl",), out="x", changes={"base": "a/b"}, settings=settings)

    if says is None:
        assert made().stages[0].epochs in (2, 7)
        return
    with pytest.raises(UsageError, match=says):
        made()


@pytest.mark.parametrize("name", ["paper", "lora"])
def test_a_configuration_of_a_pretrained_model_asks_which(name: str) -> None:
    with pytest.raises(UsageError, match="trains a pretrained model, and names none"):
        load_config(name, data=("items.jsonl",), out="x", changes={})


def test_out_of_memory_the_batch_is_split_and_the_step_stays(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: Any
) -> None:
    import torch

    from cpbench.training.trainer import SpeechTrainer

    one = dataclasses.replace(config, stages=(Stage("all", 2, 1e-3),), conditions={"audio": 1.0}, level_jitter=0.0)
    assert one.sizes is not None
    one = dataclasses.replace(one, sizes=dataclasses.replace(one.sizes, encoder={**one.sizes.encoder, "dropout": 0.0}))
    plain = train(one)
    loss = SpeechTrainer.compute_loss

    def short(self: Any, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> Any:
        if len(inputs["labels"]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(self, model, inputs, *rest, **options)

    monkeypatch.setattr(SpeechTrainer, "compute_loss", short)
    split = train(dataclasses.replace(one, out=str(tmp_path / "split")), watch)
    assert [line for line in watch.said if "out of memory" in line] == [
        "out of memory with batches of 8: going on with batches of 4, 2 to a step, which is the same step",
        "out of memory with batches of 4: going on with batches of 2, 4 to a step, which is the same step",
    ]
    from safetensors.torch import load_file

    before, after = (load_file(folder / "model.safetensors") for folder in (plain, split))
    for name, value in before.items():
        torch.testing.assert_close(after[name].float(), value.float(), atol=4e-3, rtol=2e-2, msg=name)

    def never(self: Any, *rest: Any, **options: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(SpeechTrainer, "compute_loss", never)
    with pytest.raises(UserError, match="memory runs out with a batch of one"):
        train(dataclasses.replace(one, out=str(tmp_path / "never"), batch_size=2), watch)
