"""`openai/NAME`: any OpenAI-compatible chat endpoint (OpenAI, vLLM, SGLang, ...), on the plain SDK."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from cpbench.chat import ChatRequest, Message, Reply, ReplyStatus
from cpbench.chat._remote import CONNECT, Remote
from cpbench.errors import UserError

if TYPE_CHECKING:
    from cpbench.chat._openai_batches import OpenAIBatches

OPENAI = "https://api.openai.com/v1"


@dataclass
class OpenAIChat(Remote):
    """Keys and base URL come from the SDK's own environment variables (OPENAI_API_KEY, OPENAI_BASE_URL); an endpoint
    other than OpenAI's needs no key. `max_tokens` and `max_completion_tokens` stand in for each other.
    """

    PROVIDER: ClassVar[str] = "openai"
    KEY: ClassVar[str] = "OPENAI_API_KEY"

    @property
    def url(self) -> str:
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI

    def body(self, request: ChatRequest) -> dict[str, Any]:
        limits = ["max_completion_tokens", "max_tokens"] if self._is_openai else ["max_tokens", "max_completion_tokens"]
        limit = next((name for name in limits if name not in self.rejected), limits[0])
        wishes = {name: value for name, value in self.wishes(request).items() if name not in self.rejected}
        messages = [_message(message) for message in request.messages]
        return {"model": self.name, "messages": messages, limit: request.max_tokens, **wishes}

    def wishes(self, request: ChatRequest) -> dict[str, Any]:
        wishes: dict[str, Any] = {}
        temperature = request.temperature
        if temperature is None and not self._is_openai:
            temperature = 0.0  # vLLM would sample as the checkpoint's generation_config says
        if temperature is not None:
            wishes["temperature"] = temperature
            if temperature > 0 and request.seed is not None:
                wishes["seed"] = request.seed
        if request.stop:
            wishes["stop"] = list(request.stop)
        if request.schema is not None:
            form = {"name": request.schema_name, "strict": True, "schema": request.schema}
            wishes["response_format"] = {"type": "json_schema", "json_schema": form}
        return wishes

    def read(self, key: str, completion: Any) -> Reply:
        choices = getattr(completion, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise ValueError(f"no message in {str(completion)[:200]!r}")
        message, reason = choices[0].message, choices[0].finish_reason
        text, refusal = _text(message.content), getattr(message, "refusal", None)
        extra = message.model_extra or {}
        reasoning = extra.get("reasoning_content") or extra.get("reasoning")  # vLLM's two spellings
        status: ReplyStatus = "ok"
        if reason == "content_filter":
            status = "content_filter"
        elif refusal:
            status, text = "refusal", str(refusal)
        elif reason == "length":
            status = "truncated"
        return Reply(key, status, text, reasoning if isinstance(reasoning, str) else None, reason)

    def _connect(self) -> Any:
        import openai

        key = os.environ.get(self.KEY) or (None if self.url == OPENAI else "none")
        if key is None:
            mend = "export OPENAI_API_KEY=...; for a server of your own, -M base_url=http://HOST:PORT/v1"
            raise UserError(f"no key for {self.endpoint}: OPENAI_API_KEY is not set", mend=mend)
        timeout = openai.Timeout(self.timeout, connect=min(CONNECT, self.timeout))
        return openai.OpenAI(api_key=key, base_url=self.base_url or None, timeout=timeout, max_retries=self.max_retries)

    def batches(self) -> OpenAIBatches:
        from cpbench.chat._openai_batches import OpenAIBatches

        return OpenAIBatches(self)

    def _usage(self, completion: Any) -> dict[str, int]:
        usage = completion.usage.model_dump() if completion.usage is not None else {}
        inner, outer = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
        found = {
            "input_tokens": usage.get("prompt_tokens"),
            "output_tokens": usage.get("completion_tokens"),
            "cached_tokens": inner.get("cached_tokens"),
            "audio_tokens": inner.get("audio_tokens"),
            "reasoning_tokens": outer.get("reasoning_tokens"),
        }
        return {name: count for name, count in found.items() if isinstance(count, int)}

    def _post(self, body: Mapping[str, Any]) -> Any:
        """As `extra_body`, which goes as it is: the SDK's walk over typed messages takes most of its time."""
        create: Any = self.client.chat.completions.with_raw_response.create
        return create(model=self.name, messages=[], extra_body=body)

    def _listing(self) -> list[str]:
        page = self.client.with_options(max_retries=1, timeout=30.0).models.list()
        return [str(model.id) for model in getattr(page, "data", None) or []]

    @property
    def sdk(self) -> Any:
        import openai

        return openai

    @property
    def _is_openai(self) -> bool:
        return urlsplit(self.url).hostname == urlsplit(OPENAI).hostname


def _message(message: Message) -> Mapping[str, Any]:
    if not message.sounds:
        return {"role": message.role, "content": message.text}
    sounds = [base64.b64encode(sound).decode() for sound in message.sounds]
    audio = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}} for data in sounds]
    return {"role": message.role, "content": [*audio, {"type": "text", "text": message.text}]}


def _text(content: Any) -> str:
    """Some servers send a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else getattr(part, "text", None) for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    return content or ""
