"""`cpbench judge validate` with a judge on a real local endpoint: priced, killed, stopped, resumed, and in batches."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from beside import TESTS, module_at

from cpbench.chat.paying import Paying
from cpbench.judges.validity.evidence import Candidate
from cpbench.judges.validity.packs import read_pack, write_pack
from cpbench.judges.validity.validate import Room, validate

ground = module_at(TESTS / "judges" / "validity" / "ground.py")
rules = module_at(TESTS.parent / "docs" / "examples" / "rule_judge.py")
chat_servers = module_at(TESTS / "chat" / "conftest.py")
provider, short_backoff = chat_servers.provider, chat_servers.short_backoff


@pytest.fixture
def pack(tmp_path):
    """Two systems, 12 items in the gate. No question is asked twice: equal bodies would be paid for twice."""
    made = ground.make(systems=2, items=24, recordings=24, repeats=1, repeated=1)
    items = tuple(dataclasses.replace(item, question=f"{item.id}: {item.question}") for item in made.items)
    return write_pack(dataclasses.replace(made, items=items), tmp_path / "pack")


@pytest.fixture
def served(endpoint):
    """The rule-based judge behind an endpoint that counts."""
    endpoint.default = lambda body: endpoint.answer(rules.completion(body))
    return endpoint


def words(pack, url, out="out", *more):
    judge = ("--judge", "openai/rules", "--judge-prompt", "emotion-binary", "-J", f"base_url={url}")
    return ("judge", "validate", *judge, "-J", "concurrency=4", "--pack", str(pack), "--out", out, *more)


def started(arguments, folder):
    """The same process as the fixture `cpbench` makes, not waited for."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cpbench", *arguments]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def asked(endpoint):
    return Counter(json.dumps(body["messages"]) for body in endpoint.bodies)


def lines(folder):
    return (folder / "judgements.jsonl").read_text().splitlines()


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_dry_run_says_how_many_calls_there_will_be_and_none_is_made_twice(cpbench, served, pack, tmp_path):
    priced = cpbench(*words(pack, served.url, "out", "--dry-run"))
    assert priced.returncode == 0, priced.stderr
    assert served.bodies == [] and not (tmp_path / "out" / "judgements.jsonl").exists()
    done = cpbench(*words(pack, served.url))
    assert done.returncode in (3, 4), done.stderr
    assert f"{len(served.bodies)} calls" in priced.stdout.replace(",", "")
    assert max(asked(served).values()) == 1
    calls = [call for line in lines(tmp_path / "out") for call in json.loads(line)["calls"]]
    assert len(calls) == len(served.bodies) and all(call["usage"]["input_tokens"] for call in calls)
    again = cpbench(*words(pack, served.url))
    assert again.returncode == done.returncode and len(served.bodies) == len(calls)
    report = json.loads((tmp_path / "out" / "validity.json").read_text())
    assert report["looks"] == 2 and report["coverage"] == 1.0
    assert report["overall"]["balanced_accuracy"]["value"] == 1.0  # the rules read these answers without fault
    assert any(probe["kind"] == "FIELD_ORDER" and probe["failures"] == 0 for probe in report["probes"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_validation_that_is_ended_halfway_goes_on_and_pays_for_nothing_twice(cpbench, served, pack, tmp_path, how):
    served.default = lambda body: served.answer(rules.completion(body), delay=0.02)
    running = started(words(pack, served.url), tmp_path)
    try:
        until(lambda: len(served.bodies) >= 60)
        running.send_signal(how)
        _, said = running.communicate(timeout=60)
    finally:
        running.kill()
    before, paid = set(asked(served)), len(lines(tmp_path / "out"))
    assert running.returncode == (75 if how == signal.SIGTERM else -signal.SIGKILL), said
    served.default = lambda body: served.answer(rules.completion(body))
    done = cpbench(*words(pack, served.url))
    assert done.returncode in (3, 4), done.stderr
    counts = asked(served)
    assert len(counts) > len(before) > 0 and paid > 0
    lost = sum(counts.values()) - len(counts)
    assert lost == 0 if how == signal.SIGTERM else lost <= 5  # killed: what was in flight, and a torn last line
    report = json.loads((tmp_path / "out" / "validity.json").read_text())
    assert report["coverage"] == 1.0 and report["overall"]["balanced_accuracy"]["value"] == 1.0


def judged(folder, url, out, **paying):
    """The same in this process; a batch is looked at at once."""
    options = {"base_url": url, "concurrency": "4"}
    room = Room(out, "2026-01-31T12:00:00+00:00", Paying(poll=0.01, **paying), draws=200)
    return validate(read_pack(folder), Candidate("openai/rules", "emotion-binary", options), room)


def test_batches_give_the_same_verdict_and_are_not_sent_again(provider, served, pack, tmp_path):
    provider.default = lambda body: provider.said(rules.completion(body))
    provider.outcome = lambda text, body: {"response": {"status_code": 200, "body": rules.completion(body)}}
    batched = judged(pack, f"{provider.url}/v1", tmp_path / "batched", batch=True)
    sent = len(provider.asked)
    assert len(provider.batches) >= 1 and len(provider.calls) <= 2 * len(provider.batches)
    assert judged(pack, f"{provider.url}/v1", tmp_path / "batched", batch=True)["looks"] == 2
    assert len(provider.asked) == sent
    plain = judged(pack, served.url, tmp_path / "plain")
    assert sent == len(served.bodies)
    for key in ("verdict", "criteria", "overall", "probes", "statuses"):
        assert batched[key] == plain[key]


def test_a_judge_that_is_cut_off_is_told_apart_from_one_that_is_wrong(served, pack, tmp_path):
    """Every third reply is truncated: no score is made up, coverage fails, and the numbers are of the rest."""
    counted = iter(range(10**6))

    def reply(body):
        made = rules.completion(body)
        if next(counted) % 3 == 0:
            made["choices"][0]["finish_reason"] = "length"
        return served.answer(made)

    served.default = reply
    report = judged(pack, served.url, tmp_path / "out")
    assert report["statuses"]["truncated"] > 50 and report["coverage"] < 0.75
    assert report["overall"]["balanced_accuracy"]["value"] == 1.0
    assert "NaN" not in (tmp_path / "out" / "validity.json").read_text()
