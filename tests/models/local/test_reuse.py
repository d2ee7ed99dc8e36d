"""What a sound's questions share is worked out once, and no answer changes by it; what would change one is off."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cpbench.models.local import LocalModel
from cpbench.models.local.listening import encoder_of
from cpbench.models.local.reuse import Said
from cpbench.models.local.trial import ROUNDING, difference
from cpbench.records import Prediction, Turn

Ask = Callable[..., Turn]
QUESTIONS = ("what is said", "what does the speaker say and how", "who speaks in this clip")
LENGTHS = (12.5, 3.9, 2.5, 1.0)  # seconds, longest first as the engine asks; the tiny windows are 4 s
ROWS = 4 + 1 + 1 + 1  # of features: windows of the first clip, and one of each other


@pytest.fixture
def asked(ask: Ask) -> Callable[..., list[Turn]]:
    """asked(**generation): every question about every sound, those of a sound one after the other."""

    def make(**generation: object) -> list[Turn]:
        made = []
        for number, seconds in enumerate(LENGTHS):
            base = ask(number, seconds, **generation)
            for place, text in enumerate(QUESTIONS):
                request = dataclasses.replace(base.request, item_id=f"i{number}-{place}", text=text)
                made.append(Turn(request, base.heard))
        return made

    return make


@contextmanager
def counting(model: LocalModel) -> Iterator[list[tuple[int, int]]]:
    """(rows, frames) of each time that features enter the encoder's first layer: below all that cpbench wraps."""
    entered: list[tuple[int, int]] = []
    encoder = encoder_of(model._speaker.model)
    first = encoder.conv1 if hasattr(encoder, "conv1") else encoder.convolutions[0]  # type: ignore[union-attr]
    hook = first.register_forward_pre_hook(lambda _, given: entered.append((len(given[0]), given[0].shape[-1])))
    try:
        yield entered
    finally:
        hook.remove()


def alone(checkpoint: Path, turns: list[Turn]) -> list[Prediction]:
    """The answers one by one, by the plain path."""
    return list(LocalModel(str(checkpoint), batch_size=1).answer(turns))


@pytest.mark.parametrize("batch_size", [4, 5])  # 5: the questions of a sound stand in two batches
def test_each_sound_is_encoded_once_and_every_answer_is_the_one_it_gets_alone(
    checkpoint: Path, asked: Callable[..., list[Turn]], batch_size: int
) -> None:
    turns = asked()
    model = LocalModel(str(checkpoint), batch_size=batch_size)
    answers = list(model.answer(turns[:4]))  # the ways are tried here
    assert model.account()["ways"]["once"] == "on"
    before = model.account()["encoder_passes"]
    with counting(model) as entered:
        assert list(model.answer(turns)) == alone(checkpoint, turns)
    assert answers == alone(checkpoint, turns[:4])
    assert sum(rows for rows, _ in entered) == ROWS
    assert model.account()["encoder_passes"] - before == len(LENGTHS)
    assert model.account()["questions"] == 4 + len(turns)


def test_without_the_ways_it_is_a_pass_a_question(
    checkpoints: dict[str, Path], asked: Callable[..., list[Turn]]
) -> None:
    model = LocalModel(str(checkpoints["qwen2_audio"]), batch_size=1)
    with counting(model) as entered:
        list(model.answer(asked(max_new_tokens=1)))
    assert sum(rows for rows, _ in entered) == len(QUESTIONS) * ROWS
    assert model.account()["encoder_passes"] == len(QUESTIONS) * len(LENGTHS)
    assert "batch size of 1" in model.account()["ways"]["once"]


def test_only_valid_frames_enter_where_the_encoder_masks_its_padding(
    checkpoints: dict[str, Path], asked: Callable[..., list[Turn]]
) -> None:
    """GLM-ASR's encoder looks at its padding: left out, its scores would move, and the trial sees it."""
    turns = asked(max_new_tokens=4)
    for name, cut in {"qwen2_audio": True, "audioflamingo3": True, "glmasr": False}.items():
        model = LocalModel(str(checkpoints[name]), batch_size=3)
        list(model.answer(turns[:6]))
        with counting(model) as entered:
            assert list(model.answer(turns)) == alone(checkpoints[name], turns)
        said = model.account()["ways"]["cut"]
        assert said == "on" if cut else "scores move" in said
        assert sorted(frames for _, frames in entered) == ([112, 272, 400, 400] if cut else [400] * 4)
        encoder = encoder_of(model._speaker.model)
        if cut:  # what was shortened for a call is whole again
            assert encoder.embed_positions.num_embeddings == encoder.config.max_source_positions == 200  # type: ignore[union-attr]
        assert "forward" not in vars(encoder)


