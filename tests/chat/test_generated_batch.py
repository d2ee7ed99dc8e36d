"""Questions written through either provider's batches, paid for once."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from cpbench.audio import clip
from cpbench.chat.paying import Paying
from cpbench.data.generate import Generating, Model, Plan, generate
from cpbench.formats.clips import write_clips
from cpbench.records import Tag

PAIRS = json.dumps({"pairs": [{"type": "C", "question": "What is lost here?", "answer": "A lamp.", "label": ""}]})


@pytest.mark.parametrize("model", ["openai/served", "anthropic/claude-served"])
def test_questions_through_batches(provider, monkeypatch, tmp_path, model):
    anthropic = model.startswith("anthropic")
    made = []
    for n in range(4):
        soundfile.write(tmp_path / f"{n}.wav", np.full(800 + n, 0.01, np.float32), 16000)
        tags = (Tag(0, 0.05, "gold", {"joy": 1.0}),)
        made.append(dataclasses.replace(clip(tmp_path / f"{n}.wav"), transcript=f"I lost lamp {n}.", tags=tags))
    write_clips(made, tmp_path / "clips.jsonl")
    done = provider.message(PAIRS) if anthropic else provider.completion(PAIRS)
    provider.default = lambda body: provider.said(done)
    provider.outcome = lambda asked, body: (
        {"result": {"type": "succeeded", "message": done}}
        if anthropic
        else {"response": {"status_code": 200, "request_id": "r", "body": done}}
    )
    monkeypatch.setenv("ANTHROPIC_API_KEY" if anthropic else "OPENAI_API_KEY", "sk-test-1")
    options = {"base_url": provider.url if anthropic else f"{provider.url}/v1"}
    writer = Model(model, options, paying=Paying(batch=True, poll=0.01))
    work = Generating(tmp_path / "clips.jsonl", tmp_path / "q.jsonl", Plan(baseline=False), writer)
    sheet = generate(work)
    assert sheet.written == {"ok": 4} and sheet.questions == 4
    asked = len(provider.asked)
    assert asked == 4 and len(provider.batches) == 1
    assert generate(work) == sheet and len(provider.asked) == asked
