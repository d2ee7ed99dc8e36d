"""A checkpoint's model card: README.md with front matter as the Hub reads it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cpbench.records import Item
from cpbench.training.config import UNTYPED, TrainConfig

WORDS = {
    "baseline": "rows that nobody generated, asked with the audio",
    "implicit": "all rows, also the QA pairs generated from transcript and annotation, asked with the audio",
    "explicit": "rows that nobody generated, asked with the audio and time-stamped emotion tags in the prompt",
    "combined": "all rows, asked with the audio and time-stamped emotion tags in the prompt",
}


def card(config: TrainConfig, items: Sequence[Item], notes: Mapping[str, Any]) -> str:
    """The card's text. What is not known is said to be unknown."""
    import yaml

    front: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "audio-text-to-text",
        "tags": ["cpbench", "speech-llm", "paralinguistics", config.variant],
        "license": notes["licenses"][0] if len(notes["licenses"]) == 1 else "other",
    }
    if notes["languages"]:
        front["language"] = list(notes["languages"])
    if notes["base"]:
        front["base_model"] = str(notes["base"]).split("+")
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# A Speech-LLM, {config.variant} variant",
        f"Trained by cpbench {notes['cpbench']}. Made for the condition `{notes['condition']}`, which "
        f"`cpbench run --model` of this folder applies by itself.",
        _model(notes),
        _data(config, items, notes),
        _scores(notes),
        _limits(notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _model(notes: Mapping[str, Any]) -> str:
    base = f"from {notes['base']}" if notes["base"] else "from random weights"
    lora = f", with LoRA of rank {notes['lora']['rank']}" if notes["lora"] else ""
    steps = ", ".join(f"{name} {count}" for name, count in notes["steps"].items())
    return f"## Training\n\nTrained {base}{lora}; steps: {steps}; seed {notes['seed']}; {notes['seconds']} s."


def _data(config: TrainConfig, items: Sequence[Item], notes: Mapping[str, Any]) -> str:
    counts = Counter(item.type or UNTYPED for item in items)
    rows = "\n".join(f"| {kind} | {count} |" for kind, count in sorted(counts.items()))
    files = "\n".join(
        f"* {file['name']} (sha256 {file['sha256'][:16]}...), {file['items']} items" for file in notes["data"]
    )
    synthetic = "\n\n**Synthetic speech**, made by a program: nothing here is evidence about people's voices."
    said = synthetic if any(file["synthetic"] for file in notes["data"]) else ""
    licenses = ", ".join(notes["licenses"]) or "not stated in the data"
    return (
        f"## Data\n\n{len(items)} questions about {len(notes['trained_on'])} clips: {WORDS[config.variant]}.{said}\n\n"
        f"{files}\n\nLicences of the data: {licenses}.\n\n| type | questions |\n|---|---|\n{rows}"
    )


def _scores(notes: Mapping[str, Any]) -> str:
    """The held-out part at the end, with intervals."""
    if not notes["held_out"]:
        return "## Results\n\nNot evaluated during training."
    rows = "\n".join(
        f"| {line['task']} | {line['metric']} | {line['slice']} | {line['value']:.3g} | {_interval(line)} | "
        f"{line['n']} |"
        for line in notes["held_out"]
    )
    return (
        "## Results\n\nOn the held-out part of the data, no LLM judge; 95 % intervals clustered by recording.\n\n"
        f"| data | metric | type | value | interval | items |\n|---|---|---|---|---|---|\n{rows}"
    )


def _interval(line: Mapping[str, Any]) -> str:
    return "one recording" if line["low"] is None else f"{line['low']:.3g} to {line['high']:.3g}"


def _limits(notes: Mapping[str, Any]) -> str:
    tags = ""
    if notes["tag_source"]:
        tags = (
            f" Its prompts hold emotion tags from {json.dumps(notes['tag_source'])}: direct emotion questions are given"
            " away by them, and runs flag those items."
        )
    return (
        "## Limits\n\nA research checkpoint. `checkpoint.json` holds the hashes of all clips it was trained on: "
        f"`cpbench run` flags what it is asked about any of them.{tags}"
    )
