"""`openai/NAME`: any OpenAI-compatible chat endpoint (OpenAI, vLLM, SGLang, ...), on the plain SDK."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cpbench.chat import ChatRequest, Message, Reply, ReplyStatus
from cpbench.chat._breaker import Breaker
from cpbench.errors import UserError
from cpbench.flow.streams import in_flight
from cpbench.records import Call

if TYPE_CHECKING:
    import openai

OPENAI = "https://api.openai.com/v1"
LOCAL_NAMES = (".local", ".localhost", ".localdomain", ".internal", ".lan")
UNSUPPORTED = re.compile(
    r"unsupported|not (?:supported|permitted)|(?:does not|doesn't) support|unrecogni[sz]ed|unknown|unexpected|extra",
    re.IGNORECASE,
)
FILTERED = re.compile(
    r"content[ _](?:filter|policy|management)|content_policy_violation|responsible ?ai", re.IGNORECASE
)


@dataclass
class OpenAIChat:
    """Retries are the SDK's. `timeout`: seconds for one try; `concurrency`: calls in flight.

    Keys and base URL come from the SDK's own environment variables (OPENAI_API_KEY, OPENAI_BASE_URL); an endpoint other
    than OpenAI's needs no key. A parameter that the endpoint rejects by name is left out from then on, and is then not
    in `Call.params_sent`; `max_tokens` and `max_completion_tokens` stand in for each other.
    """

    name: str
    base_url: str | None = None
    concurrency: int = 16
    timeout: float = 600.0
    max_retries: int = 6
    rejected: set[str] = field(default_factory=set, init=False)
    _breaker: Breaker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._breaker = Breaker(self._endpoint)

    @property
    def third_party(self) -> bool:
        """False for this machine, private addresses and local names. A proxy that stands there is not seen."""
        return not _is_local(urlsplit(self.url).hostname or "")

    @property
    def url(self) -> str:
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield replies as they finish; see `Chat.ask`."""
        self._models  # noqa: B018  before anything is paid for, so that a wrong key or host costs nothing
        yield from in_flight(self._reply, requests, self.concurrency)

    def _reply(self, request: ChatRequest) -> Reply:
        import openai

        started, when = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            response, sent = self._create(request)
            completion = response.parse()
            choices = getattr(completion, "choices", None)
            if not choices or getattr(choices[0], "message", None) is None:
                raise ValueError(f"no message in {response.text[:200]!r}")
        except openai.APIStatusError as error:
            return self._refused(request, error)
        except openai.APIConnectionError as error:
            return self._failed(request, f"{error} ({error.__cause__ or 'timed out'})")
        except (openai.OpenAIError, ValueError) as error:  # a body that is not JSON, or is no chat completion
            return self._failed(request, f"the reply is no chat completion: {error}")
        self._breaker.success()
        call = Call(
            model_requested=self.name,
            model_resolved=completion.model,
            params_sent=sent,
            usage=_usage(completion),
            time=when,
            retries=response.retries_taken,
            latency_s=time.monotonic() - started,
            request_id=response.request_id or completion.id,
            system_fingerprint=completion.system_fingerprint,
            params_rejected=self._left_out(request),
        )
        return _read(request.key, choices[0], call)

    def _create(self, request: ChatRequest) -> tuple[Any, dict[str, Any]]:
        """The raw response and the parameters it was asked with, once more for each one that is rejected by name."""
        import openai

        messages = [_message(message) for message in request.messages]
        while True:
            sent = self._params(request)
            create: Any = self._client.chat.completions.with_raw_response.create
            try:
                return create(model=self.name, messages=messages, **sent), _as_recorded(sent)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                name = _rejected(error, sent)
                if name is None or (name in self.rejected and name in self._params(request)):
                    raise
                self.rejected.add(name)

    def _params(self, request: ChatRequest) -> dict[str, Any]:
        limits = ["max_completion_tokens", "max_tokens"] if self._is_openai else ["max_tokens", "max_completion_tokens"]
        limit = next((name for name in limits if name not in self.rejected), limits[0])
        params = {limit: request.max_tokens, **self._wishes(request)}
        return {name: value for name, value in params.items() if name == limit or name not in self.rejected}

    def _wishes(self, request: ChatRequest) -> dict[str, Any]:
        """What the endpoint may reject and the request be answered all the same."""
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

    def _left_out(self, request: ChatRequest) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._wishes(request) if name in self.rejected))

    def _refused(self, request: ChatRequest, error: openai.APIStatusError) -> Reply:
        """A reply for an HTTP error; a UserError where every other call would meet the same."""
        reason = f"HTTP {error.status_code}: {_words(error)}"
        if error.status_code in (400, 403, 422) and FILTERED.search(f"{error.code} {_words(error)}"):
            self._breaker.success()
            return Reply(request.key, "content_filter", finish_reason="content_filter", error=reason)
        if not self._breaker.answered and error.status_code in (401, 403, 404):
            raise self._hopeless(error)
        return self._failed(request, reason, of_request=error.status_code in (400, 413, 422))

    def _failed(self, request: ChatRequest, reason: str, *, of_request: bool = False) -> Reply:
        self._breaker.failure(reason, of_request=of_request)
        return Reply(request.key, "api_error", error=reason)

    def _hopeless(self, error: openai.APIStatusError) -> UserError:
        words = f"{self._endpoint} says {error.status_code}, {_words(error)}"
        if error.status_code == 404:
            mend = None if self._models else "-M base_url= with the path that the server has, mostly .../v1"
            return UserError(f"{words}; the model asked for:", value=self.name, allowed=self._models or None, mend=mend)
        return UserError(
            f"{words}: the key is not accepted", mend="export OPENAI_API_KEY=..., one that may use this model"
        )

    @cached_property
    def _models(self) -> list[str]:
        """The models that the endpoint lists, if it does. Raises UserError if it is not there or refuses the key."""
        import openai

        try:
            page = self._client.with_options(max_retries=1, timeout=30.0).models.list()
            return [str(model.id) for model in getattr(page, "data", None) or []][:40]
        except openai.APIConnectionError as error:
            reason = str(error.__cause__ or error)
            raise UserError(
                f"{self._endpoint} cannot be reached ({reason})", mend="-M base_url=http://HOST:PORT/v1"
            ) from None
        except openai.AuthenticationError as error:
            raise self._hopeless(error) from None
        except (openai.OpenAIError, ValueError, TypeError):  # an endpoint need not have a list
            return []

    @cached_property
    def _client(self) -> openai.OpenAI:
        import openai

        key = os.environ.get("OPENAI_API_KEY") or (None if self.url == OPENAI else "none")
        if key is None:
            mend = "export OPENAI_API_KEY=...; for a server of your own, -M base_url=http://HOST:PORT/v1"
            raise UserError(f"no key for {self._endpoint}: OPENAI_API_KEY is not set", mend=mend)
        return openai.OpenAI(
            api_key=key, base_url=self.base_url or None, timeout=self.timeout, max_retries=self.max_retries
        )

    @property
    def _is_openai(self) -> bool:
        return urlsplit(self.url).hostname == urlsplit(OPENAI).hostname

    @property
    def _endpoint(self) -> str:
        return f"openai/{self.name} at {self.url}"


