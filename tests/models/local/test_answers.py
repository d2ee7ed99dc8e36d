"""Answers of the real classes: batched as alone, greedy whatever the checkpoint's defaults, with reasons to end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cpbench.models.local import LocalModel
from cpbench.records import Generation, Turn

Ask = Callable[..., Turn]
LENGTHS = (1.0, 2.5, 3.9, 6.0, 0.5, 9.3, 12.5)  # seconds; the tiny windows are 4 s


def changed(checkpoint: Path, folder: Path, **settings: object) -> Path:
    """A copy of a checkpoint with other generation settings."""
    shutil.copytree(checkpoint, folder)
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return folder


def test_batched_answers_equal_one_by_one_answers(checkpoint: Path, ask: Ask) -> None:
    turns = [ask(number, seconds, "what is said " + "loud " * number) for number, seconds in enumerate(LENGTHS)]
    batched = list(LocalModel(str(checkpoint), batch_size=7).answer(turns))
    alone = list(LocalModel(str(checkpoint), batch_size=1).answer(turns))
    assert batched == alone
    assert [prediction.item_id for prediction in batched] == [turn.request.item_id for turn in turns]
    assert len({prediction.raw for prediction in batched}) > len(turns) // 2


def test_answers_equal_those_of_transformers_itself(checkpoint: Path, ask: Ask, tiny: ModuleType) -> None:
    import torch
    import transformers

    turn = ask(3, 2.0)
    processor = transformers.AutoProcessor.from_pretrained(checkpoint)
    model = tiny.plain(checkpoint)
    content = [{"type": "audio", "audio": turn.heard[0].wave}, {"type": "text", "text": "what is said"}]
    said = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
    )
    with torch.no_grad():
        logits = model(**said).logits[0, -1]
    (prediction,) = LocalModel(str(checkpoint), max_new_tokens=1).answer([turn])
    assert prediction.raw == processor.tokenizer.decode(int(logits.argmax()), skip_special_tokens=True)
    assert prediction.input_tokens == said["input_ids"].shape[1]


def test_a_repetition_penalty_leaves_batched_answers_equal(checkpoint: Path, ask: Ask, tmp_path: Path) -> None:
    """The padding token here is one that the model likes to say: were it penalised, padded rows would avoid it."""
    import transformers

    penalised = changed(checkpoint, tmp_path / "penalised", repetition_penalty=5.0)
    turns = [ask(number, seconds, max_new_tokens=20) for number, seconds in enumerate(LENGTHS[:4])]
    tokenizer = transformers.AutoTokenizer.from_pretrained(penalised)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(_tokens(penalised, turns[0])[0])
    tokenizer.save_pretrained(penalised)
    batched = list(LocalModel(str(penalised), batch_size=4).answer(turns))
    assert batched == list(LocalModel(str(penalised), batch_size=1).answer(turns))
    assert [said.raw for said in batched] != [said.raw for said in LocalModel(str(checkpoint)).answer(turns)]


def test_words_alone_and_words_with_audio_stand_side_by_side(checkpoint: Path, ask: Ask) -> None:
    turns = [ask(0), ask(1, None), ask(2, None, "who speaks in this clip"), ask(3, 2.0)]
    batched = list(LocalModel(str(checkpoint), batch_size=4).answer(turns))
    assert batched == list(LocalModel(str(checkpoint), batch_size=1).answer(turns))
    assert [prediction.audio_seconds_heard for prediction in batched] == [1.0, 0.0, 0.0, 2.0]


def test_greedy_against_the_checkpoint_s_sampling_defaults(checkpoint: Path, ask: Ask) -> None:
    own = json.loads((checkpoint / "generation_config.json").read_text())
    assert own["do_sample"] and own["temperature"] == 0.7
    model = LocalModel(str(checkpoint))
    assert (
        list(model.answer([ask(0)]))
        == list(model.answer([ask(0)]))
        == list(LocalModel(str(checkpoint)).answer([ask(0)]))
    )
    settings = model.card.details["generation"]
    assert settings["do_sample"] is False and not {"temperature", "top_p", "top_k"} & set(settings)


def test_drawn_answers_depend_on_seed_and_item_and_on_no_neighbour(checkpoints: dict[str, Path], ask: Ask) -> None:
    model = LocalModel(str(checkpoints["qwen2_audio"]), batch_size=3)
    turns = [ask(number, temperature=2.0, seed=1) for number in range(3)]
    together = list(model.answer(turns))
    assert [next(model.answer([turn])) for turn in turns] == together
    assert list(model.answer([ask(number, temperature=2.0, seed=2) for number in range(3)])) != together
    assert (
        len({prediction.raw for prediction in model.answer([ask(0, temperature=2.0, seed=s) for s in range(3)])}) == 3
    )


def test_why_an_answer_ended(checkpoint: Path, ask: Ask, tmp_path: Path) -> None:
    turns = [ask(number, seconds) for number, seconds in enumerate(LENGTHS[:4])]
    cut = list(LocalModel(str(checkpoint)).answer(turns))
    assert {(prediction.finish_reason, prediction.output_tokens, prediction.status) for prediction in cut} == {
        ("length", 10, "ok")
    }
    # Let the first answer's third token end answers: its own ends there, with the end token counted.
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    third = _tokens(checkpoint, turns[0])[2]
    ended = changed(checkpoint, tmp_path / "ended", eos_token_id=[2, third])
    first, *_ = LocalModel(str(ended), batch_size=4).answer(turns)
    place = _tokens(checkpoint, turns[0]).index(third)
    assert (first.finish_reason, first.output_tokens) == ("stop", place + 1)
    assert first.raw == tokenizer.decode(_tokens(checkpoint, turns[0])[:place], skip_special_tokens=True)
    assert next(LocalModel(str(ended), batch_size=1).answer(turns)) == first


def _tokens(checkpoint: Path, turn: Turn) -> list[int]:
    """The greedy tokens of a turn, from the model's own generate."""
    model = LocalModel(str(checkpoint))
    inputs = model.prompts.encoded([turn])
    made = model._speaker.model.generate(**inputs, do_sample=False, max_new_tokens=10)
    return made[0, inputs["input_ids"].shape[1] :].tolist()  # type: ignore[no-any-return]


