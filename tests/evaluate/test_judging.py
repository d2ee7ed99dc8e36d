"""Judging a run against a real local endpoint: what is paid for once is never paid for again."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from cpbench.flow.ledger import Ledger
from cpbench.records import Judgement

JUDGE = "openai/judge-1"


def graded(endpoint, score=4):
    """Make the endpoint answer every call with a verdict in the packaged prompt's form."""
    endpoint.default = lambda body: endpoint.completion(json.dumps({"reason": "because", "score": score}))


def judgements(folder):
    return list(Ledger(folder / "judgements.jsonl", Judgement))


@pytest.fixture
def answered(items_file, cpbench, tmp_path):
    """A run of 12 answers on disk, two of them equal under two conditions."""
    items = items_file(clips=6, questions=2)
    done = cpbench("run", "--model", "majority", "--tasks", items, "--out", "a")
    assert done.returncode == 0, done.stderr
    return tmp_path / "a"


def asked(endpoint):
    return len(endpoint.bodies)


def test_a_second_run_makes_no_call_and_the_scores_stand_by_the_judge_s_name(answered, endpoint, cpbench):
    graded(endpoint)
    flags = ["judge", "run", answered, "--judge", JUDGE, "-J", f"base_url={endpoint.url}", "--repeats", 1]
    first = cpbench(*flags, "--json")
    assert first.returncode == 0, first.stderr
    results = json.loads(first.stdout)
    assert results["results"]["items"][f"judge_score,{JUDGE}"] == pytest.approx(80.0)
    entry = results["judges"][JUDGE]
    assert entry["card"] == "not validated" and entry["statuses"] == {"ok": 12}
    assert results["costs"]["judge_calls"] == 12 and results["costs"]["judge_input_tokens"] == 12 * 11
    calls = asked(endpoint)
    again = cpbench(*flags)
    assert again.returncode == 0 and asked(endpoint) == calls == 12 and "not validated" in again.stdout


def test_by_default_some_items_are_judged_five_times_and_the_noise_is_said(answered, endpoint, cpbench):
    scores = iter([3, 5] * 100)
    endpoint.default = lambda body: endpoint.completion(json.dumps({"reason": "r", "score": next(scores)}))
    done = cpbench("judge", "run", answered, "--judge", JUDGE, "-J", f"base_url={endpoint.url}", "--json")
    results = json.loads(done.stdout)
    assert asked(endpoint) == 60
    noise = results["judges"][JUDGE]["noise"]
    assert noise["items"] == 12 and noise["repeats"] == 5 and 15 < noise["sd"] < 30


def test_each_judge_keeps_its_scores_and_a_changed_prompt_is_another_judge(answered, endpoint, cpbench, tmp_path):
    graded(endpoint, 4)
    flags = ["-J", f"base_url={endpoint.url}", "--repeats", 1]
    cpbench("judge", "run", answered, "--judge", JUDGE, *flags)
    own = tmp_path / "own.yaml"
    assert cpbench("judge", "prompts", "--new", own).returncode == 0
    graded(endpoint, 2)
    done = cpbench("judge", "run", answered, "--judge", JUDGE, "--judge-prompt", own, *flags, "--json")
    assert done.returncode == 0, done.stderr
    ids = {judgement.judge_id for judgement in judgements(answered)}
    assert len(ids) == 2 and asked(endpoint) == 24
    found = json.loads(done.stdout)["results"]["items"]
    values = sorted(value for key, value in found.items() if key.startswith("judge_score,"))
    assert len(values) == 2 and values[1] == pytest.approx(80.0) and values[0] < values[1]