def _as_recorded(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Without the schema, which would stand on every line: its name tells enough."""
    form = sent.get("response_format")
    return {**sent, **({"response_format": f"json_schema {form['json_schema']['name']}"} if form else {})}


def _message(message: Message) -> Mapping[str, Any]:
    if not message.sounds:
        return {"role": message.role, "content": message.text}
    sounds = [base64.b64encode(sound).decode() for sound in message.sounds]
    audio = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}} for data in sounds]
    return {"role": message.role, "content": [*audio, {"type": "text", "text": message.text}]}


def _read(key: str, choice: Any, call: Call) -> Reply:
    message, reason = choice.message, choice.finish_reason
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
    return Reply(key, status, text, reasoning if isinstance(reasoning, str) else None, reason, call=call)


def _text(content: Any) -> str:
    """Some servers send a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else getattr(part, "text", None) for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    return content or ""


def _usage(completion: Any) -> dict[str, int]:
    """Tokens by kind, in our words, flat."""
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


def _rejected(error: openai.APIStatusError, sent: Mapping[str, Any]) -> str | None:
    """The parameter of ours that the endpoint does not know or take at all; a bad value of it is another matter.

    A schema that it cannot use is the same as no schema at all: the text may follow it without being forced to.
    """
    words = f"{error.code} {error.param} {_words(error)}"
    if "response_format" in sent and "response_format" in words:
        return "response_format"
    if not UNSUPPORTED.search(words):
        return None
    if error.param in sent:
        return str(error.param)
    return next((name for name in sent if re.search(rf"\b{name}\b", words)), None)


def _words(error: openai.APIStatusError) -> str:
    """The provider's own message, in one line."""
    body = error.body if isinstance(error.body, dict) else {}
    words = body.get("message") or body.get("detail") or error.response.text or error.message
    return " ".join(str(words).split())[:300]


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(LOCAL_NAMES)
    return address.is_private or address.is_loopback or address.is_link_local
