"""What the providers' endpoints have in common: both SDKs are of one make, and raise errors of the same names."""

from __future__ import annotations

import ipaddress
import re
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cpbench.chat import ChatRequest, Reply
from cpbench.chat._breaker import Breaker, Fault
from cpbench.errors import UserError
from cpbench.flow.streams import in_flight
from cpbench.records import Call

PATIENCE = 120.0
"""Seconds: the longest Retry-After that is waited out. What asks for more (a day's quota) is an `api_error` that says
so, for one SDK would give up and the other would wait for days without a word."""
CONNECT = 15.0  # seconds
LOCAL_NAMES = (".local", ".localhost", ".localdomain", ".internal", ".lan")
UNSUPPORTED = re.compile(
    r"unsupported|not (?:supported|permitted)|(?:does not|doesn't) support|unrecogni[sz]ed|unknown|unexpected|extra"
    r"|deprecated|(?:may|can|must) only be",
    re.IGNORECASE,
)
FILTERED = re.compile(
    r"content[ _](?:filter|policy|management)|content_policy_violation|responsible ?ai", re.IGNORECASE
)
BUSY = (429, 502, 503, 504)
"""What an endpoint, or what stands before it, answers when it takes nothing for now."""
BROKE = re.compile(r"insufficient_quota|credit balance|billing", re.IGNORECASE)


class Unreachable(UserError):
    """Nobody is at the address; `reason` says how that was found."""

    reason = ""


