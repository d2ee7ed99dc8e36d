"""Batches of both providers: out of order, partly failed, expired, broken off, and killed at every point."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cpbench.chat import ChatRequest, Message, Reply, load_chat
from cpbench.chat.batch import BatchChat
from cpbench.errors import UsageError, UserError

PROVIDERS = ["openai", "anthropic"]
MODEL = {"openai": "served-model-2026", "anthropic": "claude-served-1"}  # what the server says that answered
each_provider = pytest.mark.parametrize("kind", PROVIDERS)


def batch_chat(provider: Any, kind: str, folder: Path, **options: Any) -> BatchChat:
    url = provider.url + ("/v1" if kind == "openai" else "")
    chat = load_chat(f"{kind}/claude-served", {"base_url": url, "max_retries": "2"})
    return BatchChat(chat, folder, **{"poll": 0.01, **options})


def requests(count: int, **options: Any) -> list[ChatRequest]:
    settings = {"max_tokens": 8, **options}
    return [ChatRequest(f"key/{n}", (Message("user", f"question {n}"),), **settings) for n in range(count)]


def by_key(replies: Any) -> dict[str, Reply]:
    found: dict[str, Reply] = {}
    for reply in replies:
        assert reply.key not in found
        found[reply.key] = reply
    return found


def wrong(kind: str, words: str, code: int = 400) -> dict[str, Any]:
    """A request of a batch that its provider refused."""
    if kind == "anthropic":
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": words}, "request_id": "r"}
        return {"result": {"type": "errored", "error": error}}
    return {"response": {"status_code": code, "body": {"error": {"message": words, "code": None}}}}


def expired(kind: str) -> dict[str, Any]:
    if kind == "anthropic":
        return {"result": {"type": "expired"}}
    return {
        "response": None,
        "error": {"code": "batch_expired", "message": "This request could not be executed in time"},
    }


@each_provider
def test_results_in_any_order_find_their_requests(provider: Any, kind: str, tmp_path: Path) -> None:
    said: list[str] = []
    chat = batch_chat(provider, kind, tmp_path, say=said.append)
    replies = by_key(chat.ask(requests(7, temperature=0.5, seed=3)))
    assert len(provider.batches) == 1 and len(provider.calls) == 1  # the first goes as an ordinary call
    assert [replies[f"key/{n}"].text for n in range(1, 7)] == [f"QUESTION {n}" for n in range(1, 7)]
    call = replies["key/3"].call
    assert call is not None and call.usage["output_tokens"] > 0
    assert (call.model_requested, call.model_resolved) == ("claude-served", MODEL[kind])
    assert call.params_sent["batch"] == "batch0" and call.params_sent["temperature"] == 0.5
    assert call.params_rejected == (("seed",) if kind == "anthropic" else ())
    assert said == ["batch batch0: 6 requests sent", "batch batch0: 6 of 6 done"]
    assert not list((tmp_path / "parts").iterdir())  # texts that nobody needs any more


@each_provider
def test_a_second_run_makes_no_call(provider: Any, kind: str, tmp_path: Path) -> None:
    first = by_key(batch_chat(provider, kind, tmp_path).ask(requests(5)))
    polls = provider.polls
    second = by_key(batch_chat(provider, kind, tmp_path).ask(requests(5)))
    assert first == second and len(provider.asked) == 5 and provider.polls == polls


@each_provider
def test_only_what_is_missing_or_changed_is_sent_again(provider: Any, kind: str, tmp_path: Path) -> None:
    provider.outcome = lambda text, body: expired(kind) if text == "question 2" else {}
    first = by_key(batch_chat(provider, kind, tmp_path).ask(requests(5)))
    assert [first[f"key/{n}"].status for n in range(5)] == ["ok", "ok", "expired", "ok", "ok"]
    assert first["key/2"].call is None
    provider.outcome = None
    changed = [*requests(5)[:4], ChatRequest("key/4", (Message("user", "another question"),), 8)]
    second = by_key(batch_chat(provider, kind, tmp_path).ask(changed))
    assert all(reply.status == "ok" for reply in second.values())
    assert sorted(set(provider.asked)) == sorted([*(f"question {n}" for n in range(5)), "another question"])
    assert provider.asked.count("question 2") == 2 and len(provider.asked) == 7


@each_provider
def test_every_ending_of_a_request_has_its_status(provider: Any, kind: str, tmp_path: Path) -> None:
    ok = {
        "openai": lambda text, finish: {
            "response": {
                "status_code": 200,
                "body": provider.completion(text, {"max_tokens": "length"}.get(finish, finish)),
            }
        },
        "anthropic": lambda text, finish: {"result": {"type": "succeeded", "message": provider.message(text, finish)}},
    }[kind]
    made = {
        "question 1": ok("cut o", "max_tokens"),
        "question 2": wrong(kind, "Output blocked by content filtering policy"),
        "question 3": wrong(kind, "prompt is too long"),
        "question 4": expired(kind),
        "question 5": {"missing": True},
        "question 6": ok("a\u2028b \x85 c", "stop"),
    }
    provider.outcome = lambda text, body: made.get(text, {})
    replies = by_key(batch_chat(provider, kind, tmp_path).ask(requests(8)))
    found = [replies[f"key/{n}"].status for n in range(8)]
    assert found == ["ok", "truncated", "content_filter", "api_error", "expired", "api_error", "ok", "ok"]
    assert replies["key/1"].call is not None and replies["key/1"].call.usage["output_tokens"] > 0
    assert "prompt is too long" in (replies["key/3"].error or "")
    assert "ended without a result" in (replies["key/5"].error or "")
    assert replies["key/6"].text == "a\u2028b \x85 c"


def test_a_batch_of_openai_that_expires_leaves_the_rest_expired(provider: Any, tmp_path: Path) -> None:
    provider.final = "expired"
    provider.outcome = lambda text, body: {"missing": True} if text == "question 2" else {}
    replies = by_key(batch_chat(provider, "openai", tmp_path).ask(requests(4)))
    assert [replies[f"key/{n}"].status for n in range(4)] == ["ok", "ok", "expired", "ok"]


def test_a_batch_that_fails_as_a_whole_is_one_message_and_can_be_sent_again(provider: Any, tmp_path: Path) -> None:
    provider.final = "failed"
    with pytest.raises(UserError, match=r"refused a batch: the model does not exist\n  try: the same command again"):
        list(batch_chat(provider, "openai", tmp_path).ask(requests(4)))
    provider.final = "completed"
    assert len(by_key(batch_chat(provider, "openai", tmp_path).ask(requests(4)))) == 4


@each_provider
def test_batches_are_split_by_number_and_by_bytes(provider: Any, kind: str, tmp_path: Path) -> None:
    assert len(by_key(batch_chat(provider, kind, tmp_path / "a", most_requests=3).ask(requests(8)))) == 8
    assert sorted(len(batch.lines) for batch in provider.batches.values()) == [1, 3, 3]
    size = len(json.dumps(next(iter(provider.batches.values())).lines[0], separators=(",", ":"))) + 1
    provider.batches.clear()
    assert len(by_key(batch_chat(provider, kind, tmp_path / "b", most_bytes=2 * size).ask(requests(8)))) == 8
    assert sorted(len(batch.lines) for batch in provider.batches.values()) == [1, 2, 2, 2]


@each_provider
def test_a_rejected_temperature_is_found_before_the_batch_comes_to_nothing(
    provider: Any, kind: str, tmp_path: Path
) -> None:
    good = provider.completion() if kind == "openai" else provider.message()
    bad = provider.refusal(400, "temperature is not supported by this model")
    provider.default = lambda body: bad if "temperature" in body else provider.said(good)
    provider.outcome = lambda text, body: wrong(kind, "temperature") if "temperature" in body else {}
    replies = by_key(batch_chat(provider, kind, tmp_path).ask(requests(4)))
    assert [reply.status for reply in replies.values()] == ["ok"] * 4
    assert all(reply.call and reply.call.params_rejected == ("temperature",) for reply in replies.values())


@each_provider
def test_results_that_break_off_are_read_on(provider: Any, kind: str, tmp_path: Path) -> None:
    provider.result_cuts = [900, 400]
    replies = by_key(batch_chat(provider, kind, tmp_path).ask(requests(6)))
    assert [replies[f"key/{n}"].text for n in range(1, 6)] == [f"QUESTION {n}" for n in range(1, 6)]
    assert provider.result_cuts == []


@each_provider
def test_a_creation_that_fails_for_a_while_is_tried_again(provider: Any, kind: str, tmp_path: Path) -> None:
    provider.refusing = [provider.refusal(503, "later"), provider.refusal(429, "later", retry_after="0.01")]
    assert len(by_key(batch_chat(provider, kind, tmp_path).ask(requests(3)))) == 3
    assert len(provider.batches) == 1


@each_provider
@pytest.mark.parametrize("how", ["drop", "500"])
def test_a_creation_that_was_heard_and_not_confirmed_is_found_and_not_repeated(
    provider: Any, kind: str, how: str, tmp_path: Path
) -> None:
    provider.creating = [provider.said(drop=True) if how == "drop" else provider.refusal(500, "oops")]
    assert len(by_key(batch_chat(provider, kind, tmp_path).ask(requests(5)))) == 5
    assert len(provider.batches) == 1 and len(provider.asked) == 5


@each_provider
def test_a_provider_that_takes_no_batch_says_why(provider: Any, kind: str, tmp_path: Path) -> None:
    provider.refusing = [provider.refusal(403, "batches are not for you")]
    with pytest.raises(UserError, match=r"takes no batch: HTTP 403: batches are not for you\n  try: .*without --batch"):
        list(batch_chat(provider, kind, tmp_path).ask(requests(3)))
    assert len(by_key(batch_chat(provider, kind, tmp_path).ask(requests(3)))) == 3
    assert len(provider.asked) == 3


CLIENT = """
import sys
from pathlib import Path
from cpbench.chat import ChatRequest, Message, load_chat
from cpbench.chat.batch import BatchChat