def test_features_are_extracted_once_for_all_questions(
    checkpoint: Path, asked: Callable[..., list[Turn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LocalModel(str(checkpoint), batch_size=12)
    turns = asked(max_new_tokens=1)
    list(model.answer(turns[:4]))
    extractor = type(model.prompts.ear.extractor)
    waves: list[int] = []
    plain = extractor.__call__
    monkeypatch.setattr(
        extractor,
        "__call__",
        lambda self, some, *given, **named: waves.append(len(some)) or plain(self, some, *given, **named),
    )
    list(model.answer(turns))
    assert sum(waves) == ROWS


def with_template(checkpoint: Path, folder: Path, template: str) -> Path:
    shutil.copytree(checkpoint, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def test_where_the_question_stands_before_the_audio_no_prefix_is_shared(
    checkpoints: dict[str, Path], asked: Callable[..., list[Turn]], tmp_path: Path
) -> None:
    template = (
        "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'text' %}"
        "{{ part['text'] }}{% endif %}{% endfor %}{% for part in message['content'] %}{% if part['type'] == 'audio' %}"
        "<|audio|>{% endif %}{% endfor %}{% endfor %}"
    )
    folder = with_template(checkpoints["speechlm"], tmp_path / "before", template)
    turns = asked(max_new_tokens=4)
    model = LocalModel(str(folder), batch_size=6)
    assert list(model.answer(turns)) == alone(folder, turns)
    ways = model.account()["ways"]
    assert ways["prefix"].startswith("off: ") and ways["once"] == "on"
    assert model.account()["prefixes"] == 0 and model.account()["encoder_passes"] == len(LENGTHS)


def test_a_prefix_is_read_once_a_sound(checkpoints: dict[str, Path], asked: Callable[..., list[Turn]]) -> None:
    turns = asked()
    model = LocalModel(str(checkpoints["qwen2_audio"]), batch_size=6)
    read: list[int] = []
    hook = model._speaker.model.get_input_embeddings().register_forward_hook(
        lambda _, given, made: read.append(given[0].numel())
    )
    list(model.answer(turns[:4]))
    read.clear()
    answers = list(model.answer(turns))
    hook.remove()
    tokens = sum(answer.input_tokens or 0 for answer in answers)
    generated = sum((answer.output_tokens or 0) - 1 for answer in answers)
    assert sum(read) - generated < 0.6 * tokens


def test_a_sound_s_questions_stay_in_one_batch(checkpoints: dict[str, Path], ask: Ask) -> None:
    """Three questions each do not fill batches of 32: none is begun whose prefix would have to be read again."""
    turns = []
    for number in range(12):
        base = ask(number, 0.5, max_new_tokens=1)
        for place, text in enumerate(QUESTIONS):
            request = dataclasses.replace(base.request, item_id=f"i{number}-{place}", text=text)
            turns.append(Turn(request, base.heard))
    model = LocalModel(str(checkpoints["qwen2_audio"]))
    list(model.answer(turns[:6]))  # the ways are tried here
    assert model._reuse.budget is not None
    model._reuse.budget = dataclasses.replace(model._reuse.budget, turns=32)
    before = dict(model.account())
    list(model.answer(turns))
    after = model.account()
    assert after["batches"] - before["batches"] == 2 and after["prefixes"] - before["prefixes"] == 12


def test_penalties_stops_and_ends_hold_beside_a_shared_prefix(
    checkpoints: dict[str, Path], asked: Callable[..., list[Turn]], tmp_path: Path
) -> None:
    folder = tmp_path / "penalised"
    shutil.copytree(checkpoints["qwen2_audio"], folder)
    file = folder / "generation_config.json"
    plain = alone(checkpoints["qwen2_audio"], asked()[:1])[0].raw
    file.write_text(json.dumps(json.loads(file.read_text()) | {"repetition_penalty": 3.0}))
    turns = asked(max_new_tokens=20)
    stop = alone(folder, turns[:1])[0].raw[6:8]
    turns = asked(max_new_tokens=20, stop=(stop,))
    model = LocalModel(str(folder), batch_size=6)
    answers = list(model.answer(turns))
    assert answers == alone(folder, turns)
    assert model.account()["ways"]["prefix"] == "on" and model.account()["prefixes"] > 0
    assert answers[0].finish_reason == "stop" and not answers[0].raw.startswith(plain)


def test_new_weights_are_heard_with_new_ears(checkpoints: dict[str, Path], asked: Callable[..., list[Turn]]) -> None:
    """A model that is asked while it learns: nothing of an earlier round is kept."""
    import torch

    turns = asked()
    model = LocalModel(str(checkpoints["qwen2_audio"]), batch_size=12)
    before = list(model.answer(turns))
    encoder = encoder_of(model._speaker.model)
    with torch.no_grad():
        encoder.conv1.weight.mul_(-3.0)  # type: ignore[union-attr]
    after = list(model.answer(turns))
    assert sum(one.raw != two.raw for one, two in zip(before, after, strict=True)) > len(turns) // 2


def test_a_trial_without_memory_leaves_the_run_as_it_was(
    checkpoints: dict[str, Path], asked: Callable[..., list[Turn]]
) -> None:
    import torch

    model = LocalModel(str(checkpoints["qwen2_audio"]), batch_size=4)
    turns = asked(max_new_tokens=3)
    asked_for: list[int] = []

    def full(module: object, given: object, named: dict[str, torch.Tensor]) -> None:
        asked_for.append(1)
        if len(asked_for) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    hook = model._speaker.model.register_forward_pre_hook(full, with_kwargs=True)
    answers = list(model.answer(turns))
    hook.remove()
    assert answers == alone(checkpoints["qwen2_audio"], turns)
    assert set(model.account()["ways"].values()) == {"off: there was no memory to try it"}


def test_one_ten_minute_clip_makes_neither_the_trial_nor_its_neighbours_dear(
    checkpoints: dict[str, Path], ask: Ask
) -> None:
    """Its own questions are answered from one pass, no more than a minute of it is tried, and what follows is short."""
    turns = []
    for number, times in enumerate((600, 1, 1, 1)):
        base = ask(number, 1.0, max_new_tokens=2)
        heard = (dataclasses.replace(base.heard[0], wave=np.tile(base.heard[0].wave, times)),)
        for place, text in enumerate(QUESTIONS):
            request = dataclasses.replace(base.request, item_id=f"i{number}-{place}", text=text)
            turns.append(Turn(request, heard))
    model = LocalModel(str(checkpoints["speechlm"]))
    read: list[tuple[int, ...]] = []
    hook = model._speaker.model.get_input_embeddings().register_forward_hook(
        lambda _, given, made: read.append(tuple(given[0].shape))
    )
    with counting(model) as entered:
        answers = list(model.answer(turns))
    hook.remove()
    assert answers[3:] == alone(checkpoints["speechlm"], turns[3:])
    assert all(answer.audio_seconds_heard == 600.0 for answer in answers[:3])
    assert model.account()["encoder_passes"] == 4
    tokens = answers[0].input_tokens or 0
    assert sum(rows for rows, _ in entered) < 2 * 600 / 4  # windows of 4 s, the trial's included
    assert sum(rows * width for rows, width in read if width > 500) <= 2.2 * tokens  # its prompt, read at most twice
    assert max(width for _, width in read[-4:]) < 100  # the others are padded to their own longest


def said(tokens: list[list[int]], *steps: list[list[float]]) -> Said:
    import torch

    return Said(torch.tensor(tokens), tuple(torch.tensor(step) for step in steps))


def test_what_counts_as_a_difference() -> None:
    exact, half = ROUNDING["float32"], ROUNDING["bfloat16"]
    one = said([[1, 2]], [[0.0, 10.0, 1.0]], [[0.0, 1.0, 10.0]])
    assert difference(one, one, [], exact) is None
    moved = said([[1, 2]], [[0.0, 10.0, 1.0]], [[0.0, 1.01, 10.0]])
    assert difference(one, moved, [], exact) == "scores move by 0.01 of 10"
    assert difference(one, moved, [], half) is None
    assert difference(one, moved, [1], exact) is None  # the first token ended the answer
    other = said([[1, 1]], [[0.0, 10.0, 1.0]], [[0.0, 1.0, 10.0]])
    assert difference(one, other, [], exact) == "answers change" == difference(one, other, [], half)
    tie = said([[1, 2]], [[0.0, 10.0, 9.9]], [[0.0, 1.0, 10.0]])
    tied = said([[2, 0]], [[0.0, 9.8, 10.0]], [[9.0, 1.0, 10.0]])
    assert difference(tie, tied, [], half) is None  # a tie, and nothing after it can be compared
    assert difference(tie, tied, [], exact) is not None
    lost = said([[1, 2]], [[0.0, float("nan"), 1.0]], [[0.0, 1.0, 10.0]])
    assert "move" in (difference(one, lost, [], half) or "")
