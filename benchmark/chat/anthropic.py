"""`anthropic/NAME`: Anthropic's messages endpoint, on the plain SDK."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from cpbench.chat import ChatRequest, Reply, ReplyStatus
from cpbench.chat._remote import CONNECT, PATIENCE, Remote, retry_after
from cpbench.errors import UserError

if TYPE_CHECKING:
    from cpbench.chat._anthropic_batches import AnthropicBatches

ANTHROPIC = "https://api.anthropic.com"
STATUS: Mapping[str, ReplyStatus] = {
    "refusal": "refusal",
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
}


@dataclass
class AnthropicChat(Remote):
    """Keys and base URL come from the SDK's own environment variables (ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN,
    ANTHROPIC_BASE_URL). It hears nothing.

    The system part is marked for the prompt cache. The first request goes alone: it fills the cache for all others.
    """

    PROVIDER: ClassVar[str] = "anthropic"
    KEY: ClassVar[str] = "ANTHROPIC_API_KEY"

    @property
    def url(self) -> str:
        return self.base_url or os.environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield replies as they finish; see `Chat.ask`. Raises UserError for a message with sounds."""
        rest = iter(requests)
        yield from super().ask(islice(rest, 1))
        yield from super().ask(rest)

    def body(self, request: ChatRequest) -> dict[str, Any]:
        if any(message.sounds for message in request.messages):
            raise UserError("Anthropic's models hear nothing:", value=f"anthropic/{self.name}", mend="openai/NAME")
        wishes = {name: value for name, value in self.wishes(request).items() if name not in self.rejected}
        wishes.pop("seed", None)  # there is no such parameter
        body: dict[str, Any] = {"model": self.name, "max_tokens": request.max_tokens}
        system = "\n\n".join(message.text for message in request.messages if message.role == "system")
        if system:
            body["system"] = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
        turns = [message for message in request.messages if message.role != "system"]
        body["messages"] = [{"role": message.role, "content": message.text} for message in turns]
        return {**body, **wishes}

    def wishes(self, request: ChatRequest) -> dict[str, Any]:
        import anthropic

        wishes: dict[str, Any] = {}
        if request.temperature is not None:
            wishes["temperature"] = request.temperature
            if request.temperature > 0 and request.seed is not None:
                wishes["seed"] = request.seed
        if request.stop:
            wishes["stop_sequences"] = list(request.stop)
        if request.schema is not None:
            form = {"type": "json_schema", "schema": anthropic.transform_schema(dict(request.schema))}
            wishes["output_config"] = {"format": form}
        return wishes

    def left_out(self, asked: Iterable[str], rejected: Iterable[str]) -> tuple[str, ...]:
        return super().left_out(asked, {*rejected, "seed"})

    def read(self, key: str, completion: Any) -> Reply:
        blocks, reason = getattr(completion, "content", None), getattr(completion, "stop_reason", None)
        if not isinstance(blocks, list) or getattr(completion, "usage", None) is None:
            raise ValueError(f"no message in {str(completion)[:200]!r}")
        text = "".join(block.text for block in blocks if block.type == "text")
        thoughts = "".join(block.thinking for block in blocks if block.type == "thinking") or None
        if reason == "refusal" and not text:
            text = getattr(getattr(completion, "stop_details", None), "explanation", None) or ""
        return Reply(key, STATUS.get(str(reason), "ok"), text, thoughts, reason)

    def _connect(self) -> Any:
        import anthropic

        key, token = os.environ.get(self.KEY) or None, os.environ.get("ANTHROPIC_AUTH_TOKEN") or None
        if key is None and token is None:
            if self.url == ANTHROPIC:
                mend = "export ANTHROPIC_API_KEY=..."
                raise UserError(f"no key for {self.endpoint}: ANTHROPIC_API_KEY is not set", mend=mend)
            key = "none"
        return anthropic.Anthropic(
            api_key=key,
            auth_token=token if key is None else None,
            base_url=self.base_url or None,
            timeout=anthropic.Timeout(self.timeout, connect=min(CONNECT, self.timeout)),
            max_retries=self.max_retries,
            middleware=[_give_up],
        )

    def batches(self) -> AnthropicBatches:
        from cpbench.chat._anthropic_batches import AnthropicBatches

        return AnthropicBatches(self)

    def _usage(self, completion: Any) -> dict[str, int]:
        usage = completion.usage.model_dump()
        read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
        found = {
            "input_tokens": (usage.get("input_tokens") or 0) + (read or 0) + (written or 0),
            "output_tokens": usage.get("output_tokens"),
            "cached_tokens": read,
            "cache_write_tokens": written,
            "reasoning_tokens": (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
        }
        return {name: count for name, count in found.items() if isinstance(count, int)}

    def _post(self, body: Mapping[str, Any]) -> Any:
        """As `extra_body`, which goes as it is: `create()` has no argument for a temperature."""
        create: Any = self.client.messages.with_raw_response.create
        return create(model=self.name, max_tokens=body["max_tokens"], messages=[], extra_body=body)

    def _listing(self) -> list[str]:
        page = self.client.with_options(max_retries=1, timeout=30.0).models.list(limit=1000)
        return [str(model.id) for model in getattr(page, "data", None) or []]

    @property
    def sdk(self) -> Any:
        import anthropic

        return anthropic


def _give_up(request: Any, call_next: Any) -> Any:
    """Runs around every try: the SDK would wait as long as it is told to, be it days."""
    response = call_next(request)
    if response.status_code >= 400 and (retry_after(response.headers) or 0.0) > PATIENCE:
        response.headers["x-should-retry"] = "false"  # the SDK's own sign
    return response
