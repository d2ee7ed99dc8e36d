"""Conversations with real programs: obedient, slow, chatty, dying, hanging, and speaking nonsense."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cpbench.errors import UsageError, UserError
from cpbench.flow.program import Program, converse

HANDSHAKE = 'say({"protocol": 1, "name": "test", "wants": "text"})\n'
BEGINNING = """
import json, os, signal, subprocess, sys, time
def say(message):
    print(json.dumps(message), flush=True)
hello = json.loads(sys.stdin.readline())
"""
ECHO = 'for line in sys.stdin:\n    m = json.loads(line)\n    say({"id": m["id"], "answer": m.get("text")})\n'


def program(folder: Path, body: str, *, handshake: str = HANDSHAKE) -> list[str]:
    file = folder / "program.py"
    file.write_text(BEGINNING + handshake + body, encoding="utf-8")
    return [sys.executable, "-I", "-S", str(file)]


def ids(count: int) -> Iterator[dict[str, str]]:
    return ({"id": str(number), "text": f"text {number}"} for number in range(count))


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie, which nobody has waited for, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_every_message_gets_its_reply(tmp_path: Path) -> None:
    replies = list(converse(program(tmp_path, ECHO), ids(50)))
    assert {reply["id"]: reply["answer"] for reply in replies} == {str(n): f"text {n}" for n in range(50)}


def test_any_text_survives_the_way_there_and_back(tmp_path: Path) -> None:
    texts = ["ä 生气 \u202e", "a\nb\r\n\x00\u2028", '"}{\\', "\ud800", "x" * 300_000]
    messages = ({"id": str(n), "text": text} for n, text in enumerate(texts))
    replies = {reply["id"]: reply["answer"] for reply in converse(program(tmp_path, ECHO), messages)}
    assert [replies[str(n)] for n in range(len(texts))] == texts


def test_answers_may_come_out_of_order(tmp_path: Path) -> None:
    body = """
lines = [json.loads(sys.stdin.readline()) for _ in range(4)]
for m in reversed(lines):
    say({"id": m["id"]})
"""
    assert [reply["id"] for reply in converse(program(tmp_path, body), ids(4), ahead=4)] == ["3", "2", "1", "0"]


def test_no_more_is_pulled_than_may_be_unanswered(tmp_path: Path) -> None:
    pulled = 0

    def messages() -> Iterator[dict[str, str]]:
        nonlocal pulled
        for message in ids(30):
            pulled += 1
            yield message

    for done, _ in enumerate(converse(program(tmp_path, ECHO), messages(), ahead=3)):
        assert pulled <= done + 3
    assert pulled == 30


def test_a_program_that_writes_much_before_it_reads_does_not_block(tmp_path: Path) -> None:
    body = 'm = json.loads(sys.stdin.readline())\nsay({"id": m["id"], "answer": "y" * 3_000_000})\n' + ECHO
    big = ({"id": str(n), "text": "z" * 200_000} for n in range(4))
    sizes = sorted(len(reply["answer"]) for reply in converse(program(tmp_path, body), big))
    assert sizes == [200_000] * 3 + [3_000_000]


def test_a_flood_on_standard_error_does_not_block(tmp_path: Path) -> None:
    body = "sys.stderr.write('noise ' * 200_000)\n" + ECHO
    assert len(list(converse(program(tmp_path, body), ids(3), timeout=20))) == 3


def test_the_program_is_started_once_and_asked_many_times(tmp_path: Path) -> None:
    body = ECHO.replace('m.get("text")', "os.getpid()")
    with Program(program(tmp_path, body)) as running:
        assert running.hello["name"] == "test"
        pids = {reply["answer"] for _ in range(3) for reply in running.converse(ids(2))}
    assert len(pids) == 1
    assert not alive(pids.pop())


def test_it_is_told_what_is_wanted(tmp_path: Path) -> None:
    with Program(
        program(tmp_path, ECHO, handshake='say({"protocol": 1, "heard": hello})\n'), wants="annotations"
    ) as running:
        assert running.hello["heard"] == {"protocol": 1, "name": "cpbench", "wants": "annotations"}


def test_a_missing_program_is_named() -> None:
    with pytest.raises(UsageError, match=r"no such program '\./not-there'"):
        list(converse(["./not-there"], ids(1)))


def test_a_file_that_is_no_program_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "worker.py"
    file.write_text("print(1)")
    with pytest.raises(UsageError, match=r"Permission denied.*\n  try: command:python3 .*worker.py"):
        list(converse([str(file)], ids(1)))
    file.chmod(0o755)
    with pytest.raises(UsageError, match=r"Exec format error.*\n.*a first line #!"):
        list(converse([str(file)], ids(1)))


def test_death_in_the_middle_keeps_what_was_answered_and_shows_the_last_words(tmp_path: Path) -> None:
    body = """
