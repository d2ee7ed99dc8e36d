"""Judging beside a bare loop over the SDK: 2,000 calls of 200 ms, 64 in flight."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cpbench.chat import ChatRequest, load_chat
from cpbench.flow.ledger import Ledger
from cpbench.judges import load_judge
from cpbench.records import Case, Clip, Item, Judgement

pytestmark = pytest.mark.performance
CALLS, AT_ONCE = 2000, 64
CALLED = f"{CALLS:,} calls of 200 ms, {AT_ONCE} in flight, a local HTTP endpoint"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    program = Path(__file__).with_name("slow_endpoint.py")
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        server.terminate()


def cases(first: int, count: int) -> Iterator[Case]:
    for n in range(first, first + count):
        clip = Clip(f"{n}.wav", f"{n:064x}", 1.0, f"r{n}", transcript="I am fine")
        item = Item(str(n), "t", (clip,), "How does she feel?", ("She is sad.",), type="DE", label="sad")
        yield Case(item, f"She sounds sad, in the manner {n}.")


def judge_at(url: str) -> Any:
    return load_judge("openai/served-model", {"base_url": url, "concurrency": str(AT_ONCE)})


def requests(url: str, first: int, count: int) -> Iterator[ChatRequest]:
    judge = judge_at(url)
    for case in cases(first, count):
        yield from judge.requests_for(case)


def bare(url: str, asked: list[ChatRequest]) -> None:
    """What anyone would write: one client, as many threads as calls in flight."""
    import openai

    client = openai.OpenAI(api_key="none", base_url=url, max_retries=6)

    def call(request: ChatRequest) -> str:
        form: Any = {"name": request.schema_name, "strict": True, "schema": request.schema}
        messages: Any = [{"role": message.role, "content": message.text} for message in request.messages]
        completion = client.chat.completions.create(
            model="served-model",
            messages=messages,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            response_format={"type": "json_schema", "json_schema": form},
        )
        return completion.choices[0].message.content or ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert all(pool.map(call, asked))


def seconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def compare(url: str, ours: Callable[[int, int], object]) -> tuple[float, float]:
    """Seconds for 2,000 calls each way, in turns, so that a machine that slows down slows both."""
    half = CALLS // 2
    asked = list(requests(url, 0, half))
    bare(url, asked[:AT_ONCE])  # imports and connections are nobody's
    loop = seconds(lambda: bare(url, asked))
    mine = seconds(lambda: ours(10_000, half)) + seconds(lambda: ours(20_000, half))
    return loop + seconds(lambda: bare(url, asked)), mine


def test_2000_chat_calls_take_no_longer_than_a_bare_loop(url: str, figure: Callable[..., None]) -> None:
    chat = load_chat("openai/served-model", {"base_url": url, "concurrency": str(AT_ONCE)})

    def ours(first: int, count: int) -> None:
        assert sum(reply.status == "ok" for reply in chat.ask(requests(url, first, count))) == count

    loop, mine = compare(url, ours)
    figure("chat calls, over a bare loop over the SDK", mine / loop, bound=1.10, unit="x", on=CALLED)
    assert mine <= 1.10 * loop


def test_2000_judgements_on_disk_take_at_most_a_tenth_longer_than_a_bare_loop(
    url: str, tmp_path: Path, figure: Callable[..., None]
) -> None:
    judge = judge_at(url)

    def ours(first: int, count: int) -> None:
        with Ledger(tmp_path / f"{first}.jsonl", Judgement) as ledger:
            for judgement in judge.judge(cases(first, count)):
                ledger.append(judgement)
            assert len(ledger) == count and all(found.score == 80.0 for found in ledger)

    loop, mine = compare(url, ours)
    figure("judgements on disk, over a bare loop over the SDK", mine / loop, bound=1.10, unit="x", on=CALLED)
    assert mine <= 1.10 * loop


def test_judging_has_flat_memory(url: str, figure: Callable[..., None]) -> None:
    """Resident memory after 500 and after 2,000 judgements: what is kept of one is its key."""
    sizes = []
    for done, _ in enumerate(judge_at(url).judge(cases(30_000, CALLS)), start=1):
        if done in (CALLS // 4, CALLS):
            sizes.append(resident())
    grown = (sizes[1] - sizes[0]) / 2**20
    figure("judging: memory from the 500th to the 2,000th judgement", grown, bound=4, unit="MiB", on=CALLED)
    assert grown < 4


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
