"""One model, one rubric: the judge that all others are made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cpbench.chat import Chat, ChatRequest, Reply, converse, family
from cpbench.chat.structured import Read
from cpbench.errors import BadClip, UserError
from cpbench.fingerprint import digest, judgement_key
from cpbench.judges._rubric import Rubric
from cpbench.judges._sharing import Opinion, each_once, made
from cpbench.records import Call, Case, Judgement

ASPECT = "aspect:"
"""What stands before an aspect's name among the members of a judgement."""


@dataclass(frozen=True)
class Asking:
    """How a model is asked; all of it belongs to the judge's identity."""

    model: str  # as requested, "openai/gpt-4o"
    temperature: float | None = 0.0  # None: the provider's own
    max_tokens: int = 1024
    seed: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)  # the client's own that change what it says: dtype, ...

    @property
    def identity(self) -> Mapping[str, Any]:
        params = {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}
        return {"model": self.model, "params": params | dict(self.settings)}


@dataclass(frozen=True)
class _Try:
    """A case on its way."""

    case: Case
    request: ChatRequest
    calls: tuple[Call, ...] = ()  # of the try before
    second: bool = False


@dataclass
class LLMJudge:
    """A rubric over a `Chat`. A reply that cannot be read is asked for once more, afresh; both calls are kept."""

    rubric: Rubric
    asking: Asking
    chat: Chat
    name: str

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the judge_id is the digest of."""
        return identity_of(self.rubric, [self.asking])

    @cached_property
    def judge_id(self) -> str:
        return digest(self.identity)

    @property
    def families(self) -> frozenset[str]:
        return frozenset({family(self.asking.model)})

    @property
    def third_party(self) -> bool:
        return self.chat.third_party

    @property
    def hears(self) -> bool:
        return self.rubric.prompt.hears

    @property
    def correct_score(self) -> float:
        return self.rubric.correct_score

    def judge(self, cases: Iterable[Case]) -> Iterator[Judgement]:
        """Yield one judgement a case, as they finish, in any order."""
        return each_once(self.judge_id, cases, self.opinions)

    def requests_for(self, case: Case) -> list[ChatRequest]:
        """What judging this case would send; nothing for an empty answer. Raises BadClip as `Rubric.messages`."""
        return [self._request(case)] if case.answer.strip() else []

    def reordered(self) -> LLMJudge | None:
        """The same judge, who is shown the prompt's fields in another order; None where they stand in no object."""
        rubric = self.rubric.reordered()
        return None if rubric is None else replace(self, rubric=rubric)

    def opinions(self, cases: Iterable[Case]) -> Iterator[Judgement]:
        """Judge every case with a call of its own; no two may have the same key. Raises what the chat raises."""
        again: deque[_Try] = deque()
        unheard: deque[Judgement] = deque()
        fresh = iter(cases)

        def work() -> Iterator[_Try]:
            for case in fresh:
                while again:
                    yield again.popleft()
                try:
                    yield _Try(case, self._request(case))
                except BadClip as error:
                    unheard.append(self._made(case, Opinion("api_error", reason=f"the judge could not hear: {error}")))
            while again:
                yield again.popleft()

        try:
            while True:
                for found in converse(self.chat, work(), lambda piece: piece.request, self._read):
                    if isinstance(found, _Try):
                        again.append(found)
                    else:
                        yield found
                    while unheard:
                        yield unheard.popleft()
                if not again:  # those that came after the last request was pulled
                    break
        except UserError as error:  # the chat gives up; what was paid for until then is not to be lost
            for piece in again:
                why = f"could not be asked again: {error.what}"
                yield self._made(piece.case, Opinion("api_error", reason=why, calls=piece.calls))
            raise
        yield from unheard

    def _request(self, case: Case) -> ChatRequest:
        expected = self.rubric.score_mode == "expected"
        return ChatRequest(
            judgement_key(self.judge_id, case),
            self.rubric.messages(case),
            max_tokens=self.asking.max_tokens,
            temperature=self.asking.temperature,
            seed=self.asking.seed,
            schema=None if expected else self.rubric.schema,
            choices=tuple(map(str, self.rubric.scale)) if expected else (),
        )

    def _read(self, piece: _Try, reply: Reply) -> Judgement | _Try:
        calls = piece.calls if reply.call is None else (*piece.calls, reply.call)
        if reply.status != "ok":
            why = reply.error or reply.finish_reason
            return self._made(piece.case, Opinion(reply.status, raw=reply.text or None, reason=why, calls=calls))
        if reply.expected is not None:
            score = self.rubric.expected(reply.expected)
            return self._made(piece.case, Opinion("ok", score, raw=reply.text, calls=calls))
        read = self.rubric.read(reply.text)
        if read.status in ("parse_error", "out_of_range") and not piece.second:
            request = replace(piece.request, key=f"{piece.request.key[:62]}-2", seed=_next(piece.request.seed))
            return _Try(piece.case, request, calls, second=True)
        return self._made(piece.case, self._opinion(read, reply.text, calls))

    def _opinion(self, read: Read, text: str, calls: tuple[Call, ...]) -> Opinion:
        if read.status != "ok" or read.value is None:
            return Opinion(read.status, raw=text, reason=read.why, calls=calls)
        scores = self.rubric.scores(read.value)
        aspects = {f"{ASPECT}{name}": score for name, score in scores.items()} if self.rubric.aspects else {}
        return Opinion("ok", self.rubric.total(scores), text, str(read.value["reason"]), aspects, calls)

    def _made(self, case: Case, opinion: Opinion) -> Judgement:
        return made(self.judge_id, case, opinion)


def identity_of(
    rubric: Rubric, asked: Iterable[Asking], aggregate: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """All that makes a judge this judge, and nothing local (addresses, keys, concurrency); judge_id is its digest."""
    members = [asking.identity for asking in asked]
    return {"cpbench": "judge-1", **rubric.identity, "members": members, "aggregate": aggregate}


def _next(seed: int | None) -> int | None:
    return None if seed is None else seed + 1
