"""A conversation with a foreign program: one JSON object a line, in on its standard input, out on its standard output.

The first line each way is the handshake: `{"protocol": 1, "name": ..., "wants": ...}`. From us, `wants` says what we
want of the program ("answers", "annotations"); from the program, what it wants to be given ("audio", "text"). Then
every message of ours has an `id`, and every one of theirs names the `id` that it belongs to, in any order.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import shlex
import signal
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from cpbench.errors import UsageError, UserError

PROTOCOL = 1
LONGEST = 64 * 2**20  # bytes in a line: beyond it the program does not speak in lines
LAST_WORDS = 12  # lines of its standard error that are kept for the message when it dies
START = "cpbench worker --new FILE writes a start that speaks this protocol"
AGAIN = "mend the program, then give the same command again: what was answered is kept"


class Program:
    """A program that is started at the first use and asked many times over.

    `wants` is said to it in the handshake. `timeout`: the longest silence in seconds while an answer is due; None: any.
    A program that has died, hung or spoken nonsense is ended; the next conversation starts it anew.
    """

    def __init__(self, argv: Sequence[str], *, wants: str = "answers", timeout: float | None = None) -> None:
        self.argv, self.wants, self.timeout = list(argv), wants, timeout
        self._pipes: _Pipes | None = None
        self._hello: Mapping[str, Any] = {}

    @classmethod
    def of_words(cls, words: str, *, scheme: str, wants: str = "answers", timeout: float | None = None) -> Program:
        """The program of a command line, split as a shell does. Raises UsageError for one that cannot be split."""
        try:
            argv = shlex.split(words)
        except ValueError as error:
            raise UsageError(f"{str(error).lower()} in", value=f"{scheme}:{words}") from None
        return cls([str(Path(argv[0]).expanduser()), *argv[1:]], wants=wants, timeout=timeout)

    @property
    def hello(self) -> Mapping[str, Any]:
        """The program's handshake; starts it. Raises UserError where it cannot be started or does not speak so."""
        self._running()
        return self._hello

    def converse(self, messages: Iterable[Mapping[str, Any]], *, ahead: int = 4) -> Iterator[dict[str, Any]]:
        """Send messages, each with an `id` of its own, and yield the replies as they come, in the program's order.

        A message is pulled only while fewer than `ahead` are unanswered. Raises UserError, with the last lines of the
        program's standard error, where it dies, is silent for too long, writes a line that is no JSON object or
        names an id that is not due.
        """
        pipes, due, more, source = self._running(), set[str](), True, iter(messages)
        try:
            while more or due:
                while more and len(due) < ahead:
                    message = next(source, None)
                    if message is None:
                        more = False
                    else:
                        due.add(message["id"])
                        pipes.send(message)
                if due:
                    reply = self._reply(pipes, f"{len(due)} answers due")
                    if not isinstance(reply.get("id"), str) or reply["id"] not in due:
                        raise self._fault(
                            "named an id that is not due: never asked, or answered already", reply.get("id")
                        )
                    due.remove(reply["id"])
                    yield reply
        finally:
            if due:  # its answers would be taken for those of the next conversation
                pipes.interrupt()
                self.close()

    def close(self) -> None:
        """End the program: its standard input is closed, and what does not leave is killed."""
        if self._pipes is not None:
            self._pipes.end()
            self._pipes = None

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _running(self) -> _Pipes:
        if self._pipes is None:
            self._pipes = _Pipes(self.argv)
            self._pipes.send({"protocol": PROTOCOL, "name": "cpbench", "wants": self.wants})
            try:
                self._hello = self._reply(self._pipes, "the handshake due")
                if self._hello.get("protocol") != PROTOCOL:
                    raise self._fault(f"speaks another protocol, not {PROTOCOL}:", self._hello.get("protocol"), START)
            except BaseException:
                self.close()
                raise
        return self._pipes

    def _reply(self, pipes: _Pipes, due: str) -> dict[str, Any]:
        try:
            line = pipes.lines.get(timeout=self.timeout)
        except queue.Empty:
            raise self._fault(f"was silent for {self.timeout:g} s with {due}", mend="-M timeout=SECONDS") from None
        if line is None:
            raise self._fault(f"ended ({pipes.how_it_ended()}) with {due}")
        try:
            reply = json.loads(line.decode("utf-8"))
        except ValueError:  # UnicodeDecodeError and JSONDecodeError are both
            reply = None
        if not isinstance(reply, dict):
            raise self._fault(
                "wrote a line that is not a JSON object:", line[:200].decode("utf-8", "backslashreplace"), START
            )
        return reply

    def _fault(self, what: str, value: object = None, mend: str = AGAIN) -> UserError:
        said = "" if self._pipes is None else self._pipes.last_words()
        shown = "" if value is None else f" {value!r}"
        return UserError(f"{self.argv[0]} {what}{shown}{said}", mend=mend)


