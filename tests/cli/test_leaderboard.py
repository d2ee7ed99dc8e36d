"""cpbench leaderboard submit, check, schema: as typed, with a terminal and without one, on another machine."""

import io
import json
import os
import pty
import shutil
import subprocess
import sys

import pytest

from cpbench.cli import main
from cpbench.leaderboard.datasets import describe, save_dataset
from cpbench.runfolder import load_run

ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CPBENCH_CARDS": "cards"}


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """here("leaderboard", ...) -> (exit code, stdout, stderr), in this process and in tmp_path, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def call(*arguments):
        code = 0
        try:
            main([str(each) for each in arguments])
        except SystemExit as left:
            code = left.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def run(items_file, here, tmp_path):
    items = _answers(items_file(), tmp_path)
    code, _, said = here("run", "--model", "answers:answers.jsonl", "--tasks", items, "--out", "run")
    assert code == 0, said
    return tmp_path / "run"


def _answers(items, folder):
    rows = [json.loads(line) for line in items.read_text().splitlines()]
    said = [{"item_id": row["id"], "answer": ("It is low.", "It is high.")[at % 2]} for at, row in enumerate(rows)]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    return items


def test_a_submission_made_here_checks_elsewhere_and_a_changed_one_does_not(run, here, cpbench, tmp_path):
    code, _, said = here("leaderboard", "submit", run, "--out", "out")
    assert code == 2 and "--name" in said and "--trained-on-eval" in said
    about = ["--name", "Mine", "--trained-on-eval", "no", "--zip"]
    code, made, said = here("leaderboard", "submit", run, "--out", "out", *about, "--json")
    assert code == 0, said
    away, opened = tmp_path / "elsewhere", load_run(run)
    save_dataset(away / "board", describe(opened.tasks[0], opened.items))
    shutil.copy(json.loads(made)["zips"][0], away / "s.zip")
    shutil.rmtree(run)
    other = {"LANG": "C", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "HOME": str(away)}
    checked = cpbench("leaderboard", "check", away / "s.zip", "--board", away / "board", env=other)
    assert checked.returncode == 0 and "is accepted" in checked.stdout, checked.stdout + checked.stderr
    folder = tmp_path / "out" / "items"
    whole = (folder / "predictions.jsonl").read_bytes()
    (folder / "predictions.jsonl").write_bytes(whole.replace(b"high", b"low "))
    code, found, _ = here("leaderboard", "check", folder, "--board", away / "board", "--json")
    assert code == 3 and [(one["code"], bool(one["mend"])) for one in json.loads(found)] == [("predictions_hash", True)]


def test_on_a_terminal_it_asks_for_what_only_a_person_knows(run, tmp_path):
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "cpbench", "leaderboard", "submit", str(run), "--out", "out", "--license", "MIT"]
    with subprocess.Popen(words, cwd=tmp_path, env=ENV, stdin=slave, stderr=slave, stdout=subprocess.PIPE) as process:
        os.close(slave)
        os.write(master, b"My own\n\nhttps://example.org\nno\n")
        said, _ = process.communicate(timeout=120)
        asked = os.read(master, 65536).decode()
        os.close(master)
    assert process.returncode == 0, asked
    made = json.loads((tmp_path / said.decode().strip() / "submission.json").read_bytes())["system"]
    assert made["name"] == "My own" and made["organisation"] is None and made["url"] == "https://example.org"
    assert made["trained_on_eval"] == "no" and made["license"] == "MIT"
    assert "Who made it" in asked and "license" not in asked


def test_wrong_words(here, tmp_path):
    assert here("leaderboard", "check", "nowhere")[0] == 2
    (tmp_path / "empty").mkdir()
    assert here("leaderboard", "check", "empty", "--board", "nowhere")[0] == 2
    code, found, _ = here("leaderboard", "check", "empty", "--json")
    assert code == 3 and [one["code"] for one in json.loads(found)] == ["file_missing"]
    assert here("leaderboard", "check", "empty")[1].startswith("refused: file_missing: empty has no submission.json")


def test_the_schema_is_printed(here):
    printed = json.loads(here("leaderboard", "schema")[1])
    assert printed["$defs"]["Submission"]["additionalProperties"] is False
    assert "| `score_mismatch` |" in here("leaderboard", "schema", "--codes")[1]
