"""The OpenAI-compatible client against a server that misbehaves in every way that has been seen."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from cpbench.chat import Chat, ChatRequest, Message, Reply, converse, load_chat
from cpbench.errors import UsageError, UserError

pytestmark = pytest.mark.usefixtures("short_backoff")
SLOW = {"retry_after_ms": "20"}  # the SDK waits as long as it is told, and else half a second and more


def chat(endpoint: Any, **options: object) -> Chat:
    asked = {"base_url": endpoint.url, "concurrency": 4, **options}
    return load_chat("openai/served-model", {key: str(value) for key, value in asked.items()})


def requests(count: int = 1, **options: Any) -> list[ChatRequest]:
    settings = {"max_tokens": 8, **options}
    return [ChatRequest(str(n), (Message("user", f"question {n}"),), **settings) for n in range(count)]


def ask(endpoint: Any, *script: Any, **options: Any) -> Reply:
    endpoint.script = list(script)
    (reply,) = chat(endpoint).ask(requests(**options))
    return reply


def test_a_reply_holds_text_usage_and_what_was_resolved(endpoint: Any) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "total_tokens": 107,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    reply = ask(endpoint, endpoint.completion("Sad.", model="served-model-2026", usage=usage))
    assert (reply.key, reply.status, reply.text, reply.finish_reason, reply.error) == ("0", "ok", "Sad.", "stop", None)
    assert reply.call is not None
    assert reply.call.usage == {
        "input_tokens": 100,
        "output_tokens": 7,
        "cached_tokens": 64,
        "audio_tokens": 30,
        "reasoning_tokens": 5,
    }
    assert (reply.call.model_requested, reply.call.model_resolved) == ("served-model", "served-model-2026")
    assert (reply.call.request_id, reply.call.system_fingerprint, reply.call.retries) == ("req_1", "fp_1", 0)
    assert reply.call.params_sent == {"max_tokens": 8, "temperature": 0.0}
    assert 0 < reply.call.latency_s < 10


def test_what_is_sent_is_what_was_asked(endpoint: Any) -> None:
    messages = (
        Message("system", "Be brief."),
        Message("user", "One"),
        Message("assistant", "Two"),
        Message("user", "3"),
    )
    asked = ChatRequest("a", messages, max_tokens=5, temperature=0.7, stop=("\n",), seed=3)
    list(chat(endpoint).ask([asked]))
    assert endpoint.bodies == [
        {
            "model": "served-model",
            "messages": [{"role": m.role, "content": m.text} for m in messages],
            "max_tokens": 5,
            "temperature": 0.7,
            "stop": ["\n"],
            "seed": 3,
        }
    ]


@pytest.mark.parametrize("temperature", [0.0, None])
def test_a_server_of_one_s_own_is_always_told_its_temperature(endpoint: Any, temperature: float | None) -> None:
    ask(endpoint, temperature=temperature, seed=3)
    assert "seed" not in endpoint.bodies[0]  # goes with a temperature above 0 only
    assert endpoint.bodies[0]["temperature"] == 0.0


SCHEMA = {
    "title": "a score",
    "type": "object",
    "properties": {"reason": {"type": "string"}, "score": {"enum": [0, 1, 2]}},
    "required": ["reason", "score"],
    "additionalProperties": False,
}


def test_a_schema_goes_along_and_the_text_comes_back_raw(endpoint: Any) -> None:
    reply = ask(endpoint, endpoint.completion('```json\n{"score": 1}\n```'), schema=SCHEMA)
    form = {"name": "a_score", "strict": True, "schema": SCHEMA}
    assert endpoint.bodies[0]["response_format"] == {"type": "json_schema", "json_schema": form}
    assert reply.text == '```json\n{"score": 1}\n```'
    assert reply.call is not None and reply.call.params_sent["response_format"] == "json_schema a_score"
    assert reply.call.params_rejected == ()


@pytest.mark.parametrize(
    "error",
    [
        {"message": "response_format is not supported by this model"},
        {"message": "Invalid schema: 'minLength' is not permitted.", "param": "response_format"},
    ],
)
def test_a_schema_that_is_not_taken_is_left_out_and_said_so(endpoint: Any, error: Any) -> None:
    bad = endpoint.problem(400, **error)
    endpoint.default = lambda body: bad if "response_format" in body else endpoint.completion()
    replies = list(chat(endpoint, concurrency=1).ask(requests(2, schema=SCHEMA)))
    assert [reply.status for reply in replies] == ["ok", "ok"] and len(endpoint.bodies) == 3
    assert all(reply.call is not None and "response_format" not in reply.call.params_sent for reply in replies)
    assert all(reply.call is not None and reply.call.params_rejected == ("response_format",) for reply in replies)


@pytest.mark.parametrize(
    ("text", "options", "status", "said"),
    [
        ("", {}, "ok", ""),
        (None, {}, "ok", ""),
        ("She sounds sa", {"finish": "length"}, "truncated", "She sounds sa"),
        ("", {"finish": "length"}, "truncated", ""),
        (None, {"message": {"refusal": "I cannot help."}}, "refusal", "I cannot help."),
        ("", {"finish": "content_filter"}, "content_filter", ""),
        ([{"type": "text", "text": "Sa"}, {"type": "text", "text": "d."}], {}, "ok", "Sad."),
    ],
)
def test_every_ending_has_its_status(endpoint: Any, text: Any, options: Any, status: str, said: str) -> None:
    reply = ask(endpoint, endpoint.completion(text, **options))
    assert (reply.status, reply.text) == (status, said)
    assert reply.call is not None and reply.call.usage["input_tokens"] == 11


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_that_come_apart_stay_apart(endpoint: Any, name: str) -> None:
    reply = ask(endpoint, endpoint.completion("Sad.", message={name: "It trembles."}))
    assert (reply.text, reply.reasoning) == ("Sad.", "It trembles.")


@pytest.mark.parametrize(
    ("status", "headers"), [(429, {"retry_after": "0.02"}), (429, SLOW), (500, SLOW), (503, SLOW), (408, SLOW)]
)
def test_a_passing_fault_is_tried_again(endpoint: Any, status: int, headers: dict[str, str]) -> None:
    fault = endpoint.problem(status, "later", **headers)
    reply = ask(endpoint, fault, fault, endpoint.completion())
    assert reply.status == "ok" and reply.call is not None and reply.call.retries == 2
    assert len(endpoint.bodies) == 3


def test_a_dropped_connection_is_tried_again(endpoint: Any) -> None:
    reply = ask(endpoint, endpoint.answer(drop=True), endpoint.completion())
    assert reply.status == "ok" and reply.call is not None and reply.call.retries == 1


def test_a_retry_after_beyond_the_sdk_s_patience_is_an_error_with_its_reason(endpoint: Any) -> None:
    reply = ask(endpoint, endpoint.problem(429, "quota until tomorrow", retry_after="3600"))
    assert reply.status == "api_error" and reply.call is None
    assert reply.error == "HTTP 429: quota until tomorrow (asks to wait 3600 s; more than 120 s are not waited)"


def test_a_slow_reply_ends_after_the_timeout(endpoint: Any) -> None:
    endpoint.default = lambda body: endpoint.answer(endpoint.completion().body, delay=0.6)
    (reply,) = chat(endpoint, timeout=0.15, max_retries=0).ask(requests())
    assert reply.status == "api_error" and "timed out" in (reply.error or "").lower()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"choices": [', {}),
        (b"<html>Gateway</html>", {"Content-Type": "text/html"}),
        (b'{"choices": []}', {}),
        (b"\xff\xfe", {}),
        (b"[]", {}),
        (b"null", {}),
        (b'{"choices": [{"index": 0}]}', {}),
    ],
)
def test_a_reply_that_is_no_completion_is_an_error(endpoint: Any, body: bytes, headers: dict[str, str]) -> None:
    reply = ask(endpoint, endpoint.answer(body, headers=headers))
    assert reply.status == "api_error" and "no chat completion" in (reply.error or "")


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (
            400,
            "The response was filtered due to the prompt triggering Azure's content management policy",
            "content_filter",
        ),
        (400, "Your request was rejected", "content_policy_violation"),
    ],
)
def test_a_filter_that_answers_with_an_error_is_a_filter(endpoint: Any, status: int, message: str, code: str) -> None:
    reply = ask(endpoint, endpoint.problem(status, message, code=code))
    assert (reply.status, reply.finish_reason) == ("content_filter", "content_filter")
    assert message in (reply.error or "")


def test_one_bad_request_fails_alone(endpoint: Any) -> None:
    def answer(body: Any) -> Any:
        bad = body["messages"][0]["content"] == "question 1"
        return endpoint.problem(400, "audio is too long") if bad else endpoint.completion()

    endpoint.default = answer
    replies = {reply.key: reply for reply in chat(endpoint).ask(requests(4))}
    assert [replies[str(n)].status for n in range(4)] == ["ok", "api_error", "ok", "ok"]
    assert replies["1"].error == "HTTP 400: audio is too long"


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Unsupported value: 'temperature' does not support 0 with this model", "param": "temperature"},
        {"message": "`temperature` is not supported by this model."},
        {"message": "Unrecognized request argument supplied: temperature"},
    ],
)
def test_a_rejected_temperature_is_left_out_from_then_on_and_not_recorded_as_sent(endpoint: Any, error: Any) -> None:
    endpoint.default = lambda body: endpoint.problem(400, **error) if "temperature" in body else endpoint.completion()
    replies = list(chat(endpoint, concurrency=1).ask(requests(3)))
    assert [reply.status for reply in replies] == ["ok"] * 3
    assert all(reply.call is not None and reply.call.params_sent == {"max_tokens": 8} for reply in replies)
    assert all(reply.call is not None and reply.call.params_rejected == ("temperature",) for reply in replies)
    assert len(endpoint.bodies) == 4


@pytest.mark.parametrize("known", ["max_tokens", "max_completion_tokens"])
def test_either_spelling_of_the_limit_is_found(endpoint: Any, known: str) -> None:
    def answer(body: Any) -> Any:
        other = next((name for name in ("max_tokens", "max_completion_tokens") if name in body and name != known), None)
        message = f"Unsupported parameter: '{other}' is not supported with this model. Use '{known}' instead."
        return endpoint.problem(400, message, param=other) if other else endpoint.completion()

    endpoint.default = answer
    (reply,) = chat(endpoint).ask(requests())
    assert reply.call is not None and reply.call.params_sent == {known: 8, "temperature": 0.0}


def test_a_bad_value_is_not_taken_for_a_rejected_parameter(endpoint: Any) -> None:
    endpoint.default = lambda body: endpoint.problem(400, "max_tokens is too large: 8", param="max_tokens")
    (reply,) = chat(endpoint).ask(requests())
    assert reply.status == "api_error" and len(endpoint.bodies) == 1


def test_a_server_that_rejects_everything_does_not_loop(endpoint: Any) -> None:
    endpoint.default = lambda body: endpoint.problem(400, "max_tokens, max_completion_tokens, temperature: unknown")
    (reply,) = chat(endpoint).ask(requests())
    assert reply.status == "api_error" and len(endpoint.bodies) <= 4


def test_a_refused_key_stops_before_any_call(endpoint: Any) -> None:
    endpoint.listing = endpoint.problem(401, "Incorrect API key provided")
    with pytest.raises(
        UserError, match=r"says 401, Incorrect API key provided: the key.*\n  try: export OPENAI_API_KEY"
    ):
        list(chat(endpoint).ask(requests(9)))
    assert endpoint.bodies == []


def test_a_key_refused_at_the_first_call_stops(endpoint: Any) -> None:
    endpoint.listing = endpoint.problem(404, "no listing here")
    endpoint.default = lambda body: endpoint.problem(401, "bad key")
    with pytest.raises(UserError, match="bad key"):
        list(chat(endpoint).ask(requests(99)))
    assert len(endpoint.bodies) <= 8


def test_an_unknown_model_stops_and_names_the_known_ones(endpoint: Any) -> None:
    endpoint.default = lambda body: endpoint.problem(404, "The model does not exist")
    with pytest.raises(UserError, match=r"'served-mode' \(did you mean 'served-model'\?\)\n  allowed: served-model"):
        list(load_chat("openai/served-mode", {"base_url": endpoint.url}).ask(requests()))


def test_a_base_url_without_its_path_is_mended(endpoint: Any) -> None:
    with pytest.raises(UserError, match=r"404.*\n  try: -M base_url=.*/v1"):
        list(load_chat("openai/served-model", {"base_url": endpoint.url.removesuffix("/v1")}).ask(requests()))


def test_an_unreachable_host_stops_and_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(UserError, match=rf"openai/m at {url} cannot be reached \(.*refused.*\n  try: -M base_url"):
        list(load_chat("openai/m", {"base_url": url}).ask(requests()))


def test_openai_itself_needs_a_key(endpoint: Any) -> None:
    with pytest.raises(UserError, match=r"no key for openai/gpt-4o at https://api.openai.com/v1: OPENAI_API_KEY"):
        list(load_chat("openai/gpt-4o", {}).ask(requests()))


def test_the_environment_s_key_and_base_url_apply(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    replies = list(load_chat("openai/served-model", {}).ask(requests()))
    assert endpoint.headers[0]["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in json.dumps(repr(replies))


def test_after_a_success_a_404_is_one_request_s_own(endpoint: Any) -> None:
    endpoint.script = [endpoint.completion(), endpoint.problem(404, "gone"), endpoint.completion()]
    statuses = [reply.status for reply in chat(endpoint, concurrency=1).ask(requests(3))]
    assert statuses == ["ok", "api_error", "ok"]


def test_a_run_that_only_collects_failures_stops(endpoint: Any) -> None:
    endpoint.default = lambda body: endpoint.problem(400, "this model takes no audio")
    got: list[Reply] = []
    with pytest.raises(UserError, match=r"20 calls in a row failed, the last: HTTP 400: this model takes no audio"):
        got.extend(chat(endpoint, concurrency=1).ask(requests(99)))
    assert len(endpoint.bodies) == 20


def test_an_endpoint_that_fails_too_often_at_the_start_stops(endpoint: Any) -> None:
    def answer(body: Any) -> Any:
        return endpoint.problem(500, "overloaded") if len(endpoint.bodies) % 3 == 0 else endpoint.completion()

    endpoint.default = answer
    with pytest.raises(UserError, match=r"11 of the first \d\d calls failed: HTTP 500: overloaded"):
        list(chat(endpoint, concurrency=1, max_retries=0).ask(requests(99)))


def test_requests_are_pulled_as_there_is_room_and_never_more_in_flight_than_asked(endpoint: Any) -> None:
    endpoint.default = lambda body: endpoint.answer(endpoint.completion().body, delay=0.01)
    pulled = 0

    def lazily() -> Any:
        nonlocal pulled
        for request in requests(24):
            pulled += 1
            yield request

    for done, _ in enumerate(chat(endpoint, concurrency=4).ask(lazily())):
        assert pulled <= done + 8
    assert 2 <= endpoint.most_at_once <= 4


def test_converse_hands_each_reply_to_its_piece_of_work(endpoint: Any) -> None:
    endpoint.default = lambda body: endpoint.completion(body["messages"][0]["content"].upper())
    work = [f"w{n}" for n in range(20)]

    def worded(piece: str) -> ChatRequest:
        return ChatRequest(piece, (Message("user", piece),), max_tokens=4)

    got = converse(chat(endpoint), work, worded, lambda piece, reply: (piece, reply.text))
    assert sorted(got) == sorted((piece, piece.upper()) for piece in work)


@pytest.mark.parametrize(
    ("url", "third_party"),
    [
        (None, True),
        ("https://api.openai.com/v1", True),
        ("http://127.0.0.1:8000/v1", False),
        ("http://localhost:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://10.1.2.3/v1", False),
        ("http://192.168.0.7/v1", False),
        ("http://gpu-node-7:8000/v1", False),
        ("http://vllm.local/v1", False),
        ("http://8.8.8.8/v1", True),
        ("https://localhost.example.com/v1", True),
        ("https://10.0.0.1.example.com/v1", True),
    ],
)
def test_who_is_a_third_party(endpoint: Any, url: str | None, third_party: bool) -> None:
    assert load_chat("openai/m", {} if url is None else {"base_url": url}).third_party is third_party


@pytest.mark.parametrize("spec", ["openai", "openai/", "opnai/gpt", "gpt-4o", ""])
def test_an_unknown_spec_names_what_is_allowed(spec: str) -> None:
    with pytest.raises(UsageError, match=r"unknown text LLM.*\n.*openai/NAME"):
        load_chat(spec, {})
