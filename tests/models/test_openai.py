"""openai/NAME as a model: what the endpoint hears, and what becomes of its replies."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import numpy as np
import pytest

from cpbench.errors import UserError
from cpbench.models import load_model
from cpbench.parts import Model
from cpbench.records import Prediction


def model(endpoint: Any, **options: str) -> Model:
    return load_model("openai/served-model", {"base_url": endpoint.url, **options})


def answer(endpoint: Any, turn: Any, *script: Any) -> Prediction:
    endpoint.script = list(script)
    (prediction,) = model(endpoint).answer([turn()])
    return prediction


def heard_by(body: Any) -> list[tuple[int, np.ndarray]]:
    """The clips in a chat request as a server decodes them: (sampling rate, samples in [-1, 1])."""
    clips = []
    for part in body["messages"][-1]["content"]:
        if part["type"] == "input_audio":
            assert part["input_audio"]["format"] == "wav"
            with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"], validate=True))) as file:
                assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
                clips.append((file.getframerate(), samples))
    return clips


def test_the_clip_arrives_with_its_rate_length_and_content(endpoint: Any, turn: Any) -> None:
    (said,) = model(endpoint).answer([turn(seconds=1.5, hertz=440)])
    ((rate, samples),) = heard_by(endpoint.bodies[0])
    assert rate == 16000 and len(samples) == 24000
    source = 0.5 * np.sin(2 * np.pi * 440 * np.arange(24000) / 16000)
    assert np.abs(samples - source).max() < 1e-4
    assert said.answer == "Sad." and said.audio_seconds == said.audio_seconds_heard == 1.5


def test_the_clips_stand_in_order_before_the_question(endpoint: Any, turn: Any) -> None:
    list(model(endpoint).answer([turn(clips=2, text="Which is older?")]))
    content = endpoint.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["input_audio", "input_audio", "text"]
    assert content[2]["text"] == "Which is older?"
    peaks = [np.abs(np.fft.rfft(samples)).argmax() for _, samples in heard_by(endpoint.bodies[0])]
    assert peaks == [440, 540]  # one second at 16 kHz: a bin a hertz


def test_words_alone_are_sent_as_text(endpoint: Any, turn: Any) -> None:
    (said,) = model(endpoint, system="Be brief.").answer([turn(clips=0)])
    assert endpoint.bodies[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How does she feel?"},
    ]
    assert said.audio_seconds_heard == 0.0


def test_options_stand_before_the_task_s_generation(endpoint: Any, turn: Any) -> None:
    list(model(endpoint).answer([turn()]))
    list(model(endpoint, max_new_tokens="7", temperature="0.5").answer([turn()]))
    assert [(body["max_tokens"], body["temperature"]) for body in endpoint.bodies] == [(32, 0.0), (7, 0.5)]


def test_tokens_and_the_ending_are_kept(endpoint: Any, turn: Any) -> None:
    said = answer(endpoint, turn, endpoint.completion("She sounds sa", finish="length"))
    assert (said.answer, said.status, said.finish_reason) == ("She sounds sa", "ok", "length")
    assert (said.input_tokens, said.output_tokens) == (11, 3)


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        ("", {}, "empty"),
        (None, {}, "empty"),
        ("", {"finish": "length"}, "truncated"),
        ("<think>She", {"finish": "length"}, "truncated"),
        (None, {"finish": "length", "message": {"reasoning_content": "She"}}, "truncated"),
        (None, {"message": {"refusal": "I cannot."}}, "refused"),
        ("", {"finish": "content_filter"}, "refused"),
    ],
)
def test_every_ending_becomes_its_status(endpoint: Any, turn: Any, text: Any, options: Any, status: str) -> None:
    said = answer(endpoint, turn, endpoint.completion(text, **options))
    assert said.status == status and said.answer == ("I cannot." if "refusal" in options.get("message", {}) else "")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_reach_the_reasoning_and_never_the_answer(endpoint: Any, turn: Any, name: str) -> None:
    thought = "Her voice trembles </think> or not?"
    said = answer(endpoint, turn, endpoint.completion("Afraid.", message={name: "It trembles: angry?"}))
    assert (said.reasoning, said.answer, said.status) == ("It trembles: angry?", "Afraid.", "ok")
    said = answer(endpoint, turn, endpoint.completion("Afraid.", message={name: thought}))
    assert said.answer == "Afraid." and "trembles" in (said.reasoning or "")


def test_a_filter_that_answers_with_an_error_is_a_refusal_and_an_error_is_none(endpoint: Any, turn: Any) -> None:
    filtered = endpoint.problem(400, "filtered", code="content_filter")
    assert answer(endpoint, turn, filtered).status == "refused"
    said = answer(endpoint, turn, endpoint.problem(400, "audio too long"))
    assert (said.status, said.error) == ("error", "HTTP 400: audio too long")


def test_a_wrong_key_stops_the_run(endpoint: Any, turn: Any) -> None:
    endpoint.listing = endpoint.problem(401, "Incorrect API key")
    with pytest.raises(UserError, match="Incorrect API key"):
        list(model(endpoint).answer([turn()]))


def test_only_as_many_turns_are_held_as_are_in_flight(endpoint: Any, turn: Any) -> None:
    one, pulled = turn(seconds=0.2), 0

    def turns() -> Any:
        nonlocal pulled
        for n in range(20):
            pulled += 1
            import dataclasses

            yield dataclasses.replace(one, request=dataclasses.replace(one.request, item_id=str(n)))

    for done, _ in enumerate(model(endpoint, concurrency="2").answer(turns())):
        assert pulled <= done + 4


def test_the_card_says_where_the_clips_go(endpoint: Any) -> None:
    here, there = (
        model(endpoint).card,
        load_model("openai/Qwen/Qwen2-Audio-7B", {"base_url": "https://api.example.com/v1"}).card,
    )
    assert (here.third_party, there.third_party) == (False, True)
    assert (there.name, there.family, there.kind, there.sampling_rate) == (
        "Qwen/Qwen2-Audio-7B",
        "qwen",
        "end_to_end",
        16000,
    )
