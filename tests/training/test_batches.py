"""A packed batch must be what one question a sequence is, to the last bit of meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cpbench.audio import load
from cpbench.formats import read
from cpbench.records import Setting
from cpbench.training import TrainConfig
from cpbench.training.batches import IGNORED, Collator, Examples
from cpbench.training.features import Features
from cpbench.training.fresh import speechlm
from cpbench.training.rows import Pack, common_prefix, packs
from cpbench.training.train import _texts


@pytest.fixture
def made(config: TrainConfig) -> list[Pack]:
    items = [item for item in read("items", Path(config.data[0]), task="t") if item.split == "train"]
    return packs(items, config.asked, Setting(), seed=0)


@pytest.fixture
def built(config: TrainConfig, made: list[Pack]) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model, processor = speechlm(config.sizes, _texts(made))
    return model.eval(), processor


def test_a_pack_is_a_clip_under_a_condition(made: list[Pack]) -> None:
    assert len(made) == 3 * 7  # seven training clips; the test clip is not there
    assert {len(pack.rows) for pack in made} == {2}
    by_condition = {row.request.condition for pack in made for row in pack.rows}
    assert by_condition == {"audio", "transcript", "tags:gold"}
    assert all(bool(pack.sounds) != (pack.rows[0].request.condition == "transcript") for pack in made)


def test_conditions_are_asked_as_often_as_said(config: TrainConfig) -> None:
    items = [item for item in read("items", Path(config.data[0]), task="t") if item.split == "train"]
    again = packs(items, {"audio": 2.0, "transcript": 0.5}, Setting(), seed=0)
    assert sum(bool(pack.sounds) for pack in again) == 14
    assert 0 < sum(not pack.sounds for pack in again) < 7
    assert again == packs(items, {"audio": 2.0, "transcript": 0.5}, Setting(), seed=0)


def test_labels_decode_to_exactly_the_answers_and_their_end(made: list[Pack], built: tuple[Any, Any]) -> None:
    processor = built[1]
    examples = Examples(made, processor, Features(processor))
    batch = Collator(processor.tokenizer.pad_token_id)([examples[index] for index in range(len(made))])
    for pack, row in zip(made, batch["labels"], strict=True):
        learned = row[row != IGNORED]
        ends = (learned == processor.tokenizer.eos_token_id).nonzero().flatten() + 1
        answers = torch.tensor_split(learned, ends)
        said = [processor.tokenizer.decode(answer) for answer in answers if len(answer)]
        assert said == [f"{one.answer}<|end|>" for one in pack.rows]


def test_packed_questions_score_as_each_question_alone(made: list[Pack], built: tuple[Any, Any]) -> None:
    model, processor = built
    chosen = [made[0], made[9], made[16]]  # one of each condition, of different lengths
    features = Features(processor)
    examples = Examples(chosen, processor, features)
    batch = Collator(processor.tokenizer.pad_token_id)([examples[index] for index in range(3)])
    labels = batch.pop("labels")
    batch = {key: value for key, value in batch.items() if not key.startswith("transcript")}
    with torch.no_grad():
        scores = model(**batch).logits
    for pack, row_scores, row_labels in zip(chosen, scores, labels, strict=True):
        starts = [at for at in range(1, len(row_labels)) if row_labels[at] != IGNORED and row_labels[at - 1] == IGNORED]
        assert len(starts) == len(pack.rows)
        for start, row in zip(starts, pack.rows, strict=True):
            torch.testing.assert_close(
                row_scores[start - 1], _alone(model, processor, row.request), atol=2e-3, rtol=1e-3
            )


def _alone(model: Any, processor: Any, request: Any) -> torch.Tensor:
    """The next-token scores of the request as a run asks it."""
    content = [{"type": "audio", "audio": load(sound, 16000).wave} for sound in request.sounds]
    chat = [{"role": "user", "content": [*content, {"type": "text", "text": request.text}]}]
    given = processor.apply_chat_template(
        [chat], tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
    )
    with torch.no_grad():
        return model(**given).logits[0, -1]


def test_level_jitter_moves_every_band_alike(built: tuple[Any, Any]) -> None:
    mel = torch.zeros(80, 50, dtype=torch.float16)
    changed, louder = Collator(0, level_jitter=2.0, seed=1)._changed(mel)
    assert changed.unique().numel() == 1
    assert changed[0, 0] != 0
    assert float(changed[0, 0]) == pytest.approx(louder / 2)  # features are half the decades of power


def test_common_prefix_of_one_is_all_of_it() -> None:
    assert common_prefix([[1, 2, 3]]) == [1, 2, 3]
    assert common_prefix([[1, 2], [3]]) == []


def test_voices_hold_where_the_tags_say(config: TrainConfig, built: tuple[Any, Any], corpus: Path) -> None:
    lines = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()[2:4]]
    spans = [{"start": 0.0, "end": 0.2, "label": "anger"}, {"start": 0.32, "end": 0.4, "label": "sadness"}]
    text = "".join(json.dumps({**line, "emotion": spans, "gender": "male"}) + "\n" for line in lines)
    corpus.write_text(text, encoding="utf-8")
    chosen = packs(list(read("items", corpus, task="t")), {"audio": 1.0}, Setting(), seed=0)
    examples = Examples(chosen, built[1], Features(built[1]))
    assert examples.voices == {"anger": 0, "male": 1, "sadness": 2}
    batch = Collator(0, downsampling=4, classes=3)([examples[0]])
    anger, male, sadness = batch["voices"][0].T.tolist()  # a frame is 40 ms; the clip has 0.55 s
    assert anger == [1.0] * 5 + [0.0] * 9
    assert male == [1.0] * 14
    assert sadness == [0.0] * 8 + [1.0] * 2 + [0.0] * 4
