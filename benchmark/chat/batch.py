"""Batches: the same replies at the providers' batch price, hours later; what was sent is known on disk beforehand.

A batch goes through three lines of `batches.jsonl`: *intended* (its requests lie in `parts/<mark>.jsonl`, nothing was
sent), *sent* (the provider's id) and *done* (its replies lie in `replies.jsonl`). A run that dies resumes from them:
a request that lies in a batch that is sent is waited for, one that was answered is read, and neither is sent again.
If it dies between a provider's yes and our note of it, the batch is *intended* here and exists there: OpenAI's is found
by the mark in its metadata; Anthropic keeps no metadata, so batches of that time and size are waited for and known by
the custom ids in their results. A provider that lists a new batch only later than we look is the one gap that remains.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal, Protocol, cast

from cpbench.chat import Chat, ChatRequest, Reply
from cpbench.chat._breaker import AGAIN
from cpbench.chat._remote import Remote, now, recorded, words
from cpbench.chat._several import Several
from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import digest, text_sha256
from cpbench.flow.ledger import Ledger

TRIES = 5  # to create a batch or to read its results
TRANSIENT = (408, 409, 429)


@dataclass(frozen=True)
class Sent:
    """One line of batches.jsonl."""

    key: str  # our mark: the name of its part, and where the provider keeps metadata, in there
    endpoint: str
    state: Literal["intended", "sent", "done"]
    requests: int
    time: str
    batch_id: str | None = None
    rejected: tuple[str, ...] = ()  # parameters that were left out


@dataclass(frozen=True)
class Progress:
    ended: bool
    finished: int  # requests
    failure: str | None = None  # why the whole batch came to nothing
    missing: Literal["expired", "api_error"] = "api_error"  # what a request without a result is, once it has ended


@dataclass(frozen=True)
class Result:
    """One line of a batch's results; `completion` is the SDK's record where there was an answer."""

    custom_id: str
    reply: Reply
    completion: Any = None


class BatchApi(Protocol):
    """A provider's batches. Its methods raise what the SDK raises."""

    most_requests: int
    most_bytes: int
    marked: bool  # whether our mark is kept in a batch's metadata; else only its results tell whose it is

    def line(self, custom_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What stands in a part for one request."""
        ...

    def body(self, line: Mapping[str, Any]) -> Mapping[str, Any]: ...

    def create(self, part: Path, mark: str) -> str:
        """Send a part as one batch, with no try but one: a second might pay twice."""
        ...

    def find(self, sent: Sent, known: set[str]) -> Iterator[str]:
        """Yield the ids of the batches that may be this one, without the known ones."""
        ...

    def progress(self, batch_id: str) -> Progress: ...

    def results(self, batch_id: str) -> Generator[Result]:
        """Yield the results of an ended batch, in any order."""
        ...


@dataclass(frozen=True)
class Waiting:
    key: str
    asked: tuple[str, ...]  # the parameters that the request wished for


@dataclass
class BatchChat:
    """The replies of `chat` (`openai/` or `anthropic/`) through its provider's batches, kept track of in `folder`.

    All requests are pulled before the first batch is waited for. The first new one goes as an ordinary call, at the
    full price: it shows a wrong key or model, and which parameters the model rejects, before a batch comes to nothing
    over it. What was answered is never sent again: whoever wants another answer asks with another key.
    """

    chat: Chat
    folder: Path
    poll: float = 60.0  # seconds between two looks at a batch
    most_requests: int | None = None  # of one batch; None: as many as the provider takes
    most_bytes: int | None = None
    say: Callable[[str], None] = field(default=lambda text: None, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.chat, Several):
            raise UsageError("a batch goes to one endpoint, and base_url names", value=len(self.chat.members))
        if not isinstance(self.chat, Remote) or not hasattr(self.chat, "batches"):
            raise UsageError("no batches with", value=self.chat.name, allowed=["openai/NAME", "anthropic/NAME"])
        self._remote: Remote = self.chat
        self._api = cast(BatchApi, self.chat.batches())
        self._most = min(self.most_requests or self._api.most_requests, self._api.most_requests)
        self._room = min(self.most_bytes or self._api.most_bytes, self._api.most_bytes)

    @property
    def name(self) -> str:
        return self.chat.name

    @property
    def third_party(self) -> bool:
        return self.chat.third_party

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield one reply a request, batch by batch as they end; see `Chat.ask`.

        Raises UserError for a batch that its provider refuses as a whole, after the replies of the others.
        """
        with (
            Ledger(self.folder / "batches.jsonl", Sent) as ledger,
            Ledger(self.folder / "replies.jsonl", Reply) as paid,
        ):
            self._remote.models  # noqa: B018  a wrong key or host, before anything is written
            for sent in list(ledger):
                if sent.state == "intended" and sent.endpoint == self._remote.endpoint:
                    self._recover(ledger, sent)
            waiting: dict[str, Waiting] = {}
            yield from self._send(ledger, paid, requests, waiting)
            for reply in paid:
                if (asked := waiting.pop(reply.key, None)) is not None:
                    yield replace(reply, key=asked.key)
            yield from self._collect(ledger, paid, waiting)

    def _send(
        self, ledger: Ledger[Sent], paid: Ledger[Reply], requests: Iterable[ChatRequest], waiting: dict[str, Waiting]
    ) -> Iterator[Reply]:
        """Send what lies in no batch yet; yields the reply of the one request that goes as an ordinary call."""
        known = {custom for sent in self._open(ledger) for custom, _ in self._lines(sent)}
        part = _Part(self.folder / "parts", self._most, self._room)
        probed = False
        for request in requests:
            custom = self._custom_id(request)
            is_new = custom not in known and custom not in paid
            if is_new and not probed:
                probed = True
                yield from self._ordinary(paid, custom, request)
                continue
            waiting[custom] = Waiting(request.key, tuple(self._remote.wishes(request)))
            if is_new:
                line = _jsonl(self._api.line(custom, self._remote.body(request)))
                if not part.has_room(line):
                    self._seal(ledger, part)
                    part = _Part(part.folder, self._most, self._room)
                part.add(line)
        if part.requests:
            self._seal(ledger, part)

    def _ordinary(self, paid: Ledger[Reply], custom: str, request: ChatRequest) -> Iterator[Reply]:
        for reply in self.chat.ask([request]):
            if reply.call is not None:
                paid.append(replace(reply, key=custom))
            yield reply

    def _seal(self, ledger: Ledger[Sent], part: _Part) -> None:
        """Note the intent, create the batch, note its id."""
        part.close()
        rejected = tuple(sorted(self._remote.rejected))
        sent = Sent(part.mark, self._remote.endpoint, "intended", part.requests, now(), None, rejected)
        ledger.append(sent)
        self._create(ledger, sent)

    def _create(self, ledger: Ledger[Sent], sent: Sent) -> None:
        """Create a batch. After a fault that may have come too late to stop it, it is looked for before another try."""
        sdk = self._remote.sdk
        for left in reversed(range(TRIES)):
            try:
                number = self._api.create(self._path(sent), sent.key)
            except sdk.APIStatusError as error:
                if error.status_code < 500 and error.status_code not in TRANSIENT:
                    ledger.append(replace(sent, state="done"))
                    what = f"{self._remote.endpoint} takes no batch: HTTP {error.status_code}: {words(error)}"
                    raise UserError(what, mend="the same command without --batch") from None
                reason = f"HTTP {error.status_code}: {words(error)}"
            except sdk.APIConnectionError as error:
                reason = str(error.__cause__ or error)
            else:
                self._note(ledger, sent, number)
                return
            if not left:
                raise UserError(f"{self._remote.endpoint}: a batch could not be created ({reason})", mend=AGAIN)
            time.sleep(min(self.poll, 2.0 ** (TRIES - left)))
            if (found := self._found(ledger, sent)) is not None:
                self._note(ledger, sent, found)
                return

    def _note(self, ledger: Ledger[Sent], sent: Sent, batch_id: str) -> None:
        ledger.append(replace(sent, state="sent", batch_id=batch_id))
        self.say(f"batch {batch_id}: {sent.requests} requests sent")

    def _recover(self, ledger: Ledger[Sent], sent: Sent) -> None:
        """A run died between the intent and the id: the batch may exist."""
        found = self._found(ledger, sent) if self._path(sent).exists() else None
        if found is not None:
            self._note(ledger, sent, found)
        else:
            self._done(ledger, sent)

    def _found(self, ledger: Ledger[Sent], sent: Sent) -> str | None:
        """The id of the batch that was intended, if it came to be."""
        ours = {custom for custom, _ in self._lines(sent)}
        known = {other.batch_id for other in ledger if other.batch_id is not None}
        with self._explained():
            for number in self._api.find(sent, known):
                if self._api.marked or self._is_ours(number, ours):
                    return number
        return None

    def _is_ours(self, batch_id: str, ours: set[str]) -> bool:
        while not self._api.progress(batch_id).ended:
            self.say(f"batch {batch_id} may be one of a run that died: waiting for its results to see")
            time.sleep(self.poll)
        with closing(self._api.results(batch_id)) as results:
            first = next(results, None)
        return first is not None and first.custom_id in ours

    def _collect(self, ledger: Ledger[Sent], paid: Ledger[Reply], waiting: dict[str, Waiting]) -> Iterator[Reply]:
        """Wait for the batches that hold what is waited for, and yield their replies as they end."""
        open_ = {
            sent.key: sent for sent in self._open(ledger) if any(custom in waiting for custom, _ in self._lines(sent))
        }
        failures = []
        while open_:
            for sent in list(open_.values()):
                with self._explained():
                    progress = self._api.progress(str(sent.batch_id))
                self.say(f"batch {sent.batch_id}: {progress.finished} of {sent.requests} done")
                if not progress.ended:
                    continue
                if progress.failure is not None:
                    failures.append(progress.failure)
                else:
                    yield from self._replies(sent, progress, paid, waiting)
                del open_[sent.key]
                self._done(ledger, sent)
            if open_:
                time.sleep(self.poll)
        if failures:
            raise UserError(f"{self._remote.endpoint} refused a batch: {failures[0]}", mend=AGAIN)

    def _replies(
        self, sent: Sent, progress: Progress, paid: Ledger[Reply], waiting: dict[str, Waiting]
    ) -> Iterator[Reply]:
        """Store every answer of an ended batch, and yield what is waited for."""
        params = {custom: recorded(self._api.body(line)) for custom, line in self._lines(sent)}
        for result in self._results(str(sent.batch_id)):
            if (put := params.get(result.custom_id)) is None:
                continue
            asked, reply = waiting.pop(result.custom_id, None), result.reply
            if result.completion is not None:
                left_out = self._remote.left_out(asked.asked if asked else sent.rejected, sent.rejected)
                call = self._remote.paid(result.completion, {**put, "batch": sent.batch_id}, left_out, now())
                reply = replace(reply, call=call)
                paid.append(reply)
            if asked is not None:
                yield replace(reply, key=asked.key)
        for custom in params:
            if (asked := waiting.pop(custom, None)) is not None:
                yield Reply(asked.key, progress.missing, error=f"batch {sent.batch_id} ended without a result for it")

    def _results(self, batch_id: str) -> Iterator[Result]:
        """The results, read on where a connection drops in between."""
        import httpx2

        seen: set[str] = set()
        for left in reversed(range(TRIES)):
            try:
                for result in self._api.results(batch_id):
                    if result.custom_id not in seen:
                        seen.add(result.custom_id)
                        yield result
                return
            except (httpx2.HTTPError, self._remote.sdk.APIError, ValueError) as error:
                if not left:
                    what = f"{self._remote.endpoint}: the results of batch {batch_id} cannot be read ({error})"
                    raise UserError(what, mend=AGAIN) from None
            time.sleep(min(self.poll, 2.0 ** (TRIES - left)))

    def _done(self, ledger: Ledger[Sent], sent: Sent) -> None:
        ledger.append(replace(sent, state="done"))
        self._path(sent).unlink(missing_ok=True)

    def _open(self, ledger: Ledger[Sent]) -> list[Sent]:
        return [sent for sent in ledger if sent.state == "sent" and sent.endpoint == self._remote.endpoint]

    def _path(self, sent: Sent) -> Path:
        return self.folder / "parts" / f"{sent.key}.jsonl"

    def _lines(self, sent: Sent) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each request of a part with its custom id."""
        try:
            with self._path(sent).open("rb") as file:
                for raw in file:
                    line = json.loads(raw)
                    yield line["custom_id"], line
        except (OSError, ValueError) as error:
            mend = "the file from a copy of this folder; without it, what the batch answered cannot be told apart"
            raise UserError(f"the requests of batch {sent.batch_id} cannot be read ({error})", mend=mend) from None

    def _custom_id(self, request: ChatRequest) -> str:
        """64 letters that change with anything that is asked; also what the providers allow for an id."""
        heard = [[hashlib.sha256(sound).hexdigest() for sound in message.sounds] for message in request.messages]
        said = [[message.role, text_sha256(message.text)] for message in request.messages]
        asked = [request.max_tokens, request.temperature, request.stop, request.seed, request.schema]
        return digest(self._remote.endpoint, request.key, said, heard, asked)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A fault while looking at batches costs nothing: their ids are on disk."""
        try:
            yield
        except self._remote.sdk.APIError as error:
            reason = words(error) if hasattr(error, "response") else str(error.__cause__ or error)
            raise UserError(f"{self._remote.endpoint}: its batches cannot be read ({reason})", mend=AGAIN) from None


class _Part:
    """The requests of one batch to be, on disk."""

    def __init__(self, folder: Path, most: int, room: int) -> None:
        self.folder, self.mark, self.requests = folder, f"cpbench-{uuid.uuid4()}", 0
        self._most, self._room = most, room
        self._file: IO[bytes] | None = None
        self._bytes = 0

    def has_room(self, line: bytes) -> bool:
        """Whether it fits; the first always does, for its provider to say what is wrong with it."""
        return not self.requests or (self.requests < self._most and self._bytes + len(line) <= self._room)

    def add(self, line: bytes) -> None:
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = (self.folder / f"{self.mark}.jsonl").open("wb")
        self._file.write(line)
        self.requests += 1
        self._bytes += len(line)

    def close(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


def _jsonl(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
