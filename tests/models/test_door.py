"""load_model: what a spec can be, and what is said of one that is nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from cpbench.errors import UsageError, UserError
from cpbench.models import load_model
from cpbench.parts import Model
from cpbench.records import Request, Turn

TEN_LINES = '''
class Loudness:
    """Says how loud the clip is."""

    def answer(self, turns):
        for turn in turns:
            heard = turn.heard[0]
            loud = float(abs(heard.wave).max())
            yield turn.request.answered(f"{loud:.2f}", heard=heard.seconds)
'''
WITH_OPTIONS = """
from dataclasses import dataclass
from cpbench.records import ModelCard

@dataclass
class Fixed:
    words: str = "sad"
    times: int = 1

    @property
    def card(self):
        return ModelCard(name="fixed", family="mine", sampling_rate=None)

    def answer(self, turns):
        for turn in turns:
            yield turn.request.answered(" ".join([self.words] * self.times), heard=0.0)
"""
WORDS = Turn(Request("a", "t", "audio", "?", ()), ())


def said(model: Model, *turns: Turn) -> list[str]:
    return [prediction.answer for prediction in model.answer(turns or (WORDS,))]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_class_of_one_s_own_needs_one_method_only(here: Path, turn) -> None:  # type: ignore[no-untyped-def]
    (here / "my_model.py").write_text(TEN_LINES)
    model = load_model("my_model.py:Loudness", {})
    assert said(model, turn()) == ["0.50"]
    assert (model.card.name, model.card.family, model.card.sampling_rate) == ("Loudness", "loudness", 16000)


def test_a_file_with_one_class_need_not_name_it_and_its_fields_are_options(here: Path) -> None:
    (here / "mine.py").write_text(WITH_OPTIONS)
    model = load_model("mine.py", {"times": "2"})
    assert said(model) == ["sad sad"] and model.card.name == "fixed"
    with pytest.raises(UsageError, match=r"Fixed has no option 'time' .did you mean 'times'"):
        load_model("./mine.py:Fixed", {"time": "2"})


def test_a_dataclass_whose_annotations_are_text_is_a_model_too(here: Path) -> None:
    """`from __future__ import annotations`, with which dataclasses look for their module in sys.modules."""
    (here / "modern.py").write_text(f"from __future__ import annotations\n{WITH_OPTIONS}")
    assert said(load_model("modern.py", {"times": "2"})) == ["sad sad"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mine.py:Loud", r"has no class 'Loud'.*did you mean 'Loudness'"),
        ("other.py:X", r"no such file 'other.py'"),
        ("broken.py", r"broken.py cannot be imported: NameError"),
        ("deaf.py", r"deaf.py has no method answer"),
    ],
)
def test_a_file_that_is_no_model_is_refused(here: Path, spec: str, message: str) -> None:
    (here / "mine.py").write_text(TEN_LINES)
    (here / "broken.py").write_text("class X(Missing): pass")
    (here / "deaf.py").write_text("class X:\n    pass")
    with pytest.raises(UserError, match=message):
        load_model(spec, {})


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """Put a distribution with one entry point on sys.path, as pip would."""
    (folder / "acme_speech.py").write_text(WITH_OPTIONS.replace('"sad"', '"acme"'))
    info = folder / "acme_speech-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-speech\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[cpbench.models]\n{entry} = acme_speech:Fixed\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "acme_speech", raising=False)


@pytest.mark.parametrize("entry", ["acme", "acme-speech", "acme_speech"])
def test_an_entry_point_is_a_model_and_takes_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    install(tmp_path, monkeypatch, entry)
    assert said(load_model(entry, {})) == ["acme"]
    assert said(load_model(f"{entry}/hello", {"times": "2"})) == ["hello hello"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ecko", r"unknown model 'ecko' \(did you mean 'echo'\?\)\n  allowed: demo, PATH.*\n  try: hf/ecko"),
        ("all_label", r"did you mean 'all-labels'"),
        ("qwen", r"unknown model 'qwen'\n"),
        ("", r"unknown model ''"),
        ("echo/loud", r"takes nothing after its name: 'echo/loud'"),
        ("command:", r"ends too early.*'command:\.\.\.'"),
        ("openai/", r"ends too early.*'openai/\.\.\.'"),
        ("hf/", r"ends too early"),
        ("./checkpoint", r"no such checkpoint folder './checkpoint'$"),
        ("/nowhere/at/all", r"no such checkpoint folder"),
        ("~/nowhere-at-all", r"no such checkpoint folder"),
        ("runs/step-100", r"no such checkpoint folder 'runs/step-100'\n  try: hf/runs/step-100"),
        ("saved.jsonl", r"this is a file: 'saved.jsonl'\n  try: answers:saved.jsonl"),
        ("model.safetensors", r"this is a file: .*\n  try: the checkpoint's folder"),
    ],
)
def test_a_spec_that_is_nothing_says_what_is_allowed(here: Path, spec: str, message: str) -> None:
    (here / "runs").mkdir()
    (here / "saved.jsonl").touch()
    (here / "model.safetensors").touch()
    with pytest.raises(UsageError, match=message):
        load_model(spec, {})


def test_what_the_spec_says_is_not_said_again(here: Path) -> None:
    with pytest.raises(UsageError, match=r"there is an option too.*file=b.jsonl"):
        load_model("answers:a.jsonl", {"file": "b.jsonl"})


def test_every_model_of_the_folder_is_named_in_the_message(here: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_model("nothing-of-that-name", {})
    allowed = re.split(r"[/:,\n ]+", str(caught.value))
    from cpbench.parts import names

    assert {name.replace("_", "-") for name in names("models")} - {"local"} <= set(allowed)
