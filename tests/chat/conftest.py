"""A real local HTTP server that speaks Anthropic's messages and both providers' batches, and misbehaves on demand."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """What the server does with one call."""

    body: Body | bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False  # close the connection without a word
    delay: float = 0.0
    cut: int | None = None  # send so many bytes only, and close


def message(text: str | None = "Sad.", stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    """An Anthropic message; text None: no content."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-served-1",
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 64},
        **more,
    }


def completion(text: str = "Sad.", finish: str = "stop") -> dict[str, Any]:
    """An OpenAI chat completion."""
    return {
        "id": "cmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model-2026",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }


def refusal(status: int, words: str, kind: str = "invalid_request_error", **headers: str) -> Said:
    """An error in Anthropic's form."""
    body = {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_9"}
    return Said(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Batch:
    id: str
    lines: list[dict[str, Any]]
    created: datetime
    metadata: Body | None = None


@dataclass
class Provider:
    """The server as a test sees it."""

    url: str = ""
    script: list[Said] = field(default_factory=list)  # for ordinary calls; then `default` answers
    default: Callable[[dict[str, Any]], Said] | None = None
    listing: Said | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)  # bodies of ordinary calls
    headers: list[dict[str, str]] = field(default_factory=list)
    # batches
    batches: dict[str, Batch] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    ended: bool = True
    final: str = "completed"  # OpenAI's last status
    outcome: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None  # (text asked, body) -> its result line
    creating: list[Said] = field(default_factory=list)  # what creating a batch is answered with, after it was created
    refusing: list[Said] = field(default_factory=list)  # ... instead of creating it
    result_cuts: list[int] = field(default_factory=list)  # results broken off after so many bytes
    polls: int = 0
    seen: threading.Event = field(default_factory=threading.Event)  # set once a batch was created
    hold: threading.Event = field(default_factory=threading.Event)  # until then its creation is not answered
    _lock: threading.Lock = field(default_factory=threading.Lock)

    message: Callable[..., dict[str, Any]] = field(default_factory=lambda: message)
    completion: Callable[..., dict[str, Any]] = field(default_factory=lambda: completion)
    refusal: Callable[..., Said] = field(default_factory=lambda: refusal)
    said: Callable[..., Said] = field(default_factory=lambda: Said)

    def __post_init__(self) -> None:
        self.hold.set()

    @property
    def asked(self) -> list[str]:
        """The text of every request that was paid for, in ordinary calls and in batches."""
        bodies = [*self.calls, *(_asked(line) for batch in self.batches.values() for line in batch.lines)]
        return [str(body["messages"][-1]["content"]) for body in bodies]

    def get(self, path: str) -> Said:
        if path.startswith("/v1/models"):
            model = {"id": "claude-served", "type": "model", "display_name": "x", "created_at": "2026-01-01T00:00:00Z"}
            return self.listing or Said({"object": "list", "data": [model], "has_more": False})
        if found := re.fullmatch(r"/v1/files/(\S+)/content", path):
            return self._cut(self.files[found[1]])
        if found := re.fullmatch(r"/v1/messages/batches/(\w+)/results", path):
            return self._cut(self._lines(self.batches[found[1]]))
        if found := re.fullmatch(r"/v1(/messages)?/batches/(\w+)", path):
            self.polls += 1
            return Said(self._batch(self.batches[found[2]], anthropic=bool(found[1])))
        if found := re.match(r"/v1(/messages)?/batches(\?|$)", path):
            newest = sorted(self.batches.values(), key=lambda batch: batch.created, reverse=True)
            data = [self._batch(batch, anthropic=bool(found[1])) for batch in newest]
            return Said({"object": "list", "data": data, "has_more": False, "first_id": None, "last_id": None})
        return refusal(404, f"no {path}")

    def post(self, path: str, data: bytes, headers: dict[str, str]) -> Said:
        if path in ("/v1/messages", "/v1/chat/completions"):
            body = json.loads(data)
            with self._lock:
                self.calls.append(body)
                self.headers.append(headers)
                if self.script:
                    return self.script.pop(0)
            return self.default(body) if self.default else Said(message() if "messages" in path else completion())
        if path == "/v1/files":
            number = f"file-{len(self.files)}"
            self.files[number] = _uploaded(data, headers["content-type"])
            return Said(
                {"id": number, "object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "batch"}
            )
        if path in ("/v1/batches", "/v1/messages/batches"):
            return self._create(json.loads(data), anthropic="messages" in path)
        return refusal(404, f"no {path}")

    def _create(self, body: dict[str, Any], *, anthropic: bool) -> Said:
        with self._lock:
            if self.refusing:
                return self.refusing.pop(0)
            raw = body["requests"] if anthropic else map(json.loads, self.files[body["input_file_id"]].splitlines())
            batch = Batch(f"batch{len(self.batches)}", list(raw), datetime.now(UTC), body.get("metadata"))
            self.batches[batch.id] = batch
            said = self.creating.pop(0) if self.creating else Said(self._batch(batch, anthropic=anthropic))
        self.seen.set()
        self.hold.wait(20)
        return said

    def _batch(self, batch: Batch, *, anthropic: bool) -> dict[str, Any]:
        count = len(batch.lines)
        if anthropic:
            counts = {"processing": 0 if self.ended else count, "succeeded": count if self.ended else 0}
            return {
                "id": batch.id,
                "type": "message_batch",
                "processing_status": "ended" if self.ended else "in_progress",
                "request_counts": {**counts, "errored": 0, "canceled": 0, "expired": 0},
                "created_at": batch.created.isoformat(),
                "expires_at": (batch.created + timedelta(days=1)).isoformat(),
                "results_url": f"{self.url}/v1/messages/batches/{batch.id}/results" if self.ended else None,
            }
        body: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-0",
            "completion_window": "24h",
            "status": self.final if self.ended else "in_progress",
            "created_at": int(batch.created.timestamp()),
            "metadata": batch.metadata,
            "request_counts": {"total": count, "completed": count if self.ended else 0, "failed": 0},
        }
        if self.ended and self.final == "failed":
            body["errors"] = {
                "object": "list",
                "data": [{"code": "x", "message": "the model does not exist", "line": 1}],
            }
        elif self.ended:
            lines = [json.loads(line) for line in self._lines(batch).splitlines()]
            good = [line for line in lines if line.get("error") is None and line["response"]["status_code"] == 200]
            for name, some in (("output", good), ("error", [line for line in lines if line not in good])):
                if some:
                    body[f"{name}_file_id"] = f"{name}-{batch.id}"
                    self.files[f"{name}-{batch.id}"] = b"".join(_line(line) for line in some)
        return body

    def _lines(self, batch: Batch) -> bytes:
        """The results, backwards: nobody promises an order."""
        found = []
        for line in reversed(batch.lines):
            asked = str(_asked(line)["messages"][-1]["content"])
            made = self.outcome(asked, _asked(line)) if self.outcome else {}
            if made != {"missing": True}:
                default = (
                    {"result": {"type": "succeeded", "message": message(asked.upper())}}
                    if "params" in line
                    else {"response": {"status_code": 200, "request_id": "r", "body": completion(asked.upper())}}
                )
                found.append({"custom_id": line["custom_id"], **(made or default)})
        return b"".join(_line(line) for line in found)

    def _cut(self, data: bytes) -> Said:
        return Said(data, cut=self.result_cuts.pop(0) if self.result_cuts else None)


def _asked(line: dict[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = line["params"] if "params" in line else line["body"]
    return asked


def _line(value: Body) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _uploaded(data: bytes, kind: str) -> bytes:
    boundary = kind.partition("boundary=")[2].strip('"').encode()
    part = next(part for part in data.split(b"--" + boundary) if b"filename=" in part)
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: the second would wait 40 ms for an ACK

        def do_GET(self) -> None:
            self._say(provider.get(self.path))

        def do_POST(self) -> None:
            data = self._read()
            self._say(provider.post(self.path, data, {name.lower(): value for name, value in self.headers.items()}))

        def _read(self) -> bytes:
            if "Content-Length" in self.headers:
                return self.rfile.read(int(self.headers["Content-Length"]))
            data = b""
            while size := int(self.rfile.readline(), 16):  # chunked
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def _say(self, said: Said) -> None:
            time.sleep(said.delay)
            if said.drop:
                self.close_connection = True
                self.connection.close()
                return
            data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {"Content-Type": "application/json", "request-id": "req_1", **said.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: said.cut])
            if said.cut is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection dropped on purpose, or by a client that was killed, is no news."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, short_backoff: None) -> Iterator[Provider]:
    """Both providers on this machine, and an environment without anybody's key."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    state = Provider()
    server = _Server(("127.0.0.1", 0), _handler(state))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    state.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs' first wait between two tries: 0.02 s instead of 0.5 s, with everything else as it is."""
    import anthropic._base_client
    import openai._base_client

    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.02)
    monkeypatch.setattr(anthropic._base_client, "INITIAL_RETRY_DELAY", 0.02)
