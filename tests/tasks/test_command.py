"""`cpbench tasks`, and what it shows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from cpbench.cli import main
from cpbench.tasks import describe


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main(["tasks", *words])
    return capsys.readouterr().out


def test_every_task_is_listed_with_the_state_of_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {task["name"]: task for task in json.loads(shown(capsys, "--json"))["tasks"]}
    states = {name: task["data"]["state"] for name, task in listed.items()}
    assert states["demo_cpqa"] == "packaged"
    assert states["cpqa_human"] == "needs fetch"
    assert states["emotion_emodb"] == "needs --data-dir"
    assert listed["cpqa_human"]["rights"] == {
        "license": "unknown",
        "audio_in_report": False,
        "text_in_report": False,
        "third_party_api": False,
    }
    table = shown(capsys)
    assert all(name in table for name in listed)


def test_a_task_whose_data_are_here_is_counted(speak: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("03a01Fa", "03a01Wa", "08a01Wa"):
        speak(f"{name}.wav")
    found = json.loads(shown(capsys, "emotion_emodb", "--data-dir", str(tmp_path), "--json"))
    held = found["contents"]
    assert (held["items"], held["clips"], held["recordings"]) == (3, 3, 2)
    assert (held["types"], held["labels"]) == ({"DE": 3}, {"anger": 2, "happiness": 1})
    assert held["fingerprint"].startswith("v1:sha256:")
    assert found["data"] == {"state": "given", "folder": str(tmp_path), "revision": None}
    text = shown(capsys, "emotion_emodb", "--data-dir", str(tmp_path))
    assert "3 on 3 clips of 2 recordings" in text
    assert "third-party APIs: no" in text


def test_a_task_whose_data_are_elsewhere_is_shown_without_counts(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(capsys, "voxparadox", "--json"))
    assert (found["contents"], found["data"]["state"]) == (None, "needs fetch")
    assert "IHP-Lab/VoxParadox" in shown(capsys, "voxparadox")


def test_a_group_shows_its_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(capsys, "demo", "--json"))
    assert [task["name"] for task in found["tasks"]] == ["demo_cpqa", "demo_emotion"]
    assert all(task["synthetic"] for task in found["tasks"])


def test_an_unknown_task_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["tasks", "emotion_emobd"])
    assert left.value.code == 2
    assert "did you mean 'emotion_emodb'" in capsys.readouterr().err


def test_what_a_set_can_show_lies_between_its_items_and_its_recordings(speak: Any, tmp_path: Path) -> None:
    for name in ("03a01Fa", "03a01Wa", "08a01Wa", "08a01Fa"):
        speak(f"{name}.wav")
    found = describe("emotion_emodb", {"": str(tmp_path)}).contents
    assert found is not None
    between = found.smallest_detectable_difference
    assert between["items_independent"] == pytest.approx(2.8 * math.sqrt(2 * 0.5 * 0.5 / 4))
    assert between["items_of_a_recording_alike"] == pytest.approx(2.8 * math.sqrt(2 * 0.5 * 0.5 / 2))


def test_the_demo_has_what_it_promises() -> None:
    held = describe("demo_cpqa").contents
    assert held is not None
    assert set(held.types) == {"C", "DE", "DG", "DS", "CE", "CG", "CS"}
    assert held.items >= 400 and held.clips >= 120
    assert held.types_from == "column"