kind, url, folder, count = sys.argv[1:]
chat = load_chat(f"{kind}/claude-served", {"base_url": url})
asked = [ChatRequest(f"key/{n}", (Message("user", f"question {n}"),), max_tokens=8) for n in range(int(count))]
for reply in BatchChat(chat, Path(folder), poll=0.01).ask(asked):
    print(reply.key, flush=True)
"""


def killed(provider: Any, kind: str, folder: Path, until: Any) -> list[str]:
    """Run a client in a process of its own, kill it as soon as `until` holds, and return what it had in hand."""
    url = provider.url + ("/v1" if kind == "openai" else "")
    command = [sys.executable, "-c", CLIENT, kind, url, str(folder), "6"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    return out.split()


@each_provider
def test_killed_while_it_waits_for_a_batch_it_resumes_and_pays_nothing_twice(
    provider: Any, kind: str, tmp_path: Path
) -> None:
    provider.ended = False
    had = killed(provider, kind, tmp_path, lambda: provider.polls > 3)
    assert had == ["key/0"] and len(provider.asked) == 6
    provider.ended = True
    replies = by_key(batch_chat(provider, kind, tmp_path).ask(requests(8)))  # two more than before
    assert len(replies) == 8 and [replies[f"key/{n}"].text for n in range(1, 6)] == [
        f"QUESTION {n}" for n in range(1, 6)
    ]
    assert sorted(provider.asked) == sorted(f"question {n}" for n in range(8))


@each_provider
def test_killed_between_the_provider_s_yes_and_our_note_of_it_it_finds_the_batch(
    provider: Any, kind: str, tmp_path: Path
) -> None:
    provider.hold.clear()
    killed(provider, kind, tmp_path, provider.seen.is_set)
    provider.hold.set()
    assert len(provider.batches) == 1
    replies = by_key(batch_chat(provider, kind, tmp_path).ask(requests(6)))
    assert len(replies) == 6 and len(provider.batches) == 1
    assert sorted(provider.asked) == sorted(f"question {n}" for n in range(6))


@each_provider
def test_a_batch_of_somebody_else_of_the_same_size_is_not_taken_for_ours(
    provider: Any, kind: str, tmp_path: Path
) -> None:
    by_key(batch_chat(provider, kind, tmp_path / "theirs").ask(requests(6, max_tokens=9)))
    provider.hold.clear()
    provider.seen.clear()
    killed(provider, kind, tmp_path / "ours", provider.seen.is_set)
    provider.hold.set()
    ours = list(provider.batches)[1]
    del provider.batches[ours]  # it never came to be
    replies = by_key(batch_chat(provider, kind, tmp_path / "ours").ask(requests(6)))
    assert len(replies) == 6 and all(reply.status == "ok" for reply in replies.values())


def test_a_local_model_has_no_batches(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no batches with 'x'\n  allowed: openai/NAME, anthropic/NAME"):
        BatchChat(load_chat("hf/x"), tmp_path)


def test_a_wrong_key_is_told_before_anything_is_written(provider: Any, tmp_path: Path) -> None:
    provider.listing = provider.refusal(401, "invalid x-api-key")
    with pytest.raises(UserError, match="invalid x-api-key"):
        list(batch_chat(provider, "anthropic", tmp_path / "b").ask(requests(3)))
    assert not (tmp_path / "b").exists()
