"""A recogniser in a program of its own."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from cpbench.annotators import load_annotator, load_recogniser, write_worker
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


def test_the_start_for_an_annotator_runs_as_written_on_old_pythons_words(tmp_path: Path, heard: Any) -> None:
    file = write_worker(tmp_path / "my ears.py")
    ears = load_annotator(f"command:{sys.executable} -I -S '{file}'", {"timeout": "20"})
    (said,) = ears.annotate([heard("a", 1.0)])
    assert (said.annotator, said.tags[0].end, said.tags[0].emotion) == ("my-ears@1", 1.0, {"neutral": 1.0})
    ast.parse(file.read_text(), feature_version=(3, 8))
    broken = file.read_text().replace(
        "with wave.open(audio_path)", 'raise RuntimeError("no ears")\n    with wave.open("")'
    )
    (tmp_path / "broken.py").write_text(broken)
    (said,) = load_annotator(f"command:{sys.executable} -I -S {tmp_path / 'broken.py'}").annotate([heard()])
    assert said.error == "RuntimeError: no ears"


def replying(folder: Path, reply: str, hello: str = '{"protocol": 1, "name": "ears", "revision": "7"}') -> Any:
    """A program that gives the same reply of every clip."""
    source = f"""
import json, sys
sys.stdin.readline()
print({hello!r}, flush=True)
for line in sys.stdin:
    print(json.dumps({{"id": json.loads(line)["id"], **json.loads({reply!r})}}), flush=True)
"""
    return recogniser(folder, source)


def test_tags_are_brought_to_our_scale_and_spelling(tmp_path: Path, heard: Any) -> None:
    reply = """{"tags": [
      {"start": 0, "end": 0.5, "emotion": {"生气/angry": 0.75, "other": 0.25},
       "valence": 2, "arousal": 7, "scale": [1, 7]},
      {"emotion": "happy"},
      {"start": 0.5, "dominance": -0.5}
    ]}"""
    (said,) = replying(tmp_path, reply).annotate([heard("a", 1.0)])
    first, second, third = said.tags
    assert (said.annotator, said.transcript, {tag.source for tag in said.tags}) == ("ears@7", None, {"ears@7"})
    assert dict(first.emotion) == {"anger": 0.75, "other": 0.25}
    assert (first.valence, first.arousal, first.dominance) == (pytest.approx(-2 / 3, abs=1e-6), 1.0, None)
    assert first.scale == (1.0, 7.0)
    assert (second.start, second.end, second.emotion, second.scale) == (0.0, 1.0, {"happiness": 1.0}, None)
    assert (third.start, third.end, third.dominance, third.scale) == (0.5, 1.0, -0.5, (-1.0, 1.0))


def test_words_with_times_are_a_transcript_too(tmp_path: Path, heard: Any) -> None:
    reply = '{"words": [{"text": "so", "start": 0, "end": 0.2}, {"text": "what", "start": 0.3, "end": 0.6}]}'
    (said,) = replying(tmp_path, reply).annotate([heard("a", 1.0)])
    assert said.transcript == "so what"
    assert [(word.text, word.start, word.end) for word in said.words] == [("so", 0.0, 0.2), ("what", 0.3, 0.6)]


def test_an_error_is_kept_as_the_program_words_it(tmp_path: Path, heard: Any) -> None:
    (said,) = replying(tmp_path, '{"error": "no voice in it"}').annotate([heard()])
    assert (said.error, said.tags, said.transcript) == ("no voice in it", (), None)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ('{"tags": [{"emotion": {"sad": 1.5}}]}', "probability of 'sad' is not between 0 and 1: 1.5"),
        ('{"tags": [{"valence": 3.2}]}', "valence is beyond the scale of -1 to 1: 3.2"),
        ('{"tags": [{"valence": 3.2, "scale": [7, 1]}]}', "scale"),
        ('{"tags": [{"start": 0.9, "end": 0.4, "valence": 0}]}', "should end later than it starts"),
        ('{"tags": [{"start": 0, "end": 0.4}]}', "a tag says nothing"),
        ('{"tags": [{"mood": "sad"}]}', "a tag has the keys"),
        ('{"tags": [{"valence": "high"}]}', "'valence' should be a number, not 'high'"),
        ('{"words": [{"text": "so"}]}', "'start' should be a number"),
        ('{"words": ["so"]}', "a word is"),
    ],
)
def test_numbers_that_cannot_be_are_refused(tmp_path: Path, heard: Any, reply: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(replying(tmp_path, reply).annotate([heard()]))


def test_a_program_cannot_pass_for_people(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be called 'gold'"):
        _ = replying(tmp_path, "{}", '{"protocol": 1, "name": "gold"}').name
