"""What the judges' tests use: cases, and a text LLM that says what a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cpbench.chat import ChatRequest, Reply
from cpbench.errors import UserError
from cpbench.records import Call, Case, Clip, Item

Says = Callable[[ChatRequest], Reply | str]


def verdict(score: object, reason: str = "because", **more: object) -> str:
    return json.dumps({"reason": reason, **({} if score is None else {"score": score}), **more})


@dataclass
class TestChat:
    """A `Chat` without a network: it keeps what it was asked, and answers `at_once` requests at a time, last first."""

    __test__ = False
    says: Says
    at_once: int = 1
    third_party: bool = False
    name: str = "test"
    budget: int = 10**9  # calls
    asked: list[ChatRequest] = field(default_factory=list)

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        waiting: list[ChatRequest] = []
        for request in requests:
            if len(self.asked) + len(waiting) >= self.budget:  # what was asked is still answered, as `Chat`s do
                while waiting:
                    yield self._reply(waiting.pop())
                raise UserError("the budget is spent")
            waiting.append(request)
            if len(waiting) == self.at_once:
                yield self._reply(waiting.pop())
        while waiting:
            yield self._reply(waiting.pop())

    def _reply(self, request: ChatRequest) -> Reply:
        self.asked.append(request)
        said = self.says(request)
        if isinstance(said, Reply):
            return said
        usage = {"input_tokens": 10, "output_tokens": 2}
        call = Call("test", "test-1", {}, usage, "2026-01-01T00:00:00.000+00:00", request_id=f"r{len(self.asked)}")
        return Reply(request.key, "ok", said, call=call)

    def given(self, at: int = -1) -> dict[str, Any]:
        """The object in the last message of a request."""
        text = self.asked[at].messages[-1].text
        found: dict[str, Any] = json.loads(text[text.index("{") :])
        return found


@pytest.fixture
def chat_that() -> type[TestChat]:
    return TestChat


@pytest.fixture
def say() -> Callable[..., str]:
    """say(4) -> the reply of a judge that gives 4."""
    return verdict


def case_of(
    answer: str = "She sounds sad.",
    number: int = 0,
    *,
    condition: str = "audio",
    repeat: int = 0,
    label: str | None = None,
    references: Sequence[str] = ("The speaker is sad.",),
) -> Case:
    clip = Clip(f"{number}.wav", f"{number:064x}", 1.0, f"r{number}", transcript="I am fine")
    item = Item(
        str(number),
        "t",
        (clip,),
        "How does she sound?",
        tuple(references),
        label=label,
        options=("sadness", "anger", "joy") if label else (),
        language="en",
    )
    return Case(item, answer, condition, repeat)


@pytest.fixture
def case() -> Callable[..., Case]:
    return case_of
