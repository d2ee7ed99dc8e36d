"""clips.jsonl: what is written is read again, and what is wrong is said with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cpbench.errors import UserError
from cpbench.formats.clips import read_clips, write_clips
from cpbench.records import Clip, Tag


def a_clip(path: Path) -> Clip:
    tags = (
        Tag(0.0, 1.0, "gold", {"anger": 1.0}, text="so\u2028what"),
        Tag(0.5, 2.0, "m@1", {}, 0.5, -1.0, scale=(1.0, 5.0)),
    )
    return Clip(str(path), "ab" * 32, 2.0, "r1", "s1", "female", "So what?", tags)


def test_what_is_written_is_read_again(tmp_path):
    clips = [a_clip(tmp_path / "sounds" / "a.wav"), Clip(str(tmp_path / "b.wav"), None, None, "b")]
    assert write_clips(clips, tmp_path / "out" / "clips.jsonl") == 2
    lines = [json.loads(line) for line in (tmp_path / "out/clips.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    assert [line["path"] for line in lines] == ["../sounds/a.wav", "../b.wav"]
    read = list(read_clips(tmp_path / "out" / "clips.jsonl"))
    assert [(one, one.tags, one.speaker, one.seconds, one.transcript) for one in read] == [
        (one, one.tags, one.speaker, one.seconds, one.transcript) for one in clips
    ]


def test_an_unfinished_writing_leaves_the_old_file(tmp_path):
    write_clips([a_clip(tmp_path / "a.wav")], tmp_path / "clips.jsonl")

    def broken():
        yield a_clip(tmp_path / "b.wav")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write_clips(broken(), tmp_path / "clips.jsonl")
    assert [Path(one.path).name for one in read_clips(tmp_path / "clips.jsonl")] == ["a.wav"]
    assert [path.name for path in tmp_path.iterdir()] == ["clips.jsonl"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recording": None}, "line 2: no clip: recording"),
        (
            {"tags": [{"start": 2, "end": 1, "source": "m", "emotion": {}}]},
            "line 2: a tag of m from 2 s should not end",
        ),
        ({"tags": [{"start": 0, "end": 1, "source": "m", "emotion": {"sad": 2}}]}, "probability of 'sad' by m"),
        ({"tags": [{"start": 0, "end": 1, "source": "m", "emotion": {}, "valence": 4}]}, "valence by m is not between"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, change, message):
    line = {"path": "a.wav", "sha256": None, "seconds": 1, "recording": "a"}
    (tmp_path / "clips.jsonl").write_text(json.dumps(line) + "\n" + json.dumps(line | change) + "\n")
    with pytest.raises(UserError, match=message):
        list(read_clips(tmp_path / "clips.jsonl"))


def test_no_file_and_no_clips(tmp_path):
    for name, message in (("nowhere.jsonl", "no such file"), ("empty.jsonl", "no clips in"), (".", "a folder, not")):
        (tmp_path / "empty.jsonl").write_text("")
        with pytest.raises(UserError, match=message):
            list(read_clips(tmp_path / name))