@dataclass
class Remote(ABC):
    """An endpoint behind one of the SDKs. Retries are the SDK's; a parameter that the endpoint rejects by name is left
    out from then on, and is then in `Call.params_rejected` instead of `Call.params_sent`.

    `timeout`: seconds for one try; `concurrency`: calls in flight.
    """

    name: str
    base_url: str | None = None
    concurrency: int = 16
    timeout: float = 600.0
    max_retries: int = 6
    rejected: set[str] = field(default_factory=set, init=False)
    _breaker: Breaker = field(init=False, repr=False)

    PROVIDER: ClassVar[str]
    KEY: ClassVar[str]  # the environment variable

    def __post_init__(self) -> None:
        self._breaker = Breaker(self.endpoint)

    @property
    @abstractmethod
    def url(self) -> str: ...

    @cached_property
    def client(self) -> Any:
        """The SDK's client, closed when this chat is gone. Raises UserError where there is no key for it."""
        client = self._connect()
        weakref.finalize(self, client.close)  # the SDK's own cycles would leave its sockets to the collector
        return client

    @abstractmethod
    def _connect(self) -> Any: ...

    @abstractmethod
    def body(self, request: ChatRequest) -> dict[str, Any]:
        """The JSON body of a call, without what the endpoint was found to reject."""

    @abstractmethod
    def wishes(self, request: ChatRequest) -> dict[str, Any]:
        """What the endpoint may reject and the request be answered all the same."""

    @abstractmethod
    def read(self, key: str, completion: Any) -> Reply:
        """Read the SDK's record of a completion into a reply without its call. Raises ValueError for what is none."""

    @abstractmethod
    def _usage(self, completion: Any) -> dict[str, int]:
        """Tokens by kind: `input_tokens` are all that went in, the cached ones among them."""

    @abstractmethod
    def _post(self, body: Mapping[str, Any]) -> Any:
        """Send a body by the SDK's `create()` and return its raw response."""

    @abstractmethod
    def _listing(self) -> list[str]: ...

    @property
    @abstractmethod
    def sdk(self) -> Any: ...

    @property
    def third_party(self) -> bool:
        """False for this machine, private addresses and local names. A proxy that stands there is not seen."""
        return not _is_local(urlsplit(self.url).hostname or "")

    @property
    def address(self) -> str:
        """The URL without a user's name and password, should it hold them."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def endpoint(self) -> str:
        """What messages call it."""
        return f"{self.PROVIDER}/{self.name} at {self.url}"

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield replies as they finish; see `Chat.ask`. What is in flight when it has to stop is still yielded."""
        self.models  # noqa: B018  before anything is paid for, so that a wrong key or host costs nothing
        yield from in_flight(self.reply, requests, self.concurrency)

    def among_others(self, breaker: Breaker) -> None:
        """Leave tries to the caller, who can go elsewhere, and tell `breaker` what happens; before the first call."""
        self.max_retries, self._breaker = 0, breaker

    def reply(self, request: ChatRequest) -> Reply:
        """One call's reply. Raises UserError where going on would be useless, and what its breaker raises."""
        started, when = time.monotonic(), now()
        try:
            response, body = self._create(request)
            reply = self.read(request.key, completion := response.parse())
        except self.sdk.APIStatusError as error:
            return self._refused(request, error)
        except self.sdk.APIConnectionError as error:
            fault: Fault = "unreached" if type(error.__cause__).__name__.startswith("Connect") else "call"
            return self._failed(request, f"{error} ({error.__cause__ or 'timed out'})", fault=fault)
        except UnicodeEncodeError as error:
            return self._failed(request, f"the request cannot be sent as UTF-8: {error}", fault="request")
        except (self.sdk.APIError, ValueError) as error:  # a body that is not JSON, or is no completion
            return self._failed(request, f"the reply is no chat completion: {error}")
        self._breaker.success()
        paid = self.paid(completion, recorded(body), self.left_out(self.wishes(request), self.rejected), when)
        latency, number = time.monotonic() - started, response.request_id or paid.request_id
        return replace(reply, call=replace(paid, retries=response.retries_taken, latency_s=latency, request_id=number))

    def paid(self, completion: Any, sent: Mapping[str, Any], left_out: tuple[str, ...], when: str) -> Call:
        """The record of one answered call."""
        return Call(
            model_requested=self.name,
            model_resolved=completion.model,
            params_sent=sent,
            usage=self._usage(completion),
            time=when,
            request_id=completion.id,
            system_fingerprint=getattr(completion, "system_fingerprint", None),
            params_rejected=left_out,
        )

    def left_out(self, asked: Iterable[str], rejected: Iterable[str]) -> tuple[str, ...]:
        """Which of the wishes that a request asked for the endpoint does not take."""
        return tuple(sorted(set(asked) & set(rejected)))

    def _create(self, request: ChatRequest) -> tuple[Any, dict[str, Any]]:
        """The raw response and the body it was asked with, once more for each parameter that is rejected by name."""
        while True:
            body = self.body(request)
            try:
                return self._post(body), body
            except (self.sdk.BadRequestError, self.sdk.UnprocessableEntityError) as error:
                name = self._rejected(error, body)
                if name is None or (name in self.rejected and name in self.body(request)):
                    raise
                self.rejected.add(name)

    def _rejected(self, error: Any, body: Mapping[str, Any]) -> str | None:
        """The parameter of ours that the endpoint does not know or take at all; a bad value of it is another matter.

        A schema that it cannot use is the same as no schema at all: the text may follow it without being forced to.
        """
        param = getattr(error, "param", None)
        said = f"{getattr(error, 'code', None)} {param} {words(error)}"
        sent = [name for name in body if name not in ("model", "messages", "system")]
        form = next((name for name in sent if name in ("response_format", "output_config")), None)
        if form is not None and re.search(rf"{form}|output_format|structured output|json_schema", said, re.IGNORECASE):
            return form
        if not UNSUPPORTED.search(said):
            return None
        return param if param in sent else next((name for name in sent if re.search(rf"\b{name}\b", said)), None)

    def _refused(self, request: ChatRequest, error: Any) -> Reply:
        """A reply for an HTTP error; a UserError where every other call would meet the same."""
        status, said = error.status_code, words(error)
        reason = f"HTTP {status}: {said}{_beyond_patience(error)}"
        if status in (400, 403, 422) and FILTERED.search(f"{getattr(error, 'code', None)} {said}"):
            self._breaker.success()
            return Reply(request.key, "content_filter", finish_reason="content_filter", error=reason)
        if status == 404 and not self._breaker.answered:
            raise self._unknown(said)
        if status in (400, 402, 429) and BROKE.search(f"{getattr(error, 'code', None)} {said}"):
            self._breaker.denied(f"{status}, {said}", mend=f"look into the account that the key in {self.KEY} is of")
        elif status in (401, 403):
            self._breaker.denied(f"{status}, {said}: the key is not accepted", mend=self._other_key)
        else:
            fault: Fault = "request" if status in (400, 413, 422) else "busy" if status in BUSY else "call"
            return self._failed(request, reason, fault=fault, wait=retry_after(error.response.headers) or 0.0)
        return Reply(request.key, "api_error", error=reason)

    def _failed(self, request: ChatRequest, reason: str, *, fault: Fault = "call", wait: float = 0.0) -> Reply:
        self._breaker.failure(reason, fault=fault, wait=wait)
        return Reply(request.key, "api_error", error=reason)

    def _unknown(self, said: str) -> UserError:
        mend = None if self.models else "-M base_url= with the path that the server has, mostly .../v1"
        what = f"{self.endpoint} says 404, {said}; the model asked for:"
        return UserError(what, value=self.name, allowed=self.models or None, mend=mend)

    @cached_property
    def models(self) -> list[str]:
        """The models that the endpoint lists, if it does. Raises UserError if it is not there or refuses the key."""
        try:
            return self._listing()[:40]
        except self.sdk.APIConnectionError as error:
            reason = str(error.__cause__ or error)
            away = Unreachable(f"{self.endpoint} cannot be reached ({reason})", mend="-M base_url=http://HOST:PORT")
            away.reason = reason
            raise away from None
        except self.sdk.AuthenticationError as error:
            what = f"{self.endpoint} says {error.status_code}, {words(error)}: the key is not accepted"
            raise UserError(what, mend=self._other_key) from None
        except (self.sdk.APIError, ValueError, TypeError):  # an endpoint need not have a list
            return []

    @property
    def _other_key(self) -> str:
        return f"export {self.KEY}=..., one that may use this model"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def recorded(body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a body as they are stored: a schema, which would stand on every line, is only named."""
    sent = {name: value for name, value in body.items() if name not in ("model", "messages", "system")}
    if "response_format" in sent:
        sent["response_format"] = f"json_schema {sent['response_format']['json_schema']['name']}"
    if "output_config" in sent:
        sent["output_config"] = f"json_schema {sent['output_config']['format']['schema'].get('title', 'reply')}"
    return sent


def words(error: Any) -> str:
    """The provider's own message, in one line."""
    body: dict[str, Any] = error.body if isinstance(error.body, dict) else {}
    inner: dict[str, Any] = body["error"] if isinstance(body.get("error"), dict) else {}
    said = inner.get("message") or body.get("message") or body.get("detail") or error.response.text or error.message
    return " ".join(str(said).split())[:300]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait, by a number or by a date (RFC 9110, 10.2.3)."""
    from email.utils import parsedate_to_datetime

    value = headers.get("retry-after", "")
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return None


def _beyond_patience(error: Any) -> str:
    seconds = retry_after(error.response.headers) or 0.0
    return f" (asks to wait {seconds:.0f} s; more than {PATIENCE:.0f} s are not waited)" if seconds > PATIENCE else ""


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(LOCAL_NAMES)
    return address.is_private or address.is_loopback or address.is_link_local
