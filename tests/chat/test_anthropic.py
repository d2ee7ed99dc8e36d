"""Anthropic's client against a server that misbehaves in every way that has been seen."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from cpbench.chat import Chat, ChatRequest, Message, Reply, load_chat
from cpbench.errors import UserError

SCHEMA = {
    "title": "score",
    "type": "object",
    "properties": {"reason": {"type": "string", "maxLength": 9}, "score": {"enum": [0, 1, 2]}},
    "required": ["reason", "score"],
    "additionalProperties": False,
}


def chat(provider: Any, **options: object) -> Chat:
    asked = {"base_url": provider.url, "concurrency": 4, **options}
    return load_chat("anthropic/claude-x", {key: str(value) for key, value in asked.items()})


def requests(count: int = 1, **options: Any) -> list[ChatRequest]:
    settings = {"max_tokens": 8, **options}
    return [ChatRequest(str(n), (Message("user", f"question {n}"),), **settings) for n in range(count)]


def ask(provider: Any, *script: Any, **options: Any) -> Reply:
    provider.script = [each if not isinstance(each, dict) else provider.said(each) for each in script]
    (reply,) = chat(provider).ask(requests(**options))
    return reply


def test_a_reply_holds_text_usage_and_what_was_resolved(provider: Any) -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 7,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    thought = [{"type": "thinking", "thinking": "It trembles.", "signature": "s"}, {"type": "text", "text": "Sad."}]
    reply = ask(provider, provider.message(content=thought, usage=usage, model="claude-x-20261001"))
    assert (reply.key, reply.status, reply.text, reply.reasoning) == ("0", "ok", "Sad.", "It trembles.")
    assert reply.finish_reason == "end_turn" and reply.call is not None
    assert reply.call.usage == {
        "input_tokens": 117,
        "output_tokens": 9,
        "cached_tokens": 100,
        "cache_write_tokens": 7,
        "reasoning_tokens": 4,
    }
    assert (reply.call.model_requested, reply.call.model_resolved) == ("claude-x", "claude-x-20261001")
    assert (reply.call.request_id, reply.call.retries) == ("req_1", 0)
    assert reply.call.params_sent == {"max_tokens": 8, "temperature": 0.0}


def test_what_is_sent_is_what_was_asked_with_the_system_part_for_the_cache(provider: Any) -> None:
    messages = (Message("system", "Be brief."), Message("user", "1"), Message("assistant", "2"), Message("user", "3"))
    asked = ChatRequest("a", messages, max_tokens=5, temperature=0.7, stop=("END",), seed=3, schema=SCHEMA)
    (reply,) = chat(provider).ask([asked])
    (body,) = provider.calls
    form = body.pop("output_config")["format"]
    assert body == {
        "model": "claude-x",
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": m.role, "content": m.text} for m in messages[1:]],
        "max_tokens": 5,
        "temperature": 0.7,
        "stop_sequences": ["END"],
    }
    assert form["type"] == "json_schema" and form["schema"]["properties"]["score"] == {"enum": [0, 1, 2]}
    assert "maxLength" not in form["schema"]["properties"]["reason"]  # which Anthropic does not take
    assert reply.call is not None and reply.call.params_rejected == ("seed",)
    assert reply.call.params_sent["output_config"] == "json_schema score"


@pytest.mark.parametrize(
    ("message", "status", "said"),
    [
        ({"text": None}, "ok", ""),
        ({"text": ""}, "ok", ""),
        ({"text": "She sounds sa", "stop": "max_tokens"}, "truncated", "She sounds sa"),
        ({"text": None, "stop": "max_tokens"}, "truncated", ""),
        ({"text": "She", "stop": "model_context_window_exceeded"}, "truncated", "She"),
        ({"text": "I can't.", "stop": "refusal"}, "refusal", "I can't."),
        (
            {"text": None, "stop": "refusal", "stop_details": {"type": "refusal", "explanation": "No."}},
            "refusal",
            "No.",
        ),
        ({"text": '```json\n{"score": 3}\n```', "stop": "stop_sequence"}, "ok", '```json\n{"score": 3}\n```'),
    ],
)
def test_every_ending_has_its_status_and_keeps_its_usage(provider: Any, message: Any, status: str, said: str) -> None:
    reply = ask(provider, provider.message(**message), schema=SCHEMA)
    assert (reply.status, reply.text) == (status, said)
    assert reply.call is not None and reply.call.usage == {"input_tokens": 84, "output_tokens": 5, "cached_tokens": 64}


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_passing_fault_is_tried_again(provider: Any, status: int) -> None:
    fault = provider.refusal(status, "later", "overloaded_error")
    reply = ask(provider, fault, fault, provider.message())
    assert reply.status == "ok" and reply.call is not None and reply.call.retries == 2


def test_a_retry_after_is_waited(provider: Any) -> None:
    reply = ask(provider, provider.refusal(429, "later", retry_after="0.05"), provider.message())
    assert reply.call is not None and reply.call.retries == 1 and reply.call.latency_s >= 0.05


def test_a_retry_after_beyond_patience_is_an_error_with_its_reason_and_no_wait_of_days(provider: Any) -> None:
    reply = ask(provider, provider.refusal(429, "quota until tomorrow", retry_after="3600"))
    assert reply.status == "api_error" and reply.call is None and len(provider.calls) == 1
    assert reply.error == "HTTP 429: quota until tomorrow (asks to wait 3600 s; more than 120 s are not waited)"


def test_a_dropped_connection_is_tried_again(provider: Any) -> None:
    reply = ask(provider, provider.said(drop=True), provider.message())
    assert reply.status == "ok" and reply.call is not None and reply.call.retries == 1


def test_a_slow_reply_ends_after_the_timeout(provider: Any) -> None:
    provider.script = [provider.said(provider.message(), delay=0.5)]
    (reply,) = chat(provider, timeout=0.1, max_retries=0).ask(requests())
    assert reply.status == "api_error" and "timed out" in (reply.error or "").lower()


@pytest.mark.parametrize("body", [b'{"content": [', b"<html>", b"[]", b"null", b'{"type": "message"}', b"\xff\xfe"])
def test_a_reply_that_is_no_message_is_an_error(provider: Any, body: bytes) -> None:
    reply = ask(provider, provider.said(body))
    assert reply.status == "api_error" and "no chat completion" in (reply.error or "")


def test_a_filter_that_answers_with_an_error_is_a_filter(provider: Any) -> None:
    reply = ask(provider, provider.refusal(400, "Output blocked by content filtering policy"))
    assert (reply.status, reply.finish_reason) == ("content_filter", "content_filter")


@pytest.mark.parametrize(
    "said",
    [
        "temperature: Extra inputs are not permitted",
        "`temperature` is deprecated for this model.",
        "`temperature` may only be set to 1 when thinking is enabled.",
    ],
)
def test_a_rejected_temperature_costs_one_try_and_is_recorded(provider: Any, said: str) -> None:
    bad = provider.refusal(400, said)
    provider.default = lambda body: bad if "temperature" in body else provider.said(provider.message())
    replies = list(chat(provider).ask(requests(5)))
    assert [reply.status for reply in replies] == ["ok"] * 5 and len(provider.calls) == 6
    for reply in replies:
        assert reply.call is not None and reply.call.params_sent == {"max_tokens": 8}
        assert reply.call.params_rejected == ("temperature",)


@pytest.mark.parametrize(
    "said", ["output_config.format: Extra inputs are not permitted", "This model does not support structured outputs."]
)
def test_a_rejected_schema_is_left_out(provider: Any, said: str) -> None:
    bad = provider.refusal(400, said)
    provider.default = lambda body: bad if "output_config" in body else provider.said(provider.message())
    (reply,) = chat(provider).ask(requests(schema=SCHEMA))
    assert reply.status == "ok" and reply.call is not None and reply.call.params_rejected == ("output_config",)


def test_one_bad_request_fails_alone(provider: Any) -> None:
    def answer(body: Any) -> Any:
        bad = body["messages"][0]["content"] == "question 1"
        return provider.refusal(413, "request too large") if bad else provider.said(provider.message())

    provider.default = answer
    replies = {reply.key: reply for reply in chat(provider).ask(requests(4))}
    assert [replies[str(n)].status for n in range(4)] == ["ok", "api_error", "ok", "ok"]


def test_the_first_request_goes_alone_and_fills_the_cache(provider: Any) -> None:
    order: list[str] = []

    def answer(body: Any) -> Any:
        order.append("in")
        return provider.said(provider.message(), delay=0.02)

    provider.default = answer
    for _ in chat(provider).ask(requests(5)):
        order.append("out")
    assert order[:3] == ["in", "out", "in"] and len(order) == 10


def test_it_hears_nothing(provider: Any) -> None:
    with pytest.raises(UserError, match=r"Anthropic's models hear nothing: 'anthropic/claude-x'"):
        list(chat(provider).ask([ChatRequest("k", (Message("user", "how", (b"RIFF",)),), max_tokens=4)]))


def test_a_refused_key_stops_before_any_call(provider: Any) -> None:
    provider.listing = provider.refusal(401, "invalid x-api-key", "authentication_error")
    with pytest.raises(UserError, match=r"401, invalid x-api-key: the key.*\n  try: export ANTHROPIC_API_KEY"):
        list(chat(provider).ask(requests(9)))
    assert provider.calls == []


def test_a_key_that_is_revoked_on_the_way_stops_and_keeps_what_was_answered(provider: Any) -> None:
    served: list[int] = []

    def answer(body: Any) -> Any:
        if len(provider.calls) > 6:
            return provider.refusal(401, "revoked", "authentication_error")
        served.append(1)
        return provider.said(provider.message(), delay=0.01)

    provider.default = answer
    got: list[Reply] = []
    with pytest.raises(UserError, match="says 401, revoked: the key is not accepted"):
        for reply in chat(provider).ask(requests(99)):
            got.append(reply)
    assert sum(reply.status == "ok" for reply in got) == len(served) >= 1 and len(provider.calls) <= 16


def test_an_empty_account_stops(provider: Any) -> None:
    provider.default = lambda body: provider.refusal(400, "Your credit balance is too low to access the API")
    with pytest.raises(UserError, match=r"credit balance is too low.*\n  try: look into the account"):
        list(chat(provider).ask(requests(99)))
    assert len(provider.calls) == 1


def test_an_unknown_model_stops_and_names_the_known_ones(provider: Any) -> None:
    provider.default = lambda body: provider.refusal(404, "model: claude-servd", "not_found_error")
    with pytest.raises(UserError, match=r"'claude-servd' \(did you mean 'claude-served'\?\)\n  allowed: claude-served"):
        list(load_chat("anthropic/claude-servd", {"base_url": provider.url}).ask(requests()))


def test_an_unreachable_host_stops_and_is_named(provider: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UserError, match=rf"anthropic/m at {url} cannot be reached \(.*refused"):
        list(load_chat("anthropic/m", {"base_url": url}).ask(requests()))


def test_anthropic_itself_needs_a_key(provider: Any) -> None:
    with pytest.raises(UserError, match=r"no key for anthropic/m at https://api.anthropic.com: ANTHROPIC_API_KEY"):
        list(load_chat("anthropic/m").ask(requests()))


def test_the_environment_s_key_and_base_url_apply(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
    replies = list(load_chat("anthropic/m").ask(requests()))
    assert "sk-secret" in json.dumps(provider.headers[0]) and "sk-secret" not in repr(replies)


def test_an_answer_can_contain_anything(provider: Any) -> None:
    text = "{reference} {{ reference }} \x00 ``` \u2028 \u202e\u05e2\u05d1 </answer> \U0001f642"
    list(chat(provider).ask([ChatRequest("k", (Message("user", text),), max_tokens=4)]))
    assert provider.calls[0]["messages"][0]["content"] == text


def test_half_a_character_is_said_to_be_one_and_nobody_s_fault(provider: Any) -> None:
    asked = [ChatRequest("k", (Message("user", "\ud800"),), max_tokens=4)]
    (reply,) = chat(provider).ask(asked)
    assert reply.status == "api_error" and "cannot be sent" in (reply.error or "") and provider.calls == []
