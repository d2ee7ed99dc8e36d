"""Categories by tiny checkpoints of the real classes, held against the classes' own forward."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpbench.annotators import load_annotator
from cpbench.errors import UsageError, UserError
from cpbench.records import Heard, Tag

LABELS = ("生气/angry", "hap", "Neutral", "<unk>")
pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter")  # AST's own extractor
OURS = ("anger", "happiness", "neutral", "<unk>")


def tags(path: Path, *sounds: Heard, **options: str) -> list[tuple[Tag, ...]]:
    return [one.tags for one in load_annotator(f"classifier/{path}", {"device": "cpu", **options}).annotate(sounds)]


def forward(path: Path, wave: np.ndarray) -> np.ndarray:
    """The class's own probabilities, one wave at a time."""
    import torch
    import transformers

    extractor = transformers.AutoFeatureExtractor.from_pretrained(path)
    model = transformers.AutoModelForAudioClassification.from_pretrained(path).eval()
    inputs = extractor(wave, sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits[0].numpy().astype(np.float64)
    shares = np.exp(logits - logits.max())
    return np.asarray(shares / shares.sum())


@pytest.mark.parametrize("kind", ["Wav2Vec2", "Hubert", "Whisper", "AST"])
def test_it_agrees_with_the_class_on_a_whole_clip(kind: str, classifiers: Callable[..., Path], heard: Any) -> None:
    path, sounds = classifiers(kind, LABELS), [heard("a", 1.0, 200), heard("b", 0.6, 900)]
    for sound, (tag,) in zip(sounds, tags(path, *sounds), strict=True):
        assert tuple(tag.emotion) == OURS
        assert np.abs(np.array(list(tag.emotion.values())) - forward(path, sound.wave)).max() < 1e-5
        assert (tag.start, tag.end) == (0.0, sound.seconds)


def test_windows_of_two_seconds_hear_one_second_more_on_both_sides(
    classifiers: Callable[..., Path], heard: Any
) -> None:
    path, sound = classifiers("Wav2Vec2", LABELS), heard("a", 7.3)
    (said,) = tags(path, sound, window="2", speech="0")
    assert [(tag.start, tag.end) for tag in said] == [(0, 2), (2, 4), (4, 6), (6, 7.3)]
    for tag, (first, last) in zip(said, [(0, 3), (1, 5), (3, 7), (5, 7.3)], strict=True):
        expected = forward(path, sound.wave[first * 16000 : round(last * 16000)])
        assert np.abs(np.array(list(tag.emotion.values())) - expected).max() < 1e-5


def test_windows_without_speech_have_no_tag(classifiers: Callable[..., Path], heard: Any) -> None:
    sound = heard("a", 6.0)
    sound.wave[2 * 16000 : 4 * 16000] = 0.0
    (said,) = tags(classifiers("Wav2Vec2", LABELS), sound, window="2")
    assert [(tag.start, tag.end) for tag in said] == [(0, 2), (4, 6)]


def test_a_clip_beyond_the_extractors_window_is_heard_in_pieces(classifiers: Callable[..., Path], heard: Any) -> None:
    path, sound = classifiers("AST", LABELS), heard("a", 25.0)
    (said,) = tags(path, sound)
    assert [(tag.start, tag.end) for tag in said] == [(0, 8.333), (8.333, 16.667), (16.667, 25)]
    expected = forward(path, sound.wave[round(8.333 * 16000) : round(16.667 * 16000)])
    assert np.abs(np.array(list(said[1].emotion.values())) - expected).max() < 1e-5


def test_the_source_names_model_and_revision(classifiers: Callable[..., Path], heard: Any, tmp_path: Path) -> None:
    path = shutil.copytree(classifiers("Wav2Vec2", LABELS), tmp_path / "own")
    first = load_annotator(f"classifier/{path}").name
    assert first.startswith(f"classifier/{path}@") and len(first.rpartition("@")[2]) == 12
    ((tag,),) = tags(path, heard())
    assert tag.source == first
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"id2label": {"0": "sad", "1": "hap", "2": "n", "3": "x"}}))
    assert load_annotator(f"classifier/{path}").name != first


def test_outputs_of_one_emotion_are_added_up(classifiers: Callable[..., Path], heard: Any) -> None:
    path = classifiers("Wav2Vec2", ("happy", "joy", "sad"))
    ((tag,),) = tags(path, sound := heard())
    expected = forward(path, sound.wave)
    assert tag.emotion == {
        "happiness": pytest.approx(expected[:2].sum(), abs=1e-5),
        "sadness": pytest.approx(expected[2], abs=1e-5),
    }


def test_labels_of_ones_own(classifiers: Callable[..., Path], heard: Any) -> None:
    path = classifiers("Wav2Vec2", ("LABEL_0", "LABEL_1"))
    with pytest.raises(UserError, match=r"none of the labels .* names an emotion: \['LABEL_0', 'LABEL_1'\]"):
        tags(path, heard())
    ((tag,),) = tags(path, heard(), labels="Wut, neutral")
    assert tuple(tag.emotion) == ("anger", "neutral")
    with pytest.raises(UsageError, match="has 2 outputs, not 3 labels"):
        tags(path, heard(), labels="a,b,c")


def test_each_label_for_itself_where_the_checkpoint_says_so(classifiers: Callable[..., Path], heard: Any) -> None:
    path = classifiers("Wav2Vec2", ("angry", "sad"), "multi_label_classification")
    ((tag,),) = tags(path, sound := heard())
    odds = forward(path, sound.wave)
    a, b = (np.log(share / (1 - share)) for share in tag.emotion.values())
    assert a - b == pytest.approx(np.log(odds[0] / odds[1]), abs=1e-3)  # the same logits, each through its own sigmoid
    assert sum(tag.emotion.values()) != pytest.approx(1.0, abs=1e-3)


def test_a_random_head_is_refused(classifiers: Callable[..., Path], heard: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = shutil.copytree(classifiers("Wav2Vec2", LABELS), tmp_path / "headless")
    weights = {key: value for key, value in load_file(path / "model.safetensors").items() if "classifier" not in key}
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks weights of a Wav2Vec2ForSequenceClassification, classifier.bias first"):
        tags(path, heard())


def test_audeerings_layout_is_sent_to_its_own_annotator(dimensional: Path, heard: Any) -> None:
    with pytest.raises(UserError, match=r"gives dimensions, not categories(?s:.*)--annotator audeering/"):
        tags(dimensional, heard())


def test_what_is_no_checkpoint_is_refused(tmp_path: Path, heard: Any) -> None:
    with pytest.raises(UserError, match=r"nowhere cannot be opened: there is no such folder"):
        tags(tmp_path / "nowhere", heard())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": "1"}, "a hop needs a window"),
        ({"window": "0.1"}, "a window is between 0.2 and 60 s"),
        ({"window": "2", "hop": "3"}, "no longer than its window"),
        ({"window": "2", "context": "40"}, "a window and its context are at most 60 s"),
        ({"window": "2", "speech": "2"}, "the share of speech is between 0 and 1"),
    ],
)
def test_windows_that_cannot_be_are_refused(
    options: dict[str, str], message: str, classifiers: Callable[..., Path], heard: Any
) -> None:
    with pytest.raises(UsageError, match=message):
        tags(classifiers("Wav2Vec2", LABELS), heard(), **options)
