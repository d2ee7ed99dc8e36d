"""The packaged checkpoint: whole, small, and able to do what it is there for."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMultimodalLM, AutoProcessor, ProcessorMixin

from cpbench import speechlm
from cpbench.audio import load
from cpbench.conditions import present
from cpbench.formats import read
from cpbench.records import Item, Setting

CHECKPOINT = Path(str(files("cpbench"))) / "checkpoints" / "demo"
DEMO = Path(str(files("cpbench.tasks"))) / "demo"
pytestmark = pytest.mark.skipif(not (CHECKPOINT / "model.safetensors").is_file(), reason="no packaged checkpoint")


@pytest.fixture(scope="module")
def demo() -> tuple[Any, Any]:
    speechlm.register()
    return AutoModelForMultimodalLM.from_pretrained(CHECKPOINT).eval(), AutoProcessor.from_pretrained(CHECKPOINT)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(read("items", DEMO / "cpqa.jsonl", task="demo_cpqa"))


def test_it_is_whole_and_small(demo: tuple[Any, Any]) -> None:
    assert sum(path.stat().st_size for path in CHECKPOINT.iterdir()) < 8_000_000
    assert isinstance(demo[1], ProcessorMixin)
    assert demo[0].dtype == torch.float32


def test_it_was_trained_on_none_of_the_demo_clips(items: list[Item]) -> None:
    said = json.loads((CHECKPOINT / "checkpoint.json").read_text(encoding="utf-8"))
    assert {"variant", "condition", "tag_template", "tag_source", "trained_on"} <= said.keys()
    assert len(said["trained_on"]) > 1000
    assert not {clip.sha256 for item in items for clip in item.clips} & set(said["trained_on"])


@pytest.mark.parametrize(("kind", "floor"), [("DE", 0.7), ("C", 0.65)])
def test_it_answers_better_than_a_guess(demo: tuple[Any, Any], items: list[Item], kind: str, floor: float) -> None:
    chosen = [item for item in items if item.type == kind][::3][:40]
    assert _share_right(demo, chosen, "audio") >= floor


@pytest.mark.parametrize(("kind", "most"), [("C", 0.15), ("DG", 0.65)])
def test_without_hearing_anybody_it_can_only_guess(
    demo: tuple[Any, Any], items: list[Item], kind: str, most: float
) -> None:
    """DE is not among them: silence keeps a clip's length, and sad speech is slow."""
    chosen = [item for item in items if item.type == kind][::2][:40]
    assert _share_right(demo, chosen, "silence") <= most


def _share_right(demo: tuple[Any, Any], items: list[Item], condition: str) -> float:
    model, processor = demo
    requests = present(items, condition, Setting())
    chats = [
        [
            {
                "role": "user",
                "content": [
                    *({"type": "audio", "audio": load(sound, 16000).wave} for sound in request.sounds),
                    {"type": "text", "text": request.text},
                ],
            }
        ]
        for request in requests
    ]
    given = processor.apply_chat_template(
        chats,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
        processor_kwargs={"text_kwargs": {"padding": True, "padding_side": "left"}},
    )
    said = model.generate(**given, max_new_tokens=12, do_sample=False)[:, given["input_ids"].shape[1] :]
    answers = processor.batch_decode(said, skip_special_tokens=True)
    return sum(answer == item.references[0] for answer, item in zip(answers, items, strict=True)) / len(items)
