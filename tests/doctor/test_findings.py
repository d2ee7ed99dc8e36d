"""cpbench doctor: what it says of a machine, what of a broken one, and what it never says."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from cpbench.cli.doctor import command
from cpbench.doctor import Finding, machine, packages, reach

CPU = {
    "torch": "2.13.0",
    "cuda": None,
    "hip": None,
    "device": "cpu",
    "dtype": "float32",
    "processors": 2,
    "threads": 2,
    "gpus": [],
    "mps": False,
    "sdpa": ["math"],
    "broken": {},
}
H200 = {"name": "NVIDIA H200", "capability": [9, 0], "total": 150e9, "free": 149.5e9, "bf16": True}


def process(code: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-S", "-c", textwrap.dedent(code)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(**changes: Any) -> subprocess.Popen[str]:
    return process(f"print({json.dumps({**CPU, **changes})!r})")


def by_name(findings: Any) -> dict[str, Finding]:
    return {one.name: one for one in findings}


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """doctor(*words) -> the finished command, with a small process in the place of torch."""

    def call(*words: str) -> Any:
        monkeypatch.setattr(machine, "ask_torch", told)
        return CliRunner().invoke(command, list(words))

    return call


def test_the_whole_command_opens_no_socket_and_tells_no_secret(cpbench: Any, tmp_path: Path) -> None:
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
    env = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OPENAI_API_KEY": "sk-verysecret",
        "OPENAI_BASE_URL": "http://me:alsosecret@host:8000/v1",
    }
    done = cpbench("doctor", "--json", env=env)
    assert done.returncode == 0 and "socket" not in done.stderr, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "cpbench-doctor-1" and found["healthy"] is True
    lines = {line["name"]: line for line in found["findings"]}
    assert lines["torch"]["says"] == importlib.metadata.version("torch")
    assert lines["device"]["says"].startswith("models run on ") and lines["OPENAI_API_KEY"]["state"] == "ok"
    assert lines["OPENAI_BASE_URL"]["says"] == "asks http://host:8000/v1"
    assert lines["audio"]["state"] == "ok" and "resample" in lines["audio"]["says"]
    assert lines["offline"]["says"].startswith("yes, by HF_HUB_OFFLINE")
    assert "secret" not in done.stdout + done.stderr


def test_what_is_required_is_what_the_package_says() -> None:
    lines = by_name(packages.findings())
    core, extras = packages._required()
    assert {"torch", "lm-eval", "soundfile"} <= {one.name for one in core} and "dev" in extras
    assert all(one.name in lines for one in core) and "cpbench[dev]" in lines
    assert not any(one.name == "pytest" for one in core)


def test_a_package_that_lacks_or_is_old_is_named_with_what_mends_it(doctor: Any, monkeypatch: Any) -> None:
    core = [Requirement("numpy>=99"), Requirement("no-such-thing>=1,<2"), Requirement("click")]
    monkeypatch.setattr(packages, "_required", lambda: (core, {"world": [Requirement("no-such-world")]}))
    done = doctor("--json")
    assert done.exit_code == 1
    lines = {line["name"]: line for line in json.loads(done.stdout)["findings"]}
    version = importlib.metadata.version("numpy")
    assert lines["numpy"] | {"state": "broken", "says": f"{version}, and >=99 is needed"} == lines["numpy"]
    assert lines["no-such-thing"]["mend"] == 'pip install "no-such-thing<2,>=1"'
    assert lines["cpbench[world]"]["state"] == "missing"
    assert lines["cpbench[world]"]["mend"] == 'pip install "cpbench[world]"' and lines["click"]["state"] == "ok"
    shown = doctor()
    assert shown.exit_code == 1 and "broken: numpy, no-such-thing" in shown.stdout
    assert '→ pip install "cpbench[world]"' in shown.stdout


def test_a_torch_that_cannot_be_imported_is_a_finding_and_not_a_crash() -> None:
    (line,) = machine.device(process("raise ImportError('libcudart.so.12: cannot open')"), {})
    assert line.state == "broken" and "ImportError: libcudart.so.12: cannot open" in line.says
    (line,) = machine.device(process("import os; os.kill(os.getpid(), 11)"), {})
    assert line.state == "broken" and f"died of signal {int(signal.SIGSEGV)}" in line.says


def test_what_torch_finds_is_said_with_memory_and_number_format() -> None:
    old = {**H200, "name": "Tesla V100", "capability": [7, 0], "bf16": False}
    asked = told(cuda="12.8", device="cuda:0", dtype="bfloat16", gpus=[H200, old], sdpa=["flash", "math"])
    lines = by_name(machine.device(asked, {}))
    assert lines["device"].says == "models run on cuda:0 in bfloat16 (torch 2.13.0, CUDA 12.8)"
    assert lines["gpu 0"].says == "NVIDIA H200, 149.5 of 150.0 GB free, compute 9.0, bfloat16"
    assert lines["gpu 1"].says.endswith("no bfloat16: float16 is used")
    assert lines["attention"].says.startswith("sdpa with flash, math; ")


def test_a_gpu_that_torch_cannot_see_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert by_name(machine.device(told(), {}))["gpu"].mend == machine.NO_CUDA
    blind = by_name(machine.device(told(cuda="12.8"), {}))["gpu"]
    assert blind.state == "missing" and "CUDA 12.8 sees no GPU" in blind.says
    hidden = by_name(machine.device(told(cuda="12.8"), {"CUDA_VISIBLE_DEVICES": ""}))["gpu"]
    assert hidden.state == "note" and hidden.says == "none is seen; CUDA_VISIBLE_DEVICES is ''"
    monkeypatch.setenv("PATH", "")
    assert by_name(machine.device(told(), {}))["gpu"].says == "none"


def test_a_neighbour_of_torch_that_breaks_is_named() -> None:
    line = by_name(machine.device(told(broken={"torchvision": "RuntimeError: operator nms"}), {}))["torchvision"]
    assert line.state == "missing" and (line.mend or "").startswith("pip uninstall torchvision")


def test_sound_files_are_really_decoded(tmp_path: Path) -> None:
    assert [one.state for one in machine.audio()] == ["ok", "ok"]
    (tmp_path / "a.wav").write_bytes(b"RIFF and no more")
    assert machine._decoded(tmp_path / "a.wav").state == machine._decoded(None).state == "broken"


def test_a_key_with_blanks_is_told_apart_from_one_that_is_set() -> None:
    lines = by_name(reach.keys({"OPENAI_API_KEY": "sk-hidden\n", "HF_TOKEN": "hf_hidden"}))
    assert [lines[name].state for name in ("OPENAI_API_KEY", "HF_TOKEN", "ANTHROPIC_API_KEY")] == [
        "missing",
        "ok",
        "note",
    ]
    assert not any("hidden" in one.says + (one.mend or "") for one in lines.values())


def test_the_data_s_states_are_those_of_cpbench_tasks(tmp_path: Path) -> None:
    from cpbench.tasks import data_state, data_states, list_tasks

    dirs = {"emotion_emodb": str(tmp_path), "emotion_meld": str(tmp_path / "nowhere"), "cpqa": str(tmp_path)}
    for given in ({}, dirs, {"": str(tmp_path)}):
        cards = {card.name: data_state(card, given).state for card in list_tasks()}
        assert {name: state for name, (state, _) in data_states(given).items()} == cards
    lines = by_name(reach.tasks(dirs))
    assert lines["demo_cpqa"].says == "packaged" and lines["emotion_emodb"].state == "ok"
    assert lines["emotion_meld"].state == "missing" and lines["cpqa_human"].state == "ok"
    assert lines["voxparadox"].mend == "cpbench data fetch voxparadox"
    assert lines["emotion_ravdess"].mend == "--data-dir emotion_ravdess=DIR"


def test_a_disk_without_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.disk(tmp_path / "not" / "there")[0].state == "ok"
    monkeypatch.setattr(machine, "ROOM", 1e30)
    (line,) = machine.disk(tmp_path)
    assert line.state == "missing" and "GB free" in line.says


def test_endpoints_are_asked_only_where_it_is_wished(doctor: Any, endpoint: Any) -> None:
    done = doctor("--json", "--endpoint", endpoint.url, "--endpoint", "http://127.0.0.1:9/v1")
    lines = {one["name"]: one for one in json.loads(done.stdout)["findings"] if one["about"] == "endpoints"}
    assert lines[endpoint.url]["says"] == "answers, and serves served-model"
    away = lines["http://127.0.0.1:9/v1"]
    assert away["state"] == "missing" and "cannot be reached" in away["says"] and endpoint.bodies == []


def test_a_flag_of_parity_alone_is_refused(doctor: Any) -> None:
    done = doctor("--limit", "3")
    assert "--parity A B" in str(done.exception)
