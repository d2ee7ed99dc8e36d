"""A chat endpoint as a model: a turn becomes a chat request, a reply becomes a prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cpbench.audio import wav_bytes
from cpbench.chat import Chat, ChatRequest, Message, Reply, converse
from cpbench.records import AnswerStatus, Prediction, Turn


@dataclass(frozen=True)
class Asking:
    """How turns are put to a chat; what is None is taken from each request."""

    chat: Chat
    system: str | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        """Yield predictions as the replies come. A turn's audio is held until its reply."""
        return converse(self.chat, turns, self._request, _prediction)

    def _request(self, turn: Turn) -> ChatRequest:
        generation = turn.request.generation
        system = [Message("system", self.system)] if self.system else []
        user = Message("user", turn.request.text, tuple(wav_bytes(heard) for heard in turn.heard))
        return ChatRequest(
            key=turn.request.key,
            messages=(*system, user),
            max_tokens=self.max_new_tokens or generation.max_new_tokens,
            temperature=generation.temperature if self.temperature is None else self.temperature,
            stop=generation.stop,
            seed=generation.seed,
        )


def _prediction(turn: Turn, reply: Reply) -> Prediction:
    if reply.status == "api_error":
        return turn.request.failed(reply.error or "the endpoint gave no reason")
    status: AnswerStatus = "ok"
    if reply.status in ("refusal", "content_filter"):
        status = "refused"
    elif reply.status == "truncated" and not reply.text.strip():
        status = "truncated"  # all tokens went into thoughts that the provider keeps to itself
    usage = reply.call.usage if reply.call is not None else {}
    return turn.request.answered(
        _raw(reply),
        heard=sum(heard.seconds for heard in turn.heard),
        status=status,
        finish_reason=reply.finish_reason,
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
    )


def _raw(reply: Reply) -> str:
    """Thoughts that came apart are put back as a block, so that they are split off like everybody's."""
    if not reply.reasoning:
        return reply.text
    closed = reply.status != "truncated" or bool(reply.text)
    return f"<think>{reply.reasoning}{'</think>' if closed else ''}{reply.text}"
