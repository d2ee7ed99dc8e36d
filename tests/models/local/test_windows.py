"""Long clips: split where the model takes several parts, heard in part where not, and always said so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cpbench.models.local import LocalModel
from cpbench.records import Turn

Ask = Callable[..., Turn]


def test_what_a_card_says_of_windows_and_clips(checkpoints: dict[str, Path]) -> None:
    cards = {name: LocalModel(str(path)).card for name, path in checkpoints.items()}
    assert {name: (card.window, card.max_clips) for name, card in cards.items()} == {
        "qwen2_audio": (4.0, 8),
        "audioflamingo3": (16.0, 1),
        "glmasr": (16.0, 1),
        "speechlm": (None, 8),
    }
    assert {card.sampling_rate for card in cards.values()} == {16000}
    assert [card.family for card in cards.values()] == ["qwen2_audio", "audioflamingo3", "glmasr", "speechlm"]


@pytest.mark.parametrize(
    ("name", "seconds", "heard"),
    [
        ("qwen2_audio", 10.0, 10.0),  # three windows of one turn
        ("qwen2_audio", 40.0, 32.0),  # eight windows, then no more
        ("audioflamingo3", 10.0, 10.0),  # chunks by itself
        ("audioflamingo3", 20.0, 16.0),  # the first 16 s: it takes one clip
        ("glmasr", 20.0, 16.0),
        ("glmasr", 0.3, 0.3),
        ("speechlm", 40.0, 40.0),
        ("speechlm", 0.3, 0.3),
    ],
)
def test_seconds_heard_are_those_that_reach_the_model(
    name: str, seconds: float, heard: float, checkpoints: dict[str, Path], ask: Ask
) -> None:
    model = LocalModel(str(checkpoints[name]))
    turn = ask(1, seconds, max_new_tokens=1)
    (prediction,) = model.answer([turn])
    assert prediction.audio_seconds == seconds
    assert prediction.audio_seconds_heard == pytest.approx(heard, abs=0.02)
    # What the encoder's own hook sees says the same.
    (listened,) = model.listen([turn])
    assert listened.seconds == pytest.approx(heard, abs=0.02)


def test_the_end_of_a_split_clip_is_heard(checkpoints: dict[str, Path], ask: Ask) -> None:
    """The clip differs from the other in its last two seconds only, beyond the extractor's window."""
    model = LocalModel(str(checkpoints["qwen2_audio"]))
    turn, other = ask(1, 8.0), ask(2, 8.0)
    wave = turn.heard[0].wave.copy()
    wave[6 * 16000 :] = other.heard[0].wave[6 * 16000 :]
    mixed = Turn(turn.request, (type(turn.heard[0])(turn.heard[0].sound, wave, 16000),))
    plain, changed = model.listen([turn, mixed])
    assert abs(plain.scores - changed.scores).max() > 1e-3


def test_two_clips_in_one_turn(checkpoints: dict[str, Path], ask: Ask) -> None:
    one, two = ask(1, 2.0), ask(2, 6.0)
    request = type(one.request)("pair", "t", "audio", "who sounds angry", (*one.request.sounds, *two.request.sounds))
    both = Turn(request, (*one.heard, *two.heard))
    model = LocalModel(str(checkpoints["qwen2_audio"]), max_new_tokens=4)
    assert model.rendered(both).count("<|AUDIO|>") == 3
    (prediction,) = model.answer([both])
    assert prediction.audio_seconds_heard == pytest.approx(8.0)


def test_a_silent_cut_of_the_extractor_would_be_seen(checkpoints: dict[str, Path], ask: Ask, tmp_path: Path) -> None:
    """A processor that states a longer reach than its extractor has: the mask, not the claim, is believed."""
    folder = tmp_path / "boasting"
    shutil.copytree(checkpoints["qwen2_audio"], folder)
    model = LocalModel(str(folder))
    ear = model.prompts.ear
    object.__setattr__(ear, "window", 60.0)
    (prediction,) = model.answer([ask(1, 10.0, max_new_tokens=1)])
    assert prediction.audio_seconds_heard == pytest.approx(4.0, abs=0.02)


def test_the_rendered_prompt_is_what_the_tokenizer_gets(checkpoint: Path, ask: Ask) -> None:
    model = LocalModel(str(checkpoint))
    text = model.rendered(ask(0, 2.0, "who speaks"))
    token = model.prompts.processor.audio_token
    inputs = model.prompts.encoded([ask(0, 2.0, "who speaks")])
    decoded = model.prompts.processor.tokenizer.decode(inputs["input_ids"][0])
    places = decoded.count(token)
    assert places > 1
    assert decoded == text.replace(token, token * places)
    assert text.endswith("<|im_start|>assistant\n") and "who speaks" in text


def test_a_processor_without_a_template_is_asked_plainly(
    checkpoints: dict[str, Path], ask: Ask, tmp_path: Path
) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(checkpoints["glmasr"], folder)
    (folder / "chat_template.jinja").unlink()
    model = LocalModel(str(folder))
    assert model.rendered(ask(0, text="who speaks")) == "<|audio|>\nwho speaks\n"
    batched = list(model.answer([ask(0), ask(1, 3.0)]))
    assert batched == list(LocalModel(str(folder), batch_size=1).answer([ask(0), ask(1, 3.0)]))


def test_the_card_carries_what_training_wrote(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "explicit"
    shutil.copytree(checkpoints["glmasr"], folder)
    (folder / "checkpoint.json").write_text(
        json.dumps({"variant": "explicit", "condition": "tags:gold", "tag_template": "{emotion}", "trained_on": ["ab"]})
    )
    card = LocalModel(str(folder), name="mine").card
    assert (card.name, card.condition, card.tag_template, card.trained_on) == (
        "mine",
        "tags:gold",
        "{emotion}",
        frozenset({"ab"}),
    )
    assert card.details["variant"] == "explicit"
