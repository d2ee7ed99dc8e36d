"""The dimensional head, held against numpy and against an independent class of the published layout."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpbench.annotators import load_annotator
from cpbench.errors import UserError
from cpbench.records import Tag


def tag_of(path: Path, sound: Any, **options: str) -> Tag:
    (said,) = load_annotator(f"audeering/{path}", {"device": "cpu", **options}).annotate([sound])
    return said.tags[0]


def by_hand(path: Path, wave: np.ndarray) -> np.ndarray:
    """The encoder of the published class, loaded by its prefix, then the head in numpy: arousal, dominance, valence."""
    import torch
    from safetensors.numpy import load_file
    from transformers import Wav2Vec2Config, Wav2Vec2Model, Wav2Vec2PreTrainedModel

    class Published(Wav2Vec2PreTrainedModel):
        def __init__(self, config: Wav2Vec2Config) -> None:
            super().__init__(config)
            self.wav2vec2 = Wav2Vec2Model(config)
            self.post_init()

    model = Published.from_pretrained(path).eval()
    normal = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
    with torch.inference_mode():
        hidden = model.wav2vec2(torch.tensor(normal[None], dtype=torch.float32))[0][0].numpy()
    held = load_file(path / "model.safetensors")
    inner = np.tanh(held["classifier.dense.weight"] @ hidden.mean(axis=0) + held["classifier.dense.bias"])
    return np.asarray(held["classifier.out_proj.weight"] @ inner + held["classifier.out_proj.bias"])


@pytest.mark.parametrize("hertz", [200.0, 500.0, 1200.0])
def test_it_agrees_with_the_head_by_hand(hertz: float, dimensional: Path, heard: Any) -> None:
    sound = heard("a", 1.0, hertz)
    arousal, dominance, valence = 2 * np.clip(by_hand(dimensional, sound.wave), 0, 1) - 1
    tag = tag_of(dimensional, sound)
    assert tag.arousal == pytest.approx(arousal, abs=1e-4)
    assert tag.dominance == pytest.approx(dominance, abs=1e-4)
    assert tag.valence == pytest.approx(valence, abs=1e-4)
    assert len({tag.arousal, tag.dominance, tag.valence}) == 3
    assert (tag.scale, tag.emotion) == ((0.0, 1.0), {})
    assert tag.source.startswith(f"audeering/{dimensional}@")


def test_the_order_is_the_configurations_own(dimensional: Path, heard: Any, tmp_path: Path) -> None:
    import json

    path, plain = shutil.copytree(dimensional, tmp_path / "turned"), tag_of(dimensional, heard())
    config = json.loads((path / "config.json").read_text())
    names = {"0": "valence", "1": "dominance", "2": "arousal"}
    (path / "config.json").write_text(json.dumps(config | {"id2label": names}))
    turned = tag_of(path, heard())
    assert (turned.valence, turned.arousal) == (plain.arousal, plain.valence)


def test_windows_have_values_of_their_own(dimensional: Path, heard: Any) -> None:
    sound = heard("a", 4.0)
    (said,) = load_annotator(f"audeering/{dimensional}", {"window": "2", "speech": "0"}).annotate([sound])
    assert [(tag.start, tag.end) for tag in said.tags] == [(0, 2), (2, 4)]
    expected = 2 * np.clip(by_hand(dimensional, sound.wave[:48000]), 0, 1) - 1
    assert said.tags[0].arousal == pytest.approx(expected[0], abs=1e-4)


def test_a_checkpoint_of_categories_is_refused(classifiers: Any, heard: Any) -> None:
    path = classifiers("Wav2Vec2", ("angry", "sad"))
    with pytest.raises(UserError, match=r"has no dimensional head: it lacks classifier.dense.weight"):
        tag_of(path, heard())


def test_weights_that_are_no_safetensors_are_refused_with_what_mends_it(
    dimensional: Path, heard: Any, tmp_path: Path
) -> None:
    path = shutil.copytree(dimensional, tmp_path / "old", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(UserError, match=r"has no model.safetensors(?s:.*)safetensors.torch.save_file"):
        tag_of(path, heard())
