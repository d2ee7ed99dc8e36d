"""The ledger: whole lines or none, whatever happens to the process."""

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from cpbench import formats
from cpbench.errors import UserError
from cpbench.flow.ledger import Ledger, fill, merge, write_whole
from cpbench.formats.clips import write_clips
from cpbench.records import Prediction


def answer(item, text="yes", status="ok"):
    return Prediction(item, "t", "audio", text, None, text, status)


def keys(ledger):
    return [record.item_id for record in ledger]


def test_what_was_written_is_read_again(tmp_path):
    hard = 'quotes " and \\ and \n newline, \u2028, نص, \x00, 😀'
    with Ledger(tmp_path / "p.jsonl", Prediction) as ledger:
        ledger.append(answer("a", hard))
    again = Ledger(tmp_path / "p.jsonl", Prediction)
    assert [record.answer for record in again] == [hard]
    assert "t/a/audio" in again and "t/b/audio" not in again and len(again) == 1


def test_a_torn_last_line_is_dropped_and_the_rest_stands(tmp_path):
    path = tmp_path / "p.jsonl"
    with Ledger(path, Prediction) as ledger:
        ledger.append(answer("a"))
        ledger.append(answer("b"))
    path.write_bytes(path.read_bytes()[:-20])
    ledger = Ledger(path, Prediction)
    assert keys(ledger) == ["a"]
    with ledger:
        ledger.append(answer("c"))
    assert keys(Ledger(path, Prediction)) == ["a", "c"]
    assert path.read_bytes().count(b"\n") == 2


def test_a_line_that_is_not_a_record_is_named(tmp_path):
    path = tmp_path / "p.jsonl"
    with Ledger(path, Prediction) as ledger:
        ledger.append(answer("a"))
    path.write_bytes(b'{"item_id": 3}\n' + path.read_bytes())
    with pytest.raises(UserError, match=r"p\.jsonl, line 1"):
        Ledger(path, Prediction)


def test_the_last_line_of_a_key_counts_and_failures_are_done_again(tmp_path):
    path = tmp_path / "p.jsonl"
    with Ledger(path, Prediction, again=lambda p: p.status == "error") as ledger:
        ledger.append(answer("a", status="error"))
        assert "t/a/audio" not in ledger and len(ledger) == 0
        ledger.append(answer("b"))
        ledger.append(answer("a", "better"))
        assert "t/a/audio" in ledger and len(ledger) == 2
    assert [(p.item_id, p.answer) for p in Ledger(path, Prediction)] == [("b", "yes"), ("a", "better")]


def test_fill_does_only_what_is_missing(tmp_path):
    done = []

    def do(work):
        for piece in work:
            done.append(piece.item_id)
            yield piece

    with Ledger(tmp_path / "p.jsonl", Prediction) as ledger:
        ledger.append(answer("a"))
        assert [p.item_id for p in fill(ledger, [answer("a"), answer("b")], do)] == ["b"]
    assert done == ["b"] and keys(Ledger(tmp_path / "p.jsonl", Prediction)) == ["a", "b"]


def test_parts_of_ranks_come_together_once(tmp_path):
    path = tmp_path / "p.jsonl"
    for rank, item in enumerate("abc"):
        with Ledger(path, Prediction, rank=rank) as ledger:
            ledger.append(answer(item))
    torn = tmp_path / "p.jsonl.2"
    torn.write_bytes(torn.read_bytes() + b'{"item_id": "torn')
    assert merge(path) == 3 and merge(path) == 0
    assert keys(Ledger(path, Prediction)) == ["a", "b", "c"]


def test_two_processes_may_not_write_one_file(tmp_path):
    path = tmp_path / "p.jsonl"
    with Ledger(path, Prediction) as one:
        one.append(answer("a"))
        with pytest.raises(UserError, match="another process"), Ledger(path, Prediction) as two:
            two.append(answer("b"))


def test_a_full_disk_leaves_whole_lines_and_one_message(tmp_path, monkeypatch):
    path = tmp_path / "p.jsonl"
    real = os.write
    with Ledger(path, Prediction) as ledger:
        ledger.append(answer("a"))

        def full(file, data):
            real(file, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(UserError, match="disk is full"):
            ledger.append(answer("b"))
        monkeypatch.undo()
        ledger.append(answer("c"))
    assert keys(Ledger(path, Prediction)) == ["a", "c"]


def test_a_write_that_the_system_cuts_short_leaves_whole_lines(tmp_path):
    code = """
        import pathlib, resource, sys
        from cpbench.errors import UserError
        from cpbench.flow.ledger import Ledger
        from cpbench.records import Prediction
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        ledger = Ledger(pathlib.Path(sys.argv[1]), Prediction)
        try:
            for n in range(100):
                ledger.append(Prediction(str(n), "t", "audio", "x" * 3000, None, "x" * 3000, "ok"))
        except UserError as error:
            print(error)
    """
    path = tmp_path / "p.jsonl"
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert "what was written before stands" in said
    assert path.read_bytes().endswith(b"\n") and len(Ledger(path, Prediction)) == path.read_bytes().count(b"\n") > 3


def test_kill_9_in_the_middle_loses_no_whole_line(tmp_path):
    path = tmp_path / "p.jsonl"
    code = """
        import sys, pathlib
        from cpbench.flow.ledger import Ledger
        from cpbench.records import Prediction
        ledger = Ledger(pathlib.Path(sys.argv[1]), Prediction)
        n = 0
        while True:
            ledger.append(Prediction(str(n), "t", "audio", "x" * 5000, None, "x" * 5000, "ok"))
            n += 1
            print(n, flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE, text=True
    )
    lines = [child.stdout.readline() for _ in range(50)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    written = int([line for line in lines if line.endswith("\n")][-1])
    assert len(Ledger(path, Prediction)) >= written


def test_write_whole_replaces_in_one_step(tmp_path):
    path = tmp_path / "deep" / "x.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two" and [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_what_lies_in_no_folder_is_refused_in_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    for work in (
        lambda: write_whole(tmp_path / "file" / "x.json", b"one"),
        lambda: Ledger(tmp_path / "file" / "deep" / "p.jsonl", Prediction).__enter__().append(answer("1")),
        lambda: formats.write("items", [], tmp_path / "file" / "items.jsonl"),
        lambda: formats.write("swift", [], tmp_path / "file" / "a.jsonl"),
        lambda: write_clips([], tmp_path / "file" / "clips.jsonl"),
    ):
        with pytest.raises(UserError, match=r"file.* cannot be written: "):
            work()


def test_reading_holds_one_record_at_a_time(tmp_path):
    import tracemalloc

    with Ledger(tmp_path / "p.jsonl", Prediction) as ledger:
        for n in range(300):
            ledger.append(answer(str(n), "x" * 20_000))
    again = Ledger(tmp_path / "p.jsonl", Prediction)
    tracemalloc.start()
    assert sum(1 for _ in again) == 300
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # the file is 12 MB


def test_a_record_is_read_by_its_key(tmp_path):
    with Ledger(tmp_path / "p.jsonl", Prediction) as ledger:
        for record in (answer("a"), answer("b"), answer("a", "no")):
            ledger.append(record)
        found = [ledger.get(f"t/{name}/audio") for name in "abc"]
    assert found == [answer("a", "no"), answer("b"), None]
    assert Ledger(tmp_path / "p.jsonl", Prediction).get("t/a/audio") == answer("a", "no")
