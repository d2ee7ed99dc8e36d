from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForMultimodalLM, AutoProcessor, ProcessorMixin

Noise = Callable[[float], np.ndarray]


def asked(question: str, *clips: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "role": "user",
            "content": [*({"type": "audio", "audio": one} for one in clips), {"type": "text", "text": question}],
        }
    ]


def inputs(processor: Any, conversations: list[Any]) -> Any:
    """The one uniform path that every Speech-LLM is run by."""
    return processor.apply_chat_template(
        copy.deepcopy(conversations),
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
        processor_kwargs={"text_kwargs": {"padding": True, "padding_side": "left"}},
    )


def answers(model: Any, processor: Any, conversations: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    given = inputs(processor, conversations)
    with torch.no_grad():
        scores = model(**given).logits[:, -1]
        said = model.generate(**given, max_new_tokens=5, min_new_tokens=5, do_sample=False)
    return scores, said[:, given["input_ids"].shape[1] :]


def mixed(noise: Noise) -> list[Any]:
    """No clip, one, two (one of them longer than a window), and one of a tenth of a second."""
    return [
        asked("Who?", noise(1.37)),
        asked("What did Anna buy in the garden?"),
        asked("Which of the two?", noise(0.5), noise(5.03)),
        asked("How?", noise(0.1)),
    ]


@pytest.mark.parametrize("kind", ["tiny", "whisper"])
def test_batched_answers_are_those_of_one_by_one(kind: str, noise: Noise, request: pytest.FixtureRequest) -> None:
    model, processor = request.getfixturevalue(kind)
    conversations = mixed(noise)
    scores, said = answers(model, processor, conversations)
    for row, conversation in enumerate(conversations):
        alone, said_alone = answers(model, processor, [conversation])
        torch.testing.assert_close(scores[row], alone[0], atol=1e-4, rtol=1e-4)
        assert said[row].tolist() == said_alone[0].tolist()


def test_the_answer_depends_on_the_audio(tiny: tuple[Any, Any], noise: Noise) -> None:
    first, _ = answers(*tiny, [asked("Who?", noise(1.0))])
    second, _ = answers(*tiny, [asked("Who?", noise(1.0))])
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["tiny", "whisper"])
def test_saved_and_loaded_by_the_auto_classes(
    kind: str, noise: Noise, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model, processor = request.getfixturevalue(kind)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded, loaded_processor = (
        AutoModelForMultimodalLM.from_pretrained(tmp_path),
        AutoProcessor.from_pretrained(tmp_path),
    )
    assert type(loaded) is type(model)
    assert isinstance(loaded_processor, ProcessorMixin)
    assert AutoConfig.from_pretrained(tmp_path).to_diff_dict() == model.config.to_diff_dict()
    before, _ = answers(model, processor, [asked("Who?", clip := noise(3.0))])
    after, _ = answers(loaded.eval(), loaded_processor, [asked("Who?", clip)])
    assert torch.equal(before, after)


def test_registered_classes_are_known_to_a_process_that_registers(tmp_path: Path, tiny: tuple[Any, Any]) -> None:
    tiny[1].save_pretrained(tmp_path)
    tiny[0].save_pretrained(tmp_path)
    code = (
        "from cpbench import speechlm; import sys; assert 'torch' not in sys.modules; speechlm.register()\n"
        "from transformers import AutoProcessor\n"
        f"print(type(AutoProcessor.from_pretrained({str(tmp_path)!r})).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "SpeechLMProcessor"


def test_every_window_has_the_papers_number_of_embeddings(whisper: tuple[Any, Any], noise: Noise) -> None:
    model, processor = whisper
    assert model.config.embeddings_per_window == 100
    given = inputs(processor, [asked("Who?", noise(1.0)), asked("Who?", noise(31.0))])
    counts = (given["input_ids"] == model.config.audio_token_id).sum(-1).tolist()
    assert counts == [100, 200]  # 31 s are two windows: nothing is cut
    assert given["input_features"].shape == (3, 80, 3000)


def test_padding_makes_no_embeddings_where_trimmed(tiny: tuple[Any, Any], noise: Noise) -> None:
    model, processor = tiny
    given = inputs(processor, [asked("Who?", noise(0.16)), asked("Who?", noise(2.0)), asked("Who?", noise(2.08))])
    assert (given["input_ids"] == model.config.audio_token_id).sum(-1).tolist() == [2, 25, 26]  # 80 ms each


def test_the_last_second_of_a_long_clip_is_heard(tiny: tuple[Any, Any], noise: Noise) -> None:
    clip = noise(7.0)
    other = clip.copy()
    other[-16000:] = noise(1.0)
    first, _ = answers(*tiny, [asked("Who?", clip)])
    second, _ = answers(*tiny, [asked("Who?", other)])
    assert not torch.equal(first, second)


def test_generate_runs_the_encoder_once(tiny: tuple[Any, Any], noise: Noise) -> None:
    model, processor = tiny
    calls = []
    model.audio_encoder.register_forward_hook(lambda *_: calls.append(1))
    model.generate(**inputs(processor, [asked("Who?", noise(1.0))]), max_new_tokens=4, min_new_tokens=4)
    assert len(calls) == 1


def test_the_template_renders_a_conversation(tiny: tuple[Any, Any]) -> None:
    chat = [
        *asked("Who?", np.zeros(1600, np.float32)),
        {"role": "assistant", "content": "Anna"},
        {"role": "user", "content": "Why?"},
    ]
    text = tiny[1].apply_chat_template(chat, add_generation_prompt=True)
    assert text == "<|user|><|audio|>Who?<|end|><|assistant|>Anna<|end|><|user|>Why?<|end|><|assistant|>"


def test_another_number_of_clips_than_places_is_refused(tiny: tuple[Any, Any], noise: Noise) -> None:
    with pytest.raises(ValueError, match="2 audio tokens, and 1 clips"):
        tiny[1](text="<|audio|><|audio|>Who?", audio=[noise(1.0)])


def test_another_rate_is_refused(tiny: tuple[Any, Any], noise: Noise) -> None:
    with pytest.raises(ValueError, match="8000 Hz"):
        tiny[1].feature_extractor(noise(1.0), sampling_rate=8000)
