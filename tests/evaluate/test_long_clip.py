"""One clip of ten minutes in the list: the run goes to its end, says how much was heard; no other answer changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from beside import TESTS, module_at

from cpbench.evaluate import evaluate
from cpbench.records import Prediction, RunConfig

TINY = module_at(TESTS / "models" / "local" / "tiny.py")
MINUTES, WINDOWS = 10, 8  # the tiny Qwen2Audio takes 8 windows of 4 s at most


@pytest.mark.parametrize(
    ("make", "heard"), [(TINY.qwen2_audio, WINDOWS * TINY.WINDOW), (TINY.speechlm, 60.0 * MINUTES)]
)
def test_a_clip_of_ten_minutes_among_short_ones(
    make: Callable[[Path], Path], heard: float, items_file: Callable[..., Path], tmp_path: Path
) -> None:
    items = items_file(clips=3, questions=2)
    long = 0.1 * np.random.default_rng(0).standard_normal(MINUTES * 60 * 16000)
    soundfile.write(items.parent / "long.flac", long, 16000)
    line = {"id": "long", "audio": "long.flac", "question": "q0?", "references": ["low"], "recording": "r9"}
    checkpoint = make(tmp_path / "checkpoint")

    def answers(name: str) -> dict[str, Prediction]:
        options = {"device": "cpu", "max_new_tokens": "5"}
        out = str(tmp_path / name)
        run = evaluate(RunConfig(str(checkpoint), (str(items),), model_options=options, out=out))
        return {said.item_id: said for said in run.predictions}

    without = answers("without")
    items.write_text(items.read_text() + json.dumps({**line, "type": "C"}) + "\n")
    found = answers("with")
    said = found.pop("long")
    assert said.status in ("ok", "truncated", "empty") and said.audio_seconds == pytest.approx(60 * MINUTES)
    assert said.audio_seconds_heard == pytest.approx(heard, abs=0.1)
    assert {name: one.raw for name, one in found.items()} == {name: one.raw for name, one in without.items()}
