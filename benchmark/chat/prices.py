"""What calls cost, from a user's own table: beforehand as an estimate, in between as a limit, afterwards as a sum.

currency: USD
models:                        # per million tokens; by the name that is asked for, with or without its provider
  gpt-4o: {input: 2.5, output: 10, cached: 1.25, batch: 0.5}
  claude-sonnet-4-5: {input: 3, output: 15, cached: 0.3, cache_write: 3.75}
"""

from __future__ import annotations

import io
import math
import threading
import wave
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cpbench.chat import Chat, ChatRequest, Reply
from cpbench.chat._breaker import AGAIN
from cpbench.errors import UsageError, UserError
from cpbench.flow.ledger import adapter
from cpbench.records import Call

BYTES_PER_TOKEN = 3.5
"""Of UTF-8: English has about 4.5, other languages and JSON fewer. An estimate: providers count each in its own way."""
TOKENS_PER_MESSAGE = 4
TOKENS_PER_SECOND = 10  # of audio: OpenAI's rate for what is heard
SETTLED = 5  # replies after which their own tokens correct the estimate


@dataclass(frozen=True)
class Price:
    """Of one model, per million tokens. What is None costs as much as `input`. `batch`: the factor for batches."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    audio: float | None = None
    batch: float = 1.0
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be 0 or more, and is {value}")

    def cost(self, usage: Mapping[str, int], *, batch: bool = False) -> float:
        """The price of a call's tokens (`Call.usage`: cached, written and audio tokens are among the input's).

        >>> usage = {"input_tokens": 1000, "cached_tokens": 400, "output_tokens": 50}
        >>> Price(input=2.0, output=10.0, cached=0.5).cost(usage)
        0.0019
        """
        kinds = {"cached_tokens": self.cached, "cache_write_tokens": self.cache_write, "audio_tokens": self.audio}
        apart = {kind: price for kind, price in kinds.items() if price is not None}
        plain = usage.get("input_tokens", 0) - sum(usage.get(kind, 0) for kind in apart)
        money = max(plain, 0) * self.input + usage.get("output_tokens", 0) * self.output
        money += sum(usage.get(kind, 0) * price for kind, price in apart.items())
        return money / 1e6 * (self.batch if batch else 1.0)


@dataclass(frozen=True)
class Prices:
    models: Mapping[str, Price]
    currency: str = "USD"
    source: str = "the price table"

    def of(self, model: str) -> Price:
        """Raises UserError for a model that the table lacks, with the nearest that it has."""
        for name in (model, *(known for known in self.models if known.partition("/")[2] == model)):
            if name in self.models:
                return self.models[name]
        mend = f"a line in {self.source}, as in  {model}: {{input: 2.5, output: 10}}; 0 for a model of your own"
        raise UserError(f"{self.source} has no price for", value=model, allowed=self.models, mend=mend)


@dataclass(frozen=True)
class _Table:
    """A price file as it stands."""

    models: Mapping[str, Price]
    currency: str = "USD"
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}


def load_prices(path: Path) -> Prices:
    """Read a price table. Raises UserError for a file that is none, with what is wrong in it."""
    import pydantic
    import yaml

    try:
        read = adapter(_Table).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"the price table cannot be read ({error.strerror}):", value=str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        example = "currency: USD / models: / NAME: {input: 2.5, output: 10}, per million tokens"
        raise UserError(f"{path}: {where + ': ' if where else ''}{first['msg']}", mend=example) from None
    return Prices(read.models, read.currency, str(path))


def cost_of(call: Call, prices: Prices) -> float:
    """What a call cost, in the table's currency; one of a batch at the batch's price."""
    return prices.of(call.model_requested).cost(call.usage, batch="batch" in call.params_sent)


def estimated_input(request: ChatRequest) -> dict[str, int]:
    """An estimate of a request's input: a token for 3.5 bytes of text or schema, 4 a message, 10 a second heard."""
    text = sum(len(message.text.encode("utf-8", "surrogatepass")) for message in request.messages)
    text += len(str(dict(request.schema))) if request.schema is not None else 0
    tokens = math.ceil(text / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * len(request.messages)
    audio = sum(
        math.ceil(TOKENS_PER_SECOND * _seconds(sound)) for message in request.messages for sound in message.sounds
    )
    return {"input_tokens": tokens + audio, **({"audio_tokens": audio} if audio else {})}


def _seconds(sound: bytes) -> float:
    try:
        with wave.open(io.BytesIO(sound)) as file:
            return float(file.getnframes() / file.getframerate())
    except (wave.Error, EOFError):  # float samples, which this reader does not know
        return len(sound) / (4 * 16000)


@dataclass
class Tally:
    """What a dry run counted; one may be shared by several chats, in any threads."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0  # at most: every reply as long as it may be
    cost_least: float | None = None  # the input alone; None: no price table
    cost_most: float | None = None  # with all of the output
    currency: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, request: ChatRequest, price: Price | None, *, batch: bool) -> None:
        asked = estimated_input(request)
        with self._lock:
            self.calls += 1
            self.input_tokens += asked["input_tokens"]
            self.output_tokens += request.max_tokens
            if price is not None:
                least = price.cost(asked, batch=batch)
                most = price.cost({**asked, "output_tokens": request.max_tokens}, batch=batch)
                self.cost_least = (self.cost_least or 0.0) + least
                self.cost_most = (self.cost_most or 0.0) + most

    def __str__(self) -> str:
        text = (
            f"{self.calls} calls, about {self.input_tokens} tokens in and at most {self.output_tokens} out (estimated"
        )
        if self.cost_least is None or self.cost_most is None:
            return f"{text}; without a price table there is no sum)"
        return f"{text}): {self.cost_least:.2f} to {self.cost_most:.2f} {self.currency}"


@dataclass
class DryRun:
    """Sends nothing and counts. It yields no reply, so that nothing made from replies can be taken for a result.

    Raises UserError at once where the price table lacks the model.
    """

    chat: Chat
    prices: Prices | None = None
    batch: bool = False
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._price = None if self.prices is None else self.prices.of(self.chat.name)
        if self.prices is not None:
            self.tally.currency = self.prices.currency
            self.tally.cost_least, self.tally.cost_most = self.tally.cost_least or 0.0, self.tally.cost_most or 0.0

    @property
    def name(self) -> str:
        return self.chat.name

    @property
    def third_party(self) -> bool:
        return self.chat.third_party

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        for request in requests:
            self.tally.add(request, self._price, batch=self.batch)
        yield from ()


@dataclass
class Spent:
    """What several chats may share of one budget, in any threads."""

    calls: int = 0
    cost: float = 0.0
    reserved: float = 0.0  # for calls under way, at their most
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass
class Budget:
    """Stops before the call that would exceed; what was sent until then is still yielded.

    A call under way is counted at its most (its estimated input and all of `max_tokens`) until its reply tells. Where
    that alone forbids the next call, the replies under way are awaited first. A call without a usage (an `api_error`)
    counts as a call and as no money. The limits are for one run: what earlier runs spent is not in them.
    """

    chat: Chat
    max_calls: int | None = None
    max_cost: float | None = None
    prices: Prices | None = None
    spent: Spent = field(default_factory=Spent)
    _reserved: dict[str, tuple[float, int]] = field(default_factory=dict, init=False, repr=False)
    _seen: list[int] = field(default_factory=lambda: [0, 0, 0], init=False, repr=False)  # replies, estimated, real

    def __post_init__(self) -> None:
        if self.max_cost is not None and self.prices is None:
            raise UsageError("a limit of money needs a price table:", value=self.max_cost, mend="--prices FILE.yaml")
        self._price = None if self.prices is None else self.prices.of(self.chat.name)

    @property
    def name(self) -> str:
        return self.chat.name

    @property
    def third_party(self) -> bool:
        return self.chat.third_party

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield replies; see `Chat.ask`. Raises UserError before the first call that would exceed the budget."""
        rest = iter(requests)
        refused = next(rest, None)
        while refused is not None:
            first, left = refused, list[ChatRequest]()
            if not self._reserve(first):
                raise self._over(first)
            for reply in self.chat.ask(self._affordable(first, rest, left)):
                self._settle(reply)
                yield reply
            refused = left[0] if left else None

    def _affordable(
        self, first: ChatRequest, rest: Iterator[ChatRequest], left: list[ChatRequest]
    ) -> Iterator[ChatRequest]:
        """Requests as long as they are within the budget; the one that is not is left."""
        yield first
        for request in rest:
            if not self._reserve(request):
                left.append(request)
                return
            yield request

    def _most(self, request: ChatRequest) -> tuple[float, int]:
        """The money that a request may take, and its input tokens as estimated at first."""
        asked = estimated_input(request)
        replies, estimated, real = self._seen
        ratio = real / estimated if replies >= SETTLED and estimated else 1.0
        usage = {kind: math.ceil(count * ratio) for kind, count in asked.items()} | {
            "output_tokens": request.max_tokens
        }
        return (self._price.cost(usage) if self._price is not None else 0.0), asked["input_tokens"]

    def _reserve(self, request: ChatRequest) -> bool:
        most, estimated = self._most(request)
        with self.spent.lock:
            if self.max_calls is not None and self.spent.calls >= self.max_calls:
                return False
            if self.max_cost is not None and self.spent.cost + self.spent.reserved + most > self.max_cost:
                return False
            self.spent.calls += 1
            self.spent.reserved += most
            self._reserved[request.key] = most, estimated
            return True

    def _settle(self, reply: Reply) -> None:
        most, estimated = self._reserved.pop(reply.key)
        with self.spent.lock:
            self.spent.reserved -= most
            if reply.call is None:
                return
            if self.prices is not None:
                self.spent.cost += cost_of(reply.call, self.prices)
        if reply.call.usage.get("input_tokens"):
            self._seen = [
                self._seen[0] + 1,
                self._seen[1] + estimated,
                self._seen[2] + reply.call.usage["input_tokens"],
            ]

    def _over(self, request: ChatRequest) -> UserError:
        done = f"{self.spent.calls} calls made"
        if self.prices is not None:
            done += f", {self.spent.cost:.4f} {self.prices.currency} spent"
        if self.max_calls is not None and self.spent.calls >= self.max_calls:
            return UserError(
                f"stopped at the limit of {self.max_calls} calls: {done}", mend=f"a higher limit, and {AGAIN}"
            )
        most = self._most(request)[0]
        what = f"stopped before the limit of {self.max_cost} {self.prices.currency if self.prices else ''}: {done}, "
        return UserError(f"{what}and the next call may take {most:.4f}", mend=f"a higher limit, and {AGAIN}")
