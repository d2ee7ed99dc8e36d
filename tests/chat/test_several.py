"""One model behind several endpoints: real servers that are slow, die, refuse, come back, or are all gone."""

from __future__ import annotations

import logging
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest

from cpbench.chat import Chat, ChatRequest, Message, Reply, _several, load_chat
from cpbench.errors import UsageError, UserError

pytestmark = pytest.mark.usefixtures("short_rests")


@pytest.fixture
def short_rests(short_backoff: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint's first rest: 0.02 s instead of 0.5 s, with everything else as it is."""
    monkeypatch.setattr(_several, "REST", 0.02)


def chat(*urls: str, **options: object) -> Chat:
    asked = {"base_url": ",".join(urls), "concurrency": 4, **options}
    return load_chat("openai/served-model", {key: str(value) for key, value in asked.items()})


def requests(count: int) -> list[ChatRequest]:
    return [ChatRequest(str(n), (Message("user", f"question {n}"),), 8) for n in range(count)]


def echo(server: Any, delay: float = 0.0) -> Any:
    """Answers with the number of the question, after a while."""

    def say(body: dict[str, Any]) -> Any:
        number = body["messages"][0]["content"].split()[-1]
        return server.answer(server.completion(number).body, delay=delay)

    return say


def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def asked(server: Any) -> list[str]:
    return [body["messages"][0]["content"] for body in server.bodies]


def check_whole(replies: list[Reply], count: int) -> None:
    """Every request has its own answer, once."""
    assert Counter(reply.key for reply in replies) == Counter(str(n) for n in range(count))
    assert [reply.text for reply in replies] == [reply.key for reply in replies]


def test_equal_endpoints_share_the_work_and_each_keeps_to_its_concurrency(serve: Any) -> None:
    servers = [serve() for _ in range(3)]
    for server in servers:
        server.default = echo(server, 0.02)
    check_whole(list(chat(*(server.url for server in servers), concurrency=2).ask(requests(60))), 60)
    assert all(10 <= len(server.bodies) <= 30 and server.most_at_once <= 2 for server in servers)
    assert sum(len(server.bodies) for server in servers) == 60


def test_a_slow_endpoint_is_given_less(serve: Any) -> None:
    fast, slow = serve(), serve()
    fast.default, slow.default = echo(fast, 0.01), echo(slow, 0.2)
    check_whole(list(chat(fast.url, slow.url).ask(requests(120))), 120)
    assert len(slow.bodies) <= 40 and len(fast.bodies) >= 80


def test_an_endpoint_that_dies_in_the_middle_loses_nothing(serve: Any, caplog: Any) -> None:
    stays, dies = serve(), serve()
    stays.default = echo(stays, 0.005)

    def dying(body: dict[str, Any]) -> Any:
        if len(dies.bodies) == 10:
            threading.Thread(target=dies.close).start()
        return dies.answer(drop=True) if len(dies.bodies) >= 10 else echo(dies, 0.005)(body)

    dies.default = dying
    both = chat(stays.url, dies.url)
    check_whole(list(both.ask(requests(100))), 100)
    account = both.account()  # type: ignore[attr-defined]
    assert account[dies.url]["rested"] >= 1 and account[dies.url]["answered"] == 9
    assert account[stays.url]["answered"] == 91
    said = [record.getMessage() for record in caplog.records if record.name == "cpbench"]
    assert len(said) == 1 and said[0].startswith(f"{dies.url} rests, and its work goes to the others")


def test_an_endpoint_that_is_full_rests_and_comes_back(serve: Any, caplog: Any) -> None:
    caplog.set_level(logging.WARNING, "cpbench")
    other, full = serve(), serve()
    other.default, full.default = echo(other, 0.01), echo(full, 0.01)
    full.script = [full.problem(503, "loading") for _ in range(6)]
    both = chat(other.url, full.url)
    account = both.account  # type: ignore[attr-defined]

    def until_it_is_back() -> Iterator[ChatRequest]:
        yield from takewhile(lambda _: account()[full.url]["answered"] < 5, requests(20_000))

    replies = list(both.ask(until_it_is_back()))
    check_whole(replies, len(replies))
    assert account()[full.url]["failed"] == 6
    assert 2 <= account()[full.url]["rested"] <= 6  # what was in flight when it began to rest counts once
    assert f"{full.url} answers again" in caplog.text
    assert sum(reply.call.retries for reply in replies if reply.call) == 6


def test_a_server_s_own_wish_to_wait_is_kept(serve: Any) -> None:
    other, full = serve(), serve()
    other.default, full.default = echo(other, 0.01), echo(full)
    full.script = [full.problem(429, "slow down", retry_after="60")]
    check_whole(list(chat(other.url, full.url, concurrency=1).ask(requests(40))), 40)
    assert len(full.bodies) == 1  # the others took a second at most


def test_a_request_that_breaks_every_endpoint_fails_alone(serve: Any) -> None:
    servers = [serve(), serve()]
    for server in servers:
        good = echo(server)
        server.default = lambda body, server=server, good=good: (
            server.problem(500, "boom") if body["messages"][0]["content"] == "question 7" else good(body)
        )
    replies = {reply.key: reply for reply in chat(*(s.url for s in servers), max_retries=3).ask(requests(30))}
    assert [key for key, reply in replies.items() if reply.status != "ok"] == ["7"]
    assert "HTTP 500: boom (the last of 4 tries, at 2 endpoints)" in (replies["7"].error or "")
    assert all(asked(server).count("question 7") == 2 for server in servers)


def test_a_request_that_is_refused_is_not_tried_elsewhere(serve: Any) -> None:
    servers = [serve(), serve()]
    for server in servers:
        server.default = lambda body, server=server: server.problem(400, "audio too long")
    (reply,) = chat(*(server.url for server in servers)).ask(requests(1))
    assert (reply.status, reply.error) == ("api_error", "HTTP 400: audio too long")
    assert sum(len(server.bodies) for server in servers) == 1


def test_one_that_is_missing_at_the_start_is_said_and_done_without(serve: Any, caplog: Any) -> None:
    there, away = serve(), nobody()
    there.default = echo(there)
    check_whole(list(chat(away, there.url).ask(requests(20))), 20)
    assert f"{away} rests" in caplog.text and "refused" in caplog.text


def test_none_at_the_start_is_one_message_and_a_wrong_key_another(serve: Any) -> None:
    away = [nobody(), nobody()]
    with pytest.raises(UserError, match=r"none of 2 endpoints of served-model can be reached.*refused") as raised:
        list(chat(*away).ask(requests(1)))
    assert all(address in str(raised.value) for address in away)
    there, strict = serve(), serve()
    strict.listing = strict.problem(401, "Incorrect API key")
    with pytest.raises(UserError, match="Incorrect API key"):
        list(chat(there.url, strict.url).ask(requests(1)))
    assert there.bodies == []


def test_when_all_are_gone_the_answers_so_far_are_kept_and_one_message_ends_it(serve: Any) -> None:
    servers = [serve(), serve()]
    for server in servers:
        good = echo(server, 0.002)
        server.default = lambda body, server=server, good=good: (
            server.answer(drop=True) if len(server.bodies) > 15 else good(body)
        )
    replies = []
    with pytest.raises(UserError, match="2 endpoints: none answers any more") as raised:
        for reply in chat(*(server.url for server in servers), max_retries=2).ask(requests(200)):
            replies.append(reply)
    assert all(server.url in str(raised.value) for server in servers) and "same command again" in str(raised.value)
    answered = [reply for reply in replies if reply.status == "ok"]
    assert len(answered) == 30 and all(reply.text == reply.key for reply in answered)


def test_addresses_are_spread_over_once_each_and_sound_options_are_still_held(serve: Any) -> None:
    server = serve()
    one = chat(server.url, server.url, " ")
    assert not isinstance(one, _several.Several)
    with pytest.raises(UsageError, match="concurency"):
        chat(server.url, nobody(), concurency=3)
    with pytest.raises(UsageError, match="base_url"):
        load_chat("hf/x", {"base_url": "http://a/v1,http://b/v1"})


def test_one_public_address_makes_it_a_third_party() -> None:
    assert chat("http://localhost/v1", "https://api.example.com/v1").third_party
    assert not chat("http://localhost/v1", "http://10.0.0.7/v1").third_party
