"""cpbench run, as typed: what it prints where, how it is configured, and what it says of bad input."""

import json
import os
import sys
import textwrap

import pytest


def test_results_on_stdout_and_the_rest_on_stderr(items_file, cpbench, tmp_path):
    done = cpbench("run", "--model", "majority", "--tasks", items_file(), "--out", "a", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results == json.loads((tmp_path / "a" / "results.json").read_text())
    assert "accuracy,none" in results["results"]["items"] and "answering" in done.stderr
    table = cpbench("report", "a")
    assert table.returncode == 0 and "only 4 recordings" in table.stdout and "3 degrees of freedom" in table.stdout


def test_flags_go_before_the_environment_and_that_before_the_file(items_file, cpbench, tmp_path):
    items = items_file()
    (tmp_path / "c.yaml").write_text(f"tasks: {items}\nlimit: 3\nseed: 5\nmodel: empty\nmodel_options: {{}}\n")
    done = cpbench("run", "--config", "c.yaml", "--model", "echo", "--out", "a", env={"CPBENCH_SEED": "7"})
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "a" / "run.yaml").read_text()
    assert "model: echo" in written and "seed: 7" in written and "limit: 3" in written
    (tmp_path / "c.yaml").write_text("modle: echo\n")
    wrong = cpbench("run", "--config", "c.yaml")
    assert wrong.returncode == 2 and "did you mean 'model'" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "--model", "ehco", "--tasks", "ITEMS"], 2, "did you mean 'echo'"),
        (["run", "--model", "echo", "--tasks", "emotion_emobd"], 2, "did you mean 'emotion_emodb'"),
        (["run", "--model", "echo", "--tasks", "ITEMS", "--condition", "silense"], 2, "did you mean 'silence'"),
        (["run", "--model", "echo", "--tasks", "ITEMS", "-M", "color=red"], 2, "color"),
        (["run", "--model", "echo", "--tasks", "ITEMS", "-M", "color"], 2, "KEY=VALUE"),
        (["run", "--model", "echo", "--tasks", "ITEMS", "--shard", "0/4"], 2, "1/16"),
        (["run", "--model", "echo", "--tasks", "nowhere.jsonl"], 1, "nowhere.jsonl"),
        (["run", "--model", "./nowhere", "--tasks", "ITEMS"], 2, "nowhere"),
        (["run", "--model", "echo", "--tasks", "emotion_emodb"], 1, "--data-dir emotion_emodb="),
        (["run", "--model", "echo", "--tasks", "ITEMS", "--condition", "tags:gold"], 1, "emotion"),
        (["report", "nowhere"], 1, "not a run"),
        (["rnu"], 2, "did you mean 'run'"),
        (["merge", "nowhere", "--out", "x"], 1, "not a run"),
    ],
)
def test_bad_input_is_one_message_that_mends(items_file, cpbench, arguments, code, said):
    items = str(items_file())
    done = cpbench(*[items if word == "ITEMS" else word for word in arguments])
    assert said in done.stderr and "Traceback" not in done.stderr and done.stdout == ""
    assert done.returncode == code, done.stderr


def test_a_bad_clip_is_counted_and_named_and_strict_stops(items_file, cpbench, slow_model, tmp_path):
    items = items_file()
    (items.parent / "2.flac").write_bytes(b"fLaC and no more")
    (items.parent / "3.flac").unlink()
    flags = ["run", "--model", f"{slow_model}:Slow", "-M", "log=log", "--tasks", items, "--no-hearing-check"]
    done = cpbench(*flags, "--out", "a", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["intervals"]["audio"]["items"]["accuracy,none"]["all"]
    assert "2.flac" in done.stderr and "3.flac" in done.stderr
    assert found["coverage"] == pytest.approx(4 / 6) and found["worst"] < found["best"]
    assert "4 of 12 items failed" in cpbench("report", "a").stdout
    strict = cpbench(*flags, "--out", "b", "--strict")
    assert strict.returncode == 1 and "without --strict" in strict.stderr
    (items.parent / "3.flac").write_bytes((items.parent / "1.flac").read_bytes())
    asked = len((tmp_path / "log").read_text().splitlines())
    again = cpbench(*flags, "--out", "c")
    assert again.returncode == 0 and len((tmp_path / "log").read_text().splitlines()) - asked == 10


def test_offline_no_socket_is_opened(items_file, cpbench, slow_model, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        textwrap.dedent("""
        import socket
        def refuse(*arguments, **options):
            raise SystemExit("a socket was opened")
        socket.socket.connect = refuse
        socket.create_connection = refuse
        socket.getaddrinfo = refuse
        """)
    )
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])}
    flags = ["--model", f"{slow_model}:Slow", "-M", "log=log"]
    done = cpbench("run", *flags, "--tasks", items_file(), env=env)
    assert done.returncode == 0 and "socket" not in done.stderr, done.stderr
    for task in ("cpqa", "voxparadox"):
        missing = cpbench("run", *flags, "--tasks", task, env=env)
        assert missing.returncode == 1 and "cpbench data fetch" in missing.stderr, missing.stderr


def test_a_null_baseline_is_not_asked_to_listen_and_failures_are_not_to_be_judged(items_file, cpbench, tmp_path):
    (tmp_path / "none.jsonl").write_text('{"item_id": "elsewhere", "answer": "low"}\n')
    null = cpbench("run", "--model", "majority", "--tasks", items_file(), "--out", "null")
    none = cpbench("run", "--model", "answers:none.jsonl", "--tasks", items_file(), "--out", "none")
    assert "Does the model listen?" not in null.stdout and "these 12 answers judged" in null.stdout
    assert "Does the model listen?" in none.stdout and "answers judged" not in none.stdout


def test_show_prints_prompts_and_answers(items_file, cpbench):
    done = cpbench("run", "--model", "echo", "--tasks", items_file(), "--show", 2)
    assert done.stderr.count("\n> ") == 2 and done.stderr.count("\n< ") == 2


def test_help_is_quick_to_import():
    import subprocess

    heavy = ("torch", "transformers", "datasets", "lm_eval", "openai", "anthropic", "matplotlib", "numpy", "pydantic")
    code = f"""
import sys
from cpbench.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]" and "run" in done.stdout
