"""A recogniser in a program of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cpbench.annotators import load_recogniser
from cpbench.errors import UserError

PROGRAM = """
import json, sys, wave
hello = json.loads(sys.stdin.readline())
print(json.dumps({"protocol": 1, "name": "ears of " + hello["wants"], "wants": "audio"}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    with wave.open(m["audio"]) as clip:
        seconds = clip.getnframes() / clip.getframerate()
    said = {"error": "too short"} if seconds < 0.3 else {"transcript": f"{seconds:g} seconds"}
    print(json.dumps({"id": m["id"], **said}), flush=True)
"""


def recogniser(folder: Path, source: str = PROGRAM) -> Any:
    file = folder / "ears.py"
    file.write_text(source)
    return load_recogniser(f"command:{sys.executable} -I -S {file}", {"timeout": "20"})


def test_each_sound_gets_its_words_and_an_error_gets_none(tmp_path: Path, heard: Any) -> None:
    ears = recogniser(tmp_path)
    said = list(ears.annotate([heard("a", 1.0), heard("b", 0.2), heard("a", 0.5)]))
    assert [(s.key, s.transcript) for s in said] == [("a", "1 seconds"), ("b", None), ("a", "0.5 seconds")]
    assert {s.annotator for s in said} == {"ears of annotations"}


def test_a_reply_without_words_is_shown(tmp_path: Path, heard: Any) -> None:
    with pytest.raises(UserError, match='neither "transcript", "words", "tags" nor "error"'):
        list(recogniser(tmp_path, PROGRAM.replace('"transcript"', '"text"')).annotate([heard()]))
