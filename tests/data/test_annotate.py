"""cpbench data annotate: what goes in, what stands in the file, and what is not done twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cpbench.data.annotate import Annotated, Job, Wanted, annotate, wanted
from cpbench.data.sources import clips_of
from cpbench.errors import UsageError, UserError
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watching
from cpbench.formats.clips import read_clips

RATE = 16000


class Noting:
    """A watch that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, *, total: int, done: int = 0) -> None:
        self.said.append(f"{name} {done}/{total}")

    def advance(self, pieces: int = 1) -> None:
        pass

    def say(self, message: str) -> None:
        self.said.append(message)


def voice(hertz: float, loud: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 12))
    return np.asarray(0.05 * loud * wave * np.sin(np.pi * 4 * time) ** 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two speakers with six clips each, one file that is no sound, one that holds the same bytes as another."""
    place = tmp_path / "recordings"
    place.mkdir()
    for speaker, base in (("ann", 200), ("bob", 110)):
        for n in range(6):
            soundfile.write(place / f"{speaker}_{n}.wav", voice(base * (1 + 0.1 * n), 1 + n), RATE)
    (place / "broken.wav").write_bytes(b"RIFF and no more")
    (place / "zz_copy.wav").write_bytes((place / "ann_0.wav").read_bytes())
    return place


@pytest.fixture
def items(folder: Path) -> Path:
    file = folder.parent / "items.jsonl"
    lines = []
    for speaker in ("ann", "bob"):
        for n in range(6):
            lines.append(
                {
                    "id": f"{speaker}{n}",
                    "audio": f"recordings/{speaker}_{n}.wav",
                    "question": "Which emotion?",
                    "references": ["sad" if n < 3 else "angry"],
                    "type": "DE",
                    "label": "sad" if n < 3 else "angry",
                    "speaker": speaker,
                    "split": "train" if n % 2 else "test",
                }
            )
    lines.append(lines[0] | {"id": "again", "type": "C", "label": None, "transcript": "So what?"})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def run(data: Path | str, *specs: str, out: Path, **more: object) -> Annotated:
    watching = more.pop("watching", None)
    return annotate(Job(str(data), [Wanted(spec) for spec in specs], out, **more), watching)  # type: ignore[arg-type]


def test_items_with_gold_and_acoustics(items: Path, tmp_path: Path) -> None:
    result = run(items, "gold", "acoustic", out=tmp_path / "clips.jsonl")
    clips = list(read_clips(result.path))
    assert (result.clips, result.bad, len(clips)) == (12, 0, 12)
    assert [(one.name, one.new, one.clips, one.tags) for one in result.said] == [
        ("gold", 12, 12, 12),
        ("acoustic@1", 12, 12, 12),
    ]
    first = clips[0]
    assert (first.speaker, first.recording, first.transcript) == ("ann", "ann", "So what?")
    assert [(tag.source, dict(tag.emotion)) for tag in first.tags] == [("gold", {"sadness": 1.0}), ("acoustic@1", {})]
    for speaker in ("ann", "bob"):
        own = [one.tags[1].arousal or 0.0 for one in clips if one.speaker == speaker]
        assert own[0] < 0 < own[-1]
    assert Path(first.path) == items.parent / "recordings/ann_0.wav"


def test_a_second_run_does_nothing_and_a_new_option_does_it_anew(items: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips.jsonl"
    run(items, "gold", "acoustic", out=out)
    before = out.read_bytes()
    assert [one.new for one in run(items, "gold", "acoustic", out=out).said] == [0, 0]
    assert out.read_bytes() == before
    job = Job(str(items), [Wanted("acoustic", {"window": "0.5", "speech": "0"})], out)
    assert [(one.new, one.tags) for one in annotate(job).said] == [(12, 24)]


def test_gold_labels_that_have_changed_are_read_again(items: Path, tmp_path: Path) -> None:
    run(items, "gold", out=tmp_path / "clips.jsonl")
    items.write_text(items.read_text().replace('"angry"', '"happy"'))
    run(items, "gold", out=tmp_path / "clips.jsonl")
    labels = {next(iter(one.tags[0].emotion)) for one in read_clips(tmp_path / "clips.jsonl")}
    assert labels == {"sadness", "happiness"}


def test_a_folder_with_speakers_by_name_and_a_file_that_is_no_sound(folder: Path, tmp_path: Path) -> None:
    watch = Noting()
    result = run(folder, "acoustic", out=tmp_path / "c.jsonl", speaker="^([a-z]+)_", watching=Watching(watch))
    clips = list(read_clips(result.path))
    assert (result.clips, result.bad) == (12, 1)
    assert {one.speaker for one in clips} == {"ann", "bob"} and {one.recording for one in clips} == {"ann", "bob"}
    assert any("left out" in line and "broken.wav" in line for line in watch.said)
    again = run(folder, "acoustic", out=tmp_path / "c.jsonl", speaker="^([a-z]+)_")
    assert (again.said[0].new, again.bad, again.clips) == (0, 1, 12)


def test_strict_ends_at_a_bad_clip(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"broken.wav(?s:.*)without --strict"):
        run(folder, "acoustic", out=tmp_path / "c.jsonl", strict=True)


def test_clips_are_annotated_further(items: Path, tmp_path: Path) -> None:
    run(items, "gold", out=tmp_path / "one.jsonl")
    run(tmp_path / "one.jsonl", "acoustic", out=tmp_path / "two.jsonl")
    (first, *_) = read_clips(tmp_path / "two.jsonl")
    assert [tag.source for tag in first.tags] == ["gold", "acoustic@1"]
    run(tmp_path / "two.jsonl", "acoustic", out=tmp_path / "three.jsonl")
    assert [tag.source for tag in next(read_clips(tmp_path / "three.jsonl")).tags] == ["gold", "acoustic@1"]


PROGRAM = """
import json, sys
sys.stdin.readline()
print(json.dumps({"protocol": 1, "name": "ears"}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    said = {"error": "not today"} if m["id"] == sys.argv[1] else {
        "words": [{"text": "so", "start": 0.1, "end": 0.3}, {"text": "what", "start": 0.6, "end": 0.9}]}
    print(json.dumps({"id": m["id"], **said}), flush=True)
"""


def test_word_times_of_a_recogniser_go_to_the_tags_of_all(items: Path, tmp_path: Path) -> None:
    (tmp_path / "ears.py").write_text(PROGRAM)
    ears = Wanted(f"command:{sys.executable} -I -S {tmp_path / 'ears.py'} none", {"timeout": "30"}, words=True)
    job = Job(str(items), [Wanted("acoustic", {"window": "0.5", "speech": "0"}), ears], tmp_path / "c.jsonl")
    result = annotate(job)
    clips = list(read_clips(job.out))
    assert [tag.text for tag in clips[1].tags] == ["so", "what"]
    assert (clips[0].transcript, clips[1].transcript) == ("So what?", "so what")
    assert result.said[1].transcripts == 12


def test_what_a_program_failed_at_is_said_and_done_again(items: Path, tmp_path: Path) -> None:
    (tmp_path / "ears.py").write_text(PROGRAM)
    watch = Noting()

    def job(fails: str) -> Job:
        program = f"command:{sys.executable} -I -S {tmp_path / 'ears.py'}"
        (tmp_path / "ears.py").write_text(PROGRAM.replace("sys.argv[1]", repr(fails)))
        return Job(str(items), [Wanted(program)], tmp_path / "c.jsonl")

    first = annotate(job("3"), Watching(watch))
    assert (first.said[0].new, first.said[0].failed) == (12, 1)
    assert any("not today" in line and ".wav" in line for line in watch.said)
    second = annotate(job("none"))
    assert (second.said[0].new, second.said[0].failed) == (1, 0)


def test_a_signal_ends_it_in_order_and_the_same_command_goes_on(items: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 4

    with pytest.raises(Stopped):
        run(items, "gold", out=tmp_path / "c.jsonl", watching=Watching(Noting(), stop))
    assert not (tmp_path / "c.jsonl").exists()
    assert run(items, "gold", out=tmp_path / "c.jsonl").said[0].new == 8


def test_a_task_by_name(tmp_path: Path) -> None:
    assert len(clips_of("demo_emotion")) == 72
    with pytest.raises(UsageError, match=r"neither a file, a folder nor a task: 'demo_emotoin' .did you mean"):
        clips_of("demo_emotoin")
    with pytest.raises(UsageError, match="no such file"):
        clips_of(str(tmp_path / "items.jsonl"))
    with pytest.raises(UserError, match="no audio files below"):
        clips_of(str(tmp_path))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("ann", "one group"), ("(", "no regular expression"), ("(nobody)", "in none of the names")],
)
def test_a_speaker_pattern_that_cannot_be(folder: Path, pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        clips_of(str(folder), speaker=pattern)


def test_annotators_that_cannot_be_told_apart_and_gold_without_labels(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two annotators have the same name"):
        run(folder, "acoustic", "acoustic", out=tmp_path / "c.jsonl")
    with pytest.raises(UserError, match="none of the 13 clips has a gold label"):
        run(folder, "gold", out=tmp_path / "c.jsonl")
    with pytest.raises(UsageError, match="no annotator named"):
        run(folder, out=tmp_path / "c.jsonl")


def test_options_go_to_whom_they_belong() -> None:
    options = {"window": "2", "1.labels": "a,b", "language": "de", "device": "cpu"}
    first, second, ears = wanted(["classifier/m", "acoustic"], "org/whisper", options)
    assert first.options == {"window": "2", "labels": "a,b", "device": "cpu"}
    assert second.options == {"window": "2"}
    assert ears.options == {"language": "de", "device": "cpu"}
    assert wanted(["acoustic"], "org/whisper", {"asr.window": "20"})[1].options == {"window": "20"}
    with pytest.raises(UsageError, match=r"no annotator has the option 'widnow' .did you mean 'window'"):
        wanted(["acoustic"], None, {"widnow": "2"})
    with pytest.raises(UsageError, match="-A names no annotator: '3'"):
        wanted(["acoustic"], None, {"3.window": "2"})