def converse(
    argv: Sequence[str], messages: Iterable[Mapping[str, Any]], *, ahead: int = 4, timeout: float | None = None
) -> Iterator[dict[str, Any]]:
    """One conversation with a program that is started for it and ended after it; see `Program.converse`."""
    with Program(argv, timeout=timeout) as program:
        yield from program.converse(messages, ahead=ahead)


class _Pipes:
    """The running process and its three pipes, each with a thread, so that neither side can block the other."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._process = _start(argv)
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        self._outbox: queue.Queue[bytes | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=LAST_WORDS)
        self._threads = [
            _thread(_write, self._process.stdin, self._outbox),
            _thread(_read, self._process.stdout, self.lines),
            _thread(_note, self._process.stderr, self._said),
        ]
        self.end = weakref.finalize(self, _end, self._process, self._outbox, self._threads)

    def send(self, message: Mapping[str, Any]) -> None:
        self._outbox.put(json.dumps(message).encode() + b"\n")

    def interrupt(self) -> None:
        _signal(self._process.pid, signal.SIGTERM)

    def how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its standard output and still runs"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def last_words(self) -> str:
        if self._process.poll() is not None:  # else its standard error has no end to wait for
            self._threads[2].join(timeout=1)
        return "".join(f"\n    {line}" for line in list(self._said))


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C and a batch system's signals are ours to handle, and all that it starts ends with it.
    environment = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **os.environ}
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True)
    except FileNotFoundError:
        raise UsageError("no such program", value=argv[0], mend="the full path of the program") from None
    except OSError as error:
        mend = None
        if error.errno in (errno.EACCES, errno.ENOEXEC) and Path(argv[0]).is_file():
            mend = f"command:python3 {argv[0]}, or chmod +x {argv[0]} and a first line #!/usr/bin/env python3"
        raise UsageError(f"cannot be started ({error.strerror}):", value=argv[0], mend=mend) from None


def _thread(target: Any, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, name=f"program{target.__name__}", daemon=True)
    thread.start()
    return thread


def _write(pipe: IO[bytes], outbox: queue.Queue[bytes | None]) -> None:
    with suppress(OSError):  # a broken pipe: the reader sees the end and says why
        while (line := outbox.get()) is not None:
            pipe.write(line)
            pipe.flush()
    with suppress(OSError):
        pipe.close()


def _read(pipe: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    with pipe:
        while line := pipe.readline(LONGEST):
            if line.strip():
                lines.put(line)
    lines.put(None)


def _note(pipe: IO[bytes], said: deque[str]) -> None:
    with pipe:
        while line := pipe.readline(4096):
            if words := line.decode("utf-8", "replace").rstrip():
                said.append(words[:500])


def _end(process: subprocess.Popen[bytes], outbox: queue.Queue[bytes | None], threads: list[threading.Thread]) -> None:
    """Ask it to leave by closing its standard input; then end it and all that it has started."""
    outbox.put(None)
    for grace, force in ((2.0, signal.SIGTERM), (2.0, signal.SIGKILL)):
        try:
            process.wait(timeout=grace)
            break
        except subprocess.TimeoutExpired:
            _signal(process.pid, force)
    process.wait()
    _signal(process.pid, signal.SIGKILL)  # what it has left behind would keep the pipes open
    for thread in threads:
        thread.join(timeout=2)


def _signal(group: int, force: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, force)
