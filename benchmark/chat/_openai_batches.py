"""OpenAI's batches: a file of requests goes up, a batch is made of it, two files of results come down."""

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
    from cpbench.chat.openai import OpenAIChat

SLACK = 86_400  # seconds by which the provider's clock and ours may differ
ENDED = ("completed", "expired", "cancelled", "failed")


class OpenAIBatches:
    """See `batch.BatchApi`."""

    most_requests: ClassVar[int] = 50_000
    most_bytes: ClassVar[int] = 200_000_000
    marked: ClassVar[bool] = True

    def __init__(self, chat: OpenAIChat) -> None:
        self._chat = chat

    def line(self, custom_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}

    def body(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], line["body"])

    def create(self, part: Path, mark: str) -> str:
        with part.open("rb") as file:
            uploaded = self._chat.client.files.create(file=(f"{mark}.jsonl", file), purpose="batch")
        batch = self._chat.client.with_options(max_retries=0).batches.create(
            input_file_id=uploaded.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"cpbench": mark},
        )
        return str(batch.id)

    def find(self, sent: Sent, known: set[str]) -> Iterator[str]:
        since = datetime.fromisoformat(sent.time).timestamp() - SLACK
        for batch in self._chat.client.batches.list(limit=100):  # the newest first
            if batch.created_at < since:
                return
            if (batch.metadata or {}).get("cpbench") == sent.key:
                yield str(batch.id)

    def progress(self, batch_id: str) -> Progress:
        batch = self._chat.client.batches.retrieve(batch_id)
        counts = batch.request_counts
        finished = counts.completed + counts.failed if counts is not None else 0
        errors = batch.errors.data or [] if batch.errors is not None else []
        failure = None
        if batch.status == "failed":
            failure = "; ".join(str(error.message) for error in errors[:3]) or "no reason given"
        missing = "expired" if batch.status == "expired" else "api_error"
        return Progress(batch.status in ENDED, finished, failure, missing)  # type: ignore[arg-type]

    def results(self, batch_id: str) -> Generator[Result]:
        batch = self._chat.client.batches.retrieve(batch_id)
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id is not None:
                for line in self._lines(file_id):
                    yield self._result(json.loads(line))

    def _lines(self, file_id: str) -> Iterator[bytes]:
        """By hand: the SDK's `iter_lines` also splits at U+2028 and the like, which may stand in a JSON string."""
        with self._chat.client.files.with_streaming_response.content(file_id) as response:
            rest = b""
            for block in response.iter_bytes(1 << 16):
                *lines, rest = (rest + block).split(b"\n")
                yield from (line for line in lines if line.strip())
            if rest.strip():
                yield rest

    def _result(self, line: Mapping[str, Any]) -> Result:
        from openai.types.chat import ChatCompletion

        custom, response, error = str(line["custom_id"]), line.get("response") or {}, line.get("error") or {}
        body = response.get("body") or {}
        if response.get("status_code") == 200 and isinstance(body, dict):
            completion = ChatCompletion.construct(**body)
            try:
                return Result(custom, self._chat.read(custom, completion), completion)
            except ValueError as fault:
                return Result(custom, Reply(custom, "api_error", error=f"the reply is no chat completion: {fault}"))
        if error.get("code") == "batch_expired":
            return Result(custom, Reply(custom, "expired", error=str(error.get("message"))))
        error = (body.get("error") if isinstance(body, dict) else None) or error
        reason = f"HTTP {response.get('status_code')}: {error.get('message')}"
        if FILTERED.search(f"{error.get('code')} {error.get('message')}"):
            return Result(custom, Reply(custom, "content_filter", finish_reason="content_filter", error=reason))
        return Result(custom, Reply(custom, "api_error", error=reason))
