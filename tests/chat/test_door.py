"""The door: what it loads, and what it names."""

from __future__ import annotations

import subprocess
import sys

from cpbench.chat import load_chat, providers


def test_the_door_and_the_wrappers_load_no_sdk_and_no_torch() -> None:
    modules = "cpbench.chat, cpbench.chat.batch, cpbench.chat.prices, cpbench.chat.openai, cpbench.chat.anthropic"
    heavy = "torch", "transformers", "openai", "anthropic", "httpx2", "numpy", "yaml"
    asked = f"import sys, {modules}; print(*(name for name in {heavy!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_providers_are_files_of_the_folder() -> None:
    assert providers() == ["anthropic", "hf", "openai"]
    assert type(load_chat("anthropic/claude-x", {"concurrency": "3"})).__name__ == "AnthropicChat"