m = json.loads(sys.stdin.readline()); say({"id": m["id"]})
raise RuntimeError("CUDA out of memory")
"""
    replies = []
    with pytest.raises(
        UserError, match=r"(?s)ended \(exit code 1\).*RuntimeError: CUDA out of memory.*same command again"
    ):
        replies.extend(reply["id"] for reply in converse(program(tmp_path, body), ids(9), ahead=1))
    replies = []
    with pytest.raises(UserError):
        for reply in converse(program(tmp_path, body), ids(9), ahead=1):
            replies.append(reply["id"])
    assert replies == ["0"]


def test_death_by_a_signal_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="SIGKILL"):
        list(converse(program(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)"), ids(1)))


def test_death_at_the_start_shows_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)the handshake due.*ModuleNotFoundError: No module named 'my_model'"):
        list(converse(program(tmp_path, "", handshake="import my_model"), ids(1)))


@pytest.mark.parametrize(
    ("line", "shown"),
    [("Loading weights: 100 %", "Loading weights"), ("[1, 2]", r"\[1, 2\]"), ('{"id": "0"', r'\{"id": "0"')],
)
def test_a_line_that_is_no_message_is_shown(tmp_path: Path, line: str, shown: str) -> None:
    with pytest.raises(UserError, match=f"not a JSON object: .*{shown}"):
        list(converse(program(tmp_path, f"print({line!r}, flush=True)\n" + ECHO), ids(1)))


def test_bytes_that_are_not_utf8_are_shown_escaped(tmp_path: Path) -> None:
    body = 'sys.stdout.buffer.write(b\'{"id": "0", "answer": "\\xe4"}\\n\'); sys.stdout.flush()\n' + ECHO
    with pytest.raises(UserError, match=r"not a JSON object.*xe4"):
        list(converse(program(tmp_path, body), ids(1)))


@pytest.mark.parametrize(("said", "shown"), [('"7"', "'7'"), ("None", "None"), ('["0"]', r"\['0'\]")])
def test_an_id_that_is_not_due_is_refused(tmp_path: Path, said: str, shown: str) -> None:
    shown = "" if shown == "None" else shown
    with pytest.raises(UserError, match=f"an id that is not due.*{shown}"):
        list(converse(program(tmp_path, f'say({{"id": {said}}})\n' + ECHO), ids(1)))


def test_an_id_answered_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="answered already '0'"):
        list(converse(program(tmp_path, ECHO + '    say({"id": "0"})\n'), ids(5), ahead=1))


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"another protocol, not 1: 2"):
        list(converse(program(tmp_path, "", handshake='say({"protocol": 2})'), ids(1)))


def test_silence_ends_after_the_timeout_and_ends_the_program_and_its_children(tmp_path: Path) -> None:
    body = """
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
m = json.loads(sys.stdin.readline()); say({"id": m["id"], "pids": [os.getpid(), child.pid]})
time.sleep(60)
"""
    pids: list[int] = []
    with pytest.raises(UserError, match=r"silent for 0\.6 s with 2 answers due\n.*-M timeout"):
        for reply in converse(program(tmp_path, body), ids(5), ahead=2, timeout=0.6):
            pids = reply["pids"]
    assert len(pids) == 2
    deadline = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids))


def test_a_conversation_left_early_does_not_spoil_the_next(tmp_path: Path) -> None:
    with Program(program(tmp_path, ECHO)) as running:
        first = running.converse(ids(10))
        next(first)
        first.close()  # type: ignore[attr-defined]
        again = [reply["answer"] for reply in running.converse({"id": str(n), "text": "new"} for n in range(4))]
    assert again == ["new"] * 4


def test_a_program_that_is_not_closed_ends_with_its_owner(tmp_path: Path) -> None:
    running = Program(program(tmp_path, ECHO.replace('m.get("text")', "os.getpid()")))
    pid = next(iter(running.converse(ids(1))))["answer"]
    os.kill(pid, 0)
    del running
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)