def test_failures_of_the_judge_are_no_scores_and_bound_the_result(answered, endpoint, cpbench):
    graded(endpoint)
    endpoint.script = [
        endpoint.completion("I will not."),
        endpoint.completion("I will not."),
        endpoint.completion(json.dumps({"reason": "r", "score": 9})),
        endpoint.completion(json.dumps({"reason": "r", "score": 9})),
        endpoint.completion("", finish="content_filter"),
    ]
    flags = ["--judge", JUDGE, "-J", f"base_url={endpoint.url}", "-J", "concurrency=1", "--repeats", 1]
    done = cpbench("judge", "run", answered, *flags, "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["judges"][JUDGE]["statuses"] == {"ok": 9, "parse_error": 1, "out_of_range": 1, "content_filter": 1}
    found = results["intervals"]["audio"]["items"][f"judge_score,{JUDGE}"]["all"]
    assert found["value"] == pytest.approx(80.0) and found["coverage"] == pytest.approx(9 / 12)
    assert found["worst"] == pytest.approx(60.0) and found["best"] == pytest.approx(85.0)
    assert all(one.score is None for one in judgements(answered) if one.status != "ok")
    assert any("gave no score" in line for line in results["warnings"])
    calls = asked(endpoint)
    assert cpbench("judge", "run", answered, *flags).returncode == 0 and asked(endpoint) == calls


def test_judging_goes_on_beside_the_answers(items_file, endpoint, slow_model, cpbench, tmp_path):
    graded(endpoint)
    items = items_file(clips=10, questions=2)
    model = ["--model", f"{slow_model}:Slow", "-M", f"log={tmp_path / 'log'}", "-M", "pause=0.05", "--no-hearing-check"]
    flags = ["--judge", JUDGE, "-J", f"base_url={endpoint.url}"]
    done = cpbench("run", *model, "--tasks", items, "--out", "b", *flags, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"]["items"][f"judge_score,{JUDGE}"] == pytest.approx(80.0)
    assert asked(endpoint) == 100  # 20 answers, five times each
    again = cpbench("run", *model, "--tasks", items, "--out", "b", *flags)
    assert again.returncode == 0 and asked(endpoint) == 100


def test_a_kill_in_the_middle_of_judging_pays_for_nothing_twice(items_file, endpoint, cpbench, tmp_path):
    items = items_file(clips=30, questions=2)
    assert cpbench("run", "--model", "echo", "--tasks", items, "--out", "c").returncode == 0
    slow = replace(endpoint.completion(json.dumps({"reason": "r", "score": 3})), delay=0.03)
    endpoint.default = lambda body: slow
    flags = ["--judge", JUDGE, "-J", f"base_url={endpoint.url}", "-J", "concurrency=2", "--repeats", "1"]
    command = [sys.executable, "-m", "cpbench", "judge", "run", str(tmp_path / "c"), *flags]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ})
    while asked(endpoint) < 15:
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    paid = asked(endpoint)
    saved = len(judgements(tmp_path / "c"))
    done = cpbench("judge", "run", tmp_path / "c", *flags)
    assert done.returncode == 0 and len(judgements(tmp_path / "c")) == 60
    assert paid - saved <= 4 and asked(endpoint) - paid == 60 - saved  # in flight: two, and two on their way to disk


