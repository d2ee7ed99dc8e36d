"""Anthropic's message batches: the requests go in one body, the results come as one stream of lines."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from cpbench.chat import Reply
from cpbench.chat._remote import FILTERED
from cpbench.chat.batch import Progress, Result, Sent

if TYPE_CHECKING:
    from cpbench.chat.anthropic import AnthropicChat

SLACK = 3_600  # seconds by which the provider's clock and ours may differ


class AnthropicBatches:
    """See `batch.BatchApi`."""

    most_requests: ClassVar[int] = 100_000
    most_bytes: ClassVar[int] = 256_000_000
    marked: ClassVar[bool] = False

    def __init__(self, chat: AnthropicChat) -> None:
        self._chat = chat

    def line(self, custom_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"custom_id": custom_id, "params": body}

    def body(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], line["params"])

    def create(self, part: Path, mark: str) -> str:
        with part.open("rb") as file:
            requests = [json.loads(line) for line in file]
        batches = self._chat.client.with_options(max_retries=0).messages.batches
        return str(batches.create(requests=requests).id)

    def find(self, sent: Sent, known: set[str]) -> Iterator[str]:
        since = datetime.fromisoformat(sent.time).timestamp() - SLACK
        for batch in self._chat.client.messages.batches.list(limit=100):  # the newest first
            if batch.created_at.timestamp() < since:
                return
            if batch.id not in known and sum(_counts(batch).values()) == sent.requests:
                yield str(batch.id)

    def progress(self, batch_id: str) -> Progress:
        batch = self._chat.client.messages.batches.retrieve(batch_id)
        counts = _counts(batch)
        return Progress(batch.processing_status == "ended", sum(counts.values()) - counts["processing"])

    def results(self, batch_id: str) -> Generator[Result]:
        entries = self._chat.client.messages.batches.results(batch_id)
        try:
            for entry in entries:
                yield self._result(str(entry.custom_id), entry.result)
        finally:
            entries.close()  # where only the first is looked at

    def _result(self, custom: str, result: Any) -> Result:
        if result.type == "succeeded":
            try:
                return Result(custom, self._chat.read(custom, result.message), result.message)
            except ValueError as fault:
                return Result(custom, Reply(custom, "api_error", error=f"the reply is no message: {fault}"))
        if result.type == "expired":
            return Result(custom, Reply(custom, "expired", error="the batch expired before it came to this request"))
        if result.type == "canceled":
            return Result(custom, Reply(custom, "api_error", error="the batch was cancelled"))
        error = result.error.error
        reason = f"{error.type}: {error.message}"
        if FILTERED.search(reason):
            return Result(custom, Reply(custom, "content_filter", finish_reason="content_filter", error=reason))
        return Result(custom, Reply(custom, "api_error", error=reason))


def _counts(batch: Any) -> dict[str, int]:
    counts = batch.request_counts
    return {name: getattr(counts, name) for name in ("processing", "succeeded", "errored", "canceled", "expired")}
