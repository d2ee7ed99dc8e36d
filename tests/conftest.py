"""What every room's tests may use: a small set of real files, and the command line in a process of its own."""

import json
import os
import subprocess
import sys

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