def test_a_dry_run_sends_and_writes_nothing_and_a_limit_stops_beforehand(answered, endpoint, cpbench, tmp_path):
    graded(endpoint)
    flags = ["judge", "run", answered, "--judge", JUDGE, "-J", f"base_url={endpoint.url}", "--repeats", 1]
    (tmp_path / "prices.yaml").write_text("currency: EUR\nmodels:\n  judge-1: {input: 1000, output: 1000}\n")
    dry = cpbench(*flags, "--dry-run", "--prices", "prices.yaml")
    assert dry.returncode == 0 and "12 calls" in dry.stdout and "EUR" in dry.stdout, dry.stderr
    assert asked(endpoint) == 0 and not (answered / "judgements.jsonl").exists()
    few = cpbench(*flags, "--max-calls", 5)
    assert few.returncode == 1 and "limit of 5 calls" in few.stderr and asked(endpoint) == 5
    assert len(judgements(answered)) == 5
    rest = cpbench(*flags, "--prices", "prices.yaml", "--json")
    assert rest.returncode == 0 and asked(endpoint) == 12, rest.stderr
    cost = json.loads(rest.stdout)["judges"][JUDGE]["cost"]
    assert cost == {"money": pytest.approx(12 * (11 + 3) * 1000 / 1e6), "currency": "EUR"}
    (tmp_path / "prices.yaml").write_text("models:\n  judge-2: {input: 1, output: 1}\n")
    lacks = cpbench(*flags, "--dry-run", "--prices", "prices.yaml")
    assert lacks.returncode == 1 and "did you mean 'judge-2'" in lacks.stderr and asked(endpoint) == 12


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("overlap", "not a judge"),
        ("simulated:orakel", "oracle"),
        ("openai/judge-1", "cannot be reached"),
        ("nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_bad_judges_are_one_message(answered, cpbench, spec, said):
    extra = ["-J", "base_url=http://127.0.0.1:9/v1"] if spec.startswith("openai") else []
    done = cpbench("judge", "run", answered, "--judge", spec, *extra, env={"OPENAI_API_KEY": "x"})
    assert done.returncode in (1, 2) and said in done.stderr and "Traceback" not in done.stderr


def test_judging_and_reporting_need_no_torch_and_little_memory(answered, endpoint, tmp_path):
    graded(endpoint)
    code = f"""
import re, sys
from cpbench.cli import main
for words in (["judge", "run", {str(answered)!r}, "--judge", {JUDGE!r}, "-J", "base_url={endpoint.url}"],
              ["report", {str(answered)!r}]):
    try:
        main(words)
    except SystemExit as leaving:
        assert not leaving.code, leaving.code
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())  # ru_maxrss would be the parent's
print("torch" in sys.modules, int(peak[1]) / 1024, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    torch, megabytes = done.stderr.splitlines()[-1].split()
    assert torch == "False" and float(megabytes) < 300


def test_simulated_judges_and_one_family_are_called_what_they_are(answered, endpoint, cpbench):
    done = cpbench("judge", "run", answered, "--judge", "simulated:oracle")
    assert "simulated, no LLM has judged anything" in done.stdout


def test_a_judge_of_the_model_s_family_is_named(items_file, endpoint, cpbench, tmp_path):
    graded(endpoint)
    (tmp_path / "mine.py").write_text(
        "from cpbench.records import ModelCard\n"
        "class Mine:\n"
        "    card = ModelCard('gpt-mine', 'gpt', sampling_rate=None)\n"
        "    def answer(self, turns):\n"
        "        for turn in turns:\n"
        "            yield turn.request.answered('low', heard=0.0)\n"
    )
    flags = ["--judge", "openai/gpt-4o", "-J", f"base_url={endpoint.url}", "--json"]
    done = cpbench("run", "--model", "mine.py:Mine", "--tasks", items_file(), "--out", "d", *flags)
    assert done.returncode == 0, done.stderr
    assert any("of one family" in line for line in json.loads(done.stdout)["warnings"])


def test_what_may_not_be_sent_is_not_sent(items_file, cpbench, tmp_path):
    items_file(clips=2, questions=1, folder="emodb")
    for n, name in enumerate(("03a01Fa", "08a01Wa")):
        (tmp_path / "emodb" / f"{n}.flac").rename(tmp_path / "emodb" / f"{name}.flac")
    run = ["run", "--model", "majority", "--tasks", "emotion_emodb", "--data-dir", "emodb", "--out", "e"]
    assert cpbench(*run).returncode == 0
    judge = ["judge", "run", "e", "--judge", "openai/gpt-4o"]
    refused = cpbench(*judge, env={"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": ""})
    assert refused.returncode == 1 and "emotion_emodb" in refused.stderr and "--third-party-ok" in refused.stderr
    assert cpbench(*judge, "--dry-run", "--third-party-ok").returncode == 0
    assert cpbench("judge", "run", "e", "--judge", "simulated:oracle").returncode == 0  # nothing leaves this machine


def test_of_several_ranks_one_pays_for_what_was_left_unjudged(items_file, endpoint, cpbench, tmp_path):
    graded(endpoint)
    run = ["run", "--model", "echo", "--tasks", str(items_file()), "--out", "f"]
    assert cpbench(*run).returncode == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "cpbench"]
    flags = ["--judge", JUDGE, "-J", f"base_url={endpoint.url}"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, *run, *flags], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert asked(endpoint) == 60 and len(judgements(tmp_path / "f")) == 60  # twelve answers, five times each
