"""Prices, dry runs and budgets, against sums by hand and a server that counts."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import pytest

from cpbench.chat import Chat, ChatRequest, Message, Reply, load_chat
from cpbench.chat.batch import BatchChat
from cpbench.chat.prices import Budget, DryRun, Price, Prices, Spent, Tally, cost_of, estimated_input, load_prices
from cpbench.errors import UsageError, UserError
from cpbench.records import Call

TABLE = """
currency: EUR
models:
  served-model: {input: 2.0, output: 10.0, cached: 0.5, audio: 40, batch: 0.5}
  anthropic/claude-served: {input: 3, output: 15, cached: 0.3, cache_write: 3.75}
"""


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    (tmp_path / "prices.yaml").write_text(TABLE)
    return load_prices(tmp_path / "prices.yaml")


def chat(endpoint: Any, concurrency: int = 4) -> Chat:
    return load_chat("openai/served-model", {"base_url": endpoint.url, "concurrency": str(concurrency)})


def requests(count: int, text: str = "x" * 350, max_tokens: int = 100) -> list[ChatRequest]:
    return [ChatRequest(str(n), (Message("user", text),), max_tokens=max_tokens) for n in range(count)]


def paid(usage: dict[str, int], model: str = "served-model", **sent: Any) -> Call:
    return Call(model, model, sent, usage, "now")


def test_the_price_of_a_call_is_the_sum_over_its_kinds_of_tokens(prices: Prices) -> None:
    usage = {
        "input_tokens": 1000,
        "cached_tokens": 200,
        "audio_tokens": 300,
        "output_tokens": 40,
        "reasoning_tokens": 9,
    }
    by_hand = (500 * 2.0 + 200 * 0.5 + 300 * 40 + 40 * 10) / 1e6
    assert cost_of(paid(usage), prices) == pytest.approx(by_hand)
    assert cost_of(paid(usage, batch="b1"), prices) == pytest.approx(by_hand / 2)
    written = {"input_tokens": 1000, "cached_tokens": 200, "cache_write_tokens": 300, "output_tokens": 40}
    by_hand = (500 * 3 + 200 * 0.3 + 300 * 3.75 + 40 * 15) / 1e6
    assert cost_of(paid(written, "claude-served"), prices) == pytest.approx(by_hand)
    assert Price(input=1, output=2).cost({"input_tokens": 10, "cached_tokens": 4}) == pytest.approx(10 / 1e6)


def test_a_model_that_the_table_lacks_is_named_with_the_nearest(prices: Prices, endpoint: Any) -> None:
    other = load_chat("openai/servd-model", {"base_url": endpoint.url})
    for wrapped in (DryRun, Budget):
        with pytest.raises(UserError, match=r"no price for 'servd-model' \(did you mean 'served-model'\?\)"):
            wrapped(other, prices=prices)
    assert endpoint.bodies == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("models: {a: {input: 1}}", "models.a.output: Field required"),
        ("models: {a: {input: -1, output: 2}}", "input must be 0 or more"),
        ("models: {a: {input: .nan, output: 2}}", "input must be 0 or more"),
        ("models: {a: {input: much, output: 2}}", "models.a.input: Input should be a valid number"),
        ("models: {a: {input: 1, output: 2, cache: 1}}", "models.a.cache: Unexpected keyword"),
        ("modells: {}", "modells: Unexpected keyword|models: Field required"),
        ("models: [", "is no YAML"),
        ("", "should be a dictionary"),
    ],
)
def test_a_broken_table_is_told_where(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(UserError, match=what):
        load_prices(tmp_path / "p.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        load_prices(tmp_path / "nowhere.yaml")


def test_the_estimate_counts_text_schema_and_seconds() -> None:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(2 * 16000 * 3))
    asked = ChatRequest("k", (Message("system", "a" * 350), Message("user", "é" * 35, (sound.getvalue(),))), 9)
    assert estimated_input(asked) == {"input_tokens": 100 + 20 + 2 * 4 + 30, "audio_tokens": 30}
    with_schema = ChatRequest("k", (Message("user", "a" * 350),), 9, schema={"title": "x"})
    assert estimated_input(with_schema)["input_tokens"] > 104


def test_a_dry_run_sends_nothing_and_counts(prices: Prices, endpoint: Any) -> None:
    tally = Tally()
    for batch in (False, True):
        assert list(DryRun(chat(endpoint), prices, batch=batch, tally=tally).ask(requests(10))) == []
    least, most = 1.5 * 10 * 104 * 2.0 / 1e6, 1.5 * 10 * (104 * 2.0 + 100 * 10.0) / 1e6
    assert (tally.calls, tally.input_tokens, tally.output_tokens) == (20, 2080, 2000)
    assert (tally.cost_least, tally.cost_most) == (pytest.approx(least), pytest.approx(most))
    assert str(tally) == (
        f"20 calls, about 2080 tokens in and at most 2000 out (estimated): {least:.2f} to {most:.2f} EUR"
    )
    assert endpoint.bodies == [] and DryRun(chat(endpoint)).tally.cost_most is None


def stopped(budget: Budget, asked: list[ChatRequest]) -> tuple[list[Reply], str]:
    got: list[Reply] = []
    with pytest.raises(UserError) as error:
        for reply in budget.ask(asked):
            got.append(reply)
    return got, str(error.value)


def test_a_limit_of_calls_stops_before_the_next_and_keeps_what_is_done(endpoint: Any) -> None:
    got, why = stopped(Budget(chat(endpoint), max_calls=7), requests(20))
    assert len(got) == len(endpoint.bodies) == 7 and all(reply.status == "ok" for reply in got)
    assert why.startswith("stopped at the limit of 7 calls: 7 calls made\n  try: a higher limit, and the same command")


@pytest.mark.parametrize("count", [0, 7])
def test_a_limit_that_suffices_is_not_felt(endpoint: Any, count: int) -> None:
    assert len(list(Budget(chat(endpoint), max_calls=7).ask(requests(count)))) == count


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_limit_of_money_is_never_exceeded_and_is_used(prices: Prices, endpoint: Any, concurrency: int) -> None:
    usage = {"prompt_tokens": 110, "completion_tokens": 50, "total_tokens": 160}
    endpoint.default = lambda body: endpoint.completion(usage=usage)
    each, limit = (110 * 2.0 + 50 * 10.0) / 1e6, 0.03  # 41.7 calls of 0.00072; one may take up to 0.0012
    budget = Budget(chat(endpoint, concurrency), max_cost=limit, prices=prices)
    got, why = stopped(budget, requests(100))
    assert len(got) == len(endpoint.bodies) and budget.spent.reserved == pytest.approx(0)
    assert budget.spent.cost == pytest.approx(len(got) * each) and 40 <= len(got) <= 41
    assert f"stopped before the limit of 0.03 EUR: {len(got)} calls made, {budget.spent.cost:.4f} EUR spent" in why


def test_not_one_call_is_made_where_the_first_would_exceed(prices: Prices, endpoint: Any) -> None:
    got, why = stopped(Budget(chat(endpoint), max_cost=0.001, prices=prices), requests(3))
    assert got == [] and endpoint.bodies == [] and "the next call may take 0.0012" in why


def test_the_tokens_of_replies_correct_the_estimate(prices: Prices, endpoint: Any) -> None:
    usage = {"prompt_tokens": 1040, "completion_tokens": 1, "total_tokens": 1041}  # ten times the estimate
    endpoint.default = lambda body: endpoint.completion(usage=usage)
    budget = Budget(chat(endpoint, 1), max_cost=0.1, prices=prices)
    stopped(budget, requests(99))
    assert budget.spent.cost <= 0.1


def test_members_of_a_jury_share_one_purse(endpoint: Any) -> None:
    purse = Spent()
    first, second = (Budget(chat(endpoint), max_calls=5, spent=purse) for _ in range(2))
    assert len(list(first.ask(requests(3)))) == 3
    assert len(stopped(second, requests(9))[0]) == 2 and len(endpoint.bodies) == 5


def test_a_failed_call_costs_a_call_and_no_money(prices: Prices, endpoint: Any) -> None:
    endpoint.default = lambda body: endpoint.problem(400, "no")
    budget = Budget(chat(endpoint), max_calls=9, max_cost=1.0, prices=prices)
    assert [reply.status for reply in budget.ask(requests(3))] == ["api_error"] * 3
    assert (budget.spent.calls, budget.spent.cost) == (3, 0.0)


def test_a_limit_of_money_needs_prices(endpoint: Any) -> None:
    with pytest.raises(UsageError, match="a limit of money needs a price table: 5"):
        Budget(chat(endpoint), max_cost=5.0)


def test_a_budget_over_batches_counts_them_at_their_price(prices: Prices, provider: Any, tmp_path: Path) -> None:
    inner = load_chat("openai/served-model", {"base_url": provider.url + "/v1"})
    budget = Budget(BatchChat(inner, tmp_path / "b", poll=0.01), max_cost=1.0, prices=prices)
    assert len(list(budget.ask(requests(4)))) == 4
    each = (11 * 2.0 + 3 * 10.0) / 1e6
    assert budget.spent.cost == pytest.approx(each + 3 * each / 2)  # the first is an ordinary call