def test_a_stop_string_ends_an_answer_and_is_not_part_of_it(checkpoints: dict[str, Path], ask: Ask) -> None:
    model = LocalModel(str(checkpoints["qwen2_audio"]), batch_size=2)
    turns = [ask(0, 2.5), ask(1, 1.0)]
    (whole, other) = model.answer(turns)
    stop = whole.raw[3:5]
    place = whole.raw.index(stop)
    first, second = model.answer([ask(0, 2.5, stop=(stop,)), ask(1, 1.0, stop=(stop,))])
    assert (first.raw, first.finish_reason) == (whole.raw[:place], "stop")
    assert first.output_tokens is not None and first.output_tokens < 10
    assert second.raw == (other.raw.partition(stop)[0])


def test_the_option_outranks_the_task(checkpoints: dict[str, Path], ask: Ask) -> None:
    (prediction,) = LocalModel(str(checkpoints["glmasr"]), max_new_tokens=3).answer([ask(0)])
    assert prediction.output_tokens == 3


def test_turns_are_taken_as_batches_are_packed(checkpoints: dict[str, Path], ask: Ask) -> None:
    taken: list[int] = []

    def turns() -> Iterator[Turn]:
        for number in range(9):
            taken.append(number)
            yield ask(number % 3, max_new_tokens=1)

    answers = LocalModel(str(checkpoints["qwen2_audio"]), batch_size=2).answer(turns())
    assert taken == []
    next(answers)
    assert len(taken) <= 3


def test_a_batch_too_large_for_the_memory_is_halved(checkpoints: dict[str, Path], ask: Ask) -> None:
    """The model's forward refuses more than two rows, as a full GPU would, and any turn of the widest clip."""
    import torch

    model = LocalModel(str(checkpoints["glmasr"]), batch_size=4)
    expected = list(model.answer([ask(number) for number in range(5)]))
    sizes: list[int] = []

    def full(module: object, arguments: object, named: dict[str, torch.Tensor]) -> None:
        rows, width = (named.get("input_ids") if named.get("input_ids") is not None else named["inputs_embeds"]).shape[
            :2
        ]
        if rows > 2 or width > 150:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        sizes.append(rows)

    hook = model._speaker.model.register_forward_pre_hook(full, with_kwargs=True)
    answers = list(model.answer([*(ask(number) for number in range(5)), ask(9, 15.0)]))
    hook.remove()
    assert answers[:5] == expected
    assert max(sizes) == 2
    assert answers[5].status == "error" and "out of memory" in (answers[5].error or "")


def test_other_failures_are_not_hidden(checkpoints: dict[str, Path], ask: Ask) -> None:
    wrong = ask(0)
    turn = Turn(wrong.request, (type(wrong.heard[0])(wrong.heard[0].sound, wrong.heard[0].wave, 8000),))
    with pytest.raises(ValueError, match="8000 Hz for a model at 16000 Hz"):
        list(LocalModel(str(checkpoints["qwen2_audio"])).answer([turn]))


def test_default_generation_is_greedy() -> None:
    assert Generation().temperature == 0.0
