"""What every room's tests may use: a small set of real files, the command line in a process of its own, a real local
HTTP server that speaks the chat-completions protocol, and a real browser without network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import soundfile


@pytest.fixture
def items_file(tmp_path):
    """items_file(clips, questions) -> an items.jsonl about tones of different length, four recordings."""

    def make(clips=6, questions=2, folder="data"):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        with (place / "items.jsonl").open("w") as file:
            for n in range(clips):
                time = np.arange(round(16000 * rng.uniform(0.2, 0.4))) / 16000
                wave = 0.4 * np.sin(2 * np.pi * (200 + 10 * n) * time).astype(np.float32)
                soundfile.write(place / f"{n}.flac", wave, 16000)
                for q in range(questions):
                    line = {"id": f"{n}-{q}", "audio": f"{n}.flac", "question": f"q{q}?", "references": ["low"]}
                    line |= {"type": ("DE", "C")[q % 2], "recording": f"r{n % 4}", "transcript": f"words {n}"}
                    if q % 2 == 0:
                        line |= {"label": ("low", "high")[n % 2], "options": ["low", "high"]}
                    file.write(json.dumps(line) + "\n")
        return place / "items.jsonl"

    return make


@pytest.fixture
def cpbench(tmp_path):
    """cpbench("run", ...) -> the finished process of the command line, offline, in tmp_path."""

    def call(*arguments, env=None, timeout=120):
        return subprocess.run(
            [sys.executable, "-m", "cpbench", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return call


@pytest.fixture
def slow_model(tmp_path):
    """A model file: it answers with a digest of what it hears, takes its time, and keeps a log of what it was asked."""
    path = tmp_path / "slow.py"
    path.write_text(
        """
import hashlib, os, time
from dataclasses import dataclass

from cpbench.records import ModelCard


@dataclass
class Slow:
    log: str
    pause: float = 0.004

    card = ModelCard("slow", "test")

    def answer(self, turns):
        for turn in turns:
            time.sleep(self.pause)
            file = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(file, (turn.request.key + "\\n").encode())
            os.close(file)
            word = hashlib.sha256(turn.heard[0].wave.tobytes() + turn.request.text.encode()).hexdigest()[:8]
            yield turn.request.answered(word, heard=turn.heard[0].seconds)
"""
    )
    return path


Body = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the chat endpoint does with one call."""

    body: Body | bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False  # close the connection without a word
    delay: float = 0.0


def completion(
    text: Any = "Sad.",
    *,
    finish: str = "stop",
    message: Body | None = None,
    model: str = "served-model",
    usage: Body | None = None,
) -> Answer:
    """A chat completion; `message` adds fields to the assistant's message."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **(message or {})}}
    used = usage or {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    body = {
        "id": "cmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [choice],
        "usage": used,
    }
    return Answer({**body, "system_fingerprint": "fp_1"}, headers={"x-request-id": "req_1"})


def problem(status: int, message: str, *, code: str | None = None, param: str | None = None, **headers: str) -> Answer:
    """An error in OpenAI's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer({"error": {"message": message, "code": code, "param": param, "type": "x"}}, status, named)


@dataclass
class Endpoint:
    """The server as a test sees it: first `script` is played, then `default` answers."""

    url: str = ""
    script: list[Answer] = field(default_factory=list)
    default: Callable[[dict[str, Any]], Answer] = lambda body: completion()
    listing: Answer = field(default_factory=lambda: Answer({"object": "list", "data": [{"id": "served-model"}]}))
    bodies: list[dict[str, Any]] = field(default_factory=list)  # of the calls, as they came
    headers: list[dict[str, str]] = field(default_factory=list)  # of the calls, names in lower case
    most_at_once: int = 0
    close: Callable[[], None] = lambda: None
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    completion: Callable[..., Answer] = field(default_factory=lambda: completion)
    problem: Callable[..., Answer] = field(default_factory=lambda: problem)
    answer: Callable[..., Answer] = field(default_factory=lambda: Answer)

    def take(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        with self._lock:
            self.bodies.append(body)
            self.headers.append(headers)
            return self.script.pop(0) if self.script else self.default(body)

    def busy(self, change: Literal[1, -1]) -> None:
        with self._lock:
            self._now += change
            self.most_at_once = max(self.most_at_once, self._now)


def handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: the second would wait 40 ms for an ACK

        def do_GET(self) -> None:
            self._say(endpoint.listing if self.path == "/v1/models" else problem(404, f"no {self.path}"))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/chat/completions":
                self._say(problem(404, f"no {self.path}"))
                return
            endpoint.busy(1)
            answer = endpoint.take(body, {name.lower(): value for name, value in self.headers.items()})
            time.sleep(answer.delay)
            endpoint.busy(-1)
            self._say(answer)

        def _say(self, answer: Answer) -> None:
            if answer.drop:
                self.close_connection = True
                self.connection.close()
                return
            data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection dropped on purpose is no news."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Endpoint]]:
    """A function that starts a chat endpoint on this machine, in an environment without anybody's key; its `close` ends
    it before the test does."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    started = []

    def start() -> Endpoint:
        state = Endpoint()
        server = _Server(("127.0.0.1", 0), handler(state))
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()

        def close() -> None:
            if thread.is_alive():
                server.shutdown()
                server.server_close()
                thread.join()

        state.close = close
        started.append(state)
        return state

    yield start
    for state in started:
        state.close()


@pytest.fixture
def endpoint(serve: Callable[[], Endpoint]) -> Endpoint:
    """A chat endpoint on this machine, and an environment without anybody's key."""
    return serve()


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser, of one module's tests: no event loop of it is left to the next."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the dev extra)")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no {', '.join(BROWSERS)} on the PATH")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--autoplay-policy=no-user-gesture-required"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A function: (a page's path, what the context is like) -> the page, without network; it keeps what went wrong."""
    contexts = []

    def make(path: Path, **options: Any) -> Any:
        context = chromium.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.wrong = []
        page.on("console", lambda said: page.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (page.wrong.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return page

    yield make
    for context in contexts:
        context.close()
