"""The door to text LLMs (some of which hear): for judging, for writing questions, for cascades and for endpoint models.

    chat = load_chat("openai/gpt-4o", {})
    for reply in chat.ask([ChatRequest("1", (Message("user", "Hello"),), max_tokens=16)]): ...

A provider is one file of this folder with one class that has `ask`; what wraps a `Chat` is itself one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, cast

from cpbench import parts
from cpbench.errors import UsageError
from cpbench.records import Call

__all__ = [
    "Chat",
    "ChatRequest",
    "Message",
    "Reply",
    "ReplyStatus",
    "addresses",
    "converse",
    "family",
    "load_chat",
    "providers",
    "served",
]

_TOOLS = frozenset({"batch", "paying", "prices", "prompts", "structured"})  # files of this folder that are no provider
ReplyStatus = Literal["ok", "truncated", "refusal", "content_filter", "api_error", "expired"]
W = TypeVar("W")
R = TypeVar("R")


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    text: str
    sounds: tuple[bytes, ...] = ()  # WAV files, put before the text


@dataclass(frozen=True)
class ChatRequest:
    """One call of a chat model."""

    key: str  # comes back on the reply; unique among the requests in flight
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = 0.0  # None: the provider's own; 0 on a server of one's own, which would else sample
    stop: tuple[str, ...] = ()
    seed: int | None = None  # sent where the temperature is above 0
    schema: Mapping[str, Any] | None = None  # a JSON schema that the text should follow; its "title" names it
    choices: tuple[str, ...] = ()  # hf only: numbers as texts; the reply is the likeliest, and `expected` their mean

    @property
    def schema_name(self) -> str:
        """The schema's title in the letters that providers allow for a name."""
        title = str((self.schema or {}).get("title") or "reply")
        return re.sub(r"[^A-Za-z0-9_-]+", "_", title)[:64]


@dataclass(frozen=True)
class Reply:
    """What came back, raw. Only `ok` and `truncated` hold an answer; the text of a refusal is the refusal's.

    `expired`: a batch was given up by its provider before it came to this request; nothing was paid for it.
    """

    key: str
    status: ReplyStatus
    text: str = ""
    reasoning: str | None = None  # thoughts that the provider keeps apart from the text
    finish_reason: str | None = None  # the provider's word
    error: str | None = None  # of an api_error
    call: Call | None = None  # None: nothing was answered, so nothing was paid for
    expected: float | None = None  # of a request with choices: the sum of p(choice) * choice


class Chat(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def third_party(self) -> bool:
        """Whether it sends what it is asked to somebody else's machine."""
        ...

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield one reply a request, as they finish, in any order; requests are pulled as there is room for them.

        Raises UserError where going on would be useless (a refused key, an unknown model, an unreachable host); what a
        single request meets is in its reply's status.
        """
        ...


def load_chat(spec: str, options: Mapping[str, str] | None = None) -> Chat:
    """`openai/NAME`, `anthropic/NAME`, `hf/ID` for a local transformers model. Raises UsageError for anything else.

    With several addresses in `base_url`, "http://a:8000/v1,http://b:8000/v1", the calls are spread over them.
    """
    provider, _, name = spec.partition("/")
    if not name or provider not in providers():
        raise UsageError("unknown text LLM", value=spec, allowed=[f"{known}/NAME" for known in providers()])
    part, options = parts.find("chat", provider), {**(options or {}), "name": name}
    places = addresses(options.get("base_url"))
    if len(places) > 1:
        from cpbench.chat._several import Several

        return Several([parts.build(part, {**options, "base_url": place}) for place in places])
    return cast(Chat, parts.build(part, options | ({"base_url": places[0]} if places else {})))


def served(provider: str, base_url: str | None = None) -> list[str]:
    """The models that an endpoint lists, if it lists any; at the SDK's own address without a `base_url`.

    Raises UserError where it cannot be reached, refuses the key, or there is no key for it.
    """
    chat: Any = load_chat(f"{provider}/any", {} if base_url is None else {"base_url": base_url})
    return list(chat.models)


def addresses(base_url: object) -> list[str]:
    """The addresses in a `base_url`, which may hold several with commas or blanks between them, once each.

    >>> addresses("http://a/v1, http://b/v1"), addresses("http://a/v1"), addresses(None)
    (['http://a/v1', 'http://b/v1'], ['http://a/v1'], [])
    """
    words = base_url if isinstance(base_url, str) and base_url.lower() not in ("none", "null") else ""
    return list(dict.fromkeys(filter(None, re.split(r"[\s,]+", words))))


def providers() -> list[str]:
    """What can stand before the "/"."""
    return [name for name in parts.names("chat") if name not in _TOOLS]


def converse(
    chat: Chat, work: Iterable[W], ask: Callable[[W], ChatRequest], read: Callable[[W, Reply], R]
) -> Iterator[R]:
    """Ask for each piece of work and read each reply together with the piece that it answers, as they finish."""
    waiting: dict[str, W] = {}

    def requests() -> Iterator[ChatRequest]:
        for piece in work:
            request = ask(piece)
            if request.key in waiting:
                raise ValueError(f"two requests in flight with the key {request.key}")
            waiting[request.key] = piece
            yield request

    for reply in chat.ask(requests()):
        yield read(waiting.pop(reply.key), reply)


def family(name: str) -> str:
    """The family of a model by its name: a judge and a model of one family should not be trusted with each other.

    >>> [family(name) for name in ("gpt-4o-audio-preview", "Qwen/Qwen2-Audio-7B-Instruct", "meta-llama/Llama-3-70B")]
    ['gpt', 'qwen', 'llama']
    """
    found = re.match(r"[^\W\d_]+", name.rstrip("/").rpartition("/")[2])
    return found[0].lower() if found else name.lower()
