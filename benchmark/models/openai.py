"""`openai/NAME`: any OpenAI-compatible chat endpoint that takes `input_audio` (OpenAI, vLLM, SGLang, ...)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cpbench.chat import Chat, family, load_chat
from cpbench.models._chat import Asking
from cpbench.records import ModelCard, Prediction, Turn


@dataclass
class OpenAI:
    """Keys come from the SDK's environment variables; `base_url` names a server of one's own, which needs none, or
    several of one model, with commas between them: the calls are spread over them.

    `concurrency`: calls in flight at each of them; `timeout`: seconds for one try; `max_new_tokens` and `temperature`:
    instead of the task's; `max_clips`: clips that the endpoint takes in one message.
    """

    name: str
    base_url: str | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None
    concurrency: int = 16
    system: str | None = None
    timeout: float = 600.0
    max_clips: int = 8

    @cached_property
    def card(self) -> ModelCard:
        """third_party: whether clips leave for a public host (see `chat/openai.py`)."""
        third_party, system = self._chat.third_party, self.system
        details = {"endpoint": self.base_url or "the SDK's", "system": system, "temperature": self.temperature}
        return ModelCard(
            name=self.name, family=family(self.name), max_clips=self.max_clips, third_party=third_party, details=details
        )

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        """Yield answers as they come; a clip is sent as a 16 kHz mono WAV before the question."""
        return Asking(self._chat, self.system, self.max_new_tokens, self.temperature).answer(turns)

    def account(self) -> dict[str, Any]:
        """What each endpoint did so far, for the manifest; nothing where there is one only."""
        count: Callable[[], Any] | None = getattr(self._chat, "account", None)
        return {} if count is None else {"endpoints": count()}

    @cached_property
    def _chat(self) -> Chat:
        options = {"base_url": self.base_url, "concurrency": self.concurrency, "timeout": self.timeout}
        return load_chat(
            f"openai/{self.name}", {key: str(value) for key, value in options.items() if value is not None}
        )
