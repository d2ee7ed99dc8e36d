"""command: models in environments of their own, and the worker that a user starts from."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cpbench.cli.worker import command
from cpbench.errors import UsageError, UserError
from cpbench.models import load_model, write_worker

# What an owner fills in: the pitch by counting zero crossings, as any real model would read the samples.
PITCH = '''
def load():
    """The bounds between which a voice is called low."""
    return {"low": 60, "high": 250}


def answer(audio_path, question):
    import array
    with wave.open(audio_path) as clip:
        rate, samples = clip.getframerate(), array.array("h", clip.readframes(clip.getnframes()))
    if "fail" in question:
        raise ValueError("cannot answer that")
    crossings = sum(1 for a, b in zip(samples, samples[1:]) if a < 0 <= b)
    hertz = crossings * rate / len(samples)
    print("this would be garbage on standard output")
    os.system("echo and so would this")
    kind = "low" if hertz < model["high"] else "high"
    return "%s voice, %d Hz, Python 3.%d" % (kind, round(hertz), sys.version_info[1])
'''
PROGRAM = """
import json, sys
def say(message):
    print(json.dumps(message), flush=True)
json.loads(sys.stdin.readline())
say({"protocol": 1, "name": "mine", "wants": "WANTS"})
for line in sys.stdin:
    m = json.loads(line)
    REPLY
"""


def filled(file: Path, owner: str) -> None:
    """Put the owner's code where the written worker has its two functions."""
    text = file.read_text()
    start, end = text.index("def load()"), text.index("# ---- From here on")
    file.write_text(text[:start] + owner.lstrip() + "\n\n" + text[end:])


def foreign_python(folder: Path) -> str:
    """A virtual environment of another interpreter, with nothing in it; else this one without any packages."""
    candidates = [shutil.which(f"python3.{minor}") for minor in (8, 9, 10, 12, 13)]
    candidates += [str(path) for path in sorted(Path.home().glob(".pyenv/versions/3.8*/bin/python"))]
    for python in sorted({path for path in candidates if path}, key=lambda path: "3.8" not in path):
        made = subprocess.run(
            [python, "-m", "venv", "--without-pip", str(folder)], capture_output=True, check=False, timeout=60
        )
        if made.returncode == 0:
            return str(folder / "bin" / "python")
    return f"{shlex.quote(sys.executable)} -I -S"


def program(folder: Path, reply: str, *, wants: str = "audio") -> Any:
    file = folder / "program.py"
    file.write_text(PROGRAM.replace("REPLY", reply).replace("WANTS", wants))
    return load_model(f"command:{sys.executable} -I -S {file}", {"timeout": "20"})


def test_a_filled_worker_answers_from_the_samples_in_another_environment(tmp_path: Path, turn: Any) -> None:
    file = write_worker(tmp_path / "pitch.py")
    filled(file, PITCH)
    assert len(PITCH.strip().splitlines()) <= 40
    model = load_model(f"command:{foreign_python(tmp_path / 'venv')} {file}", {"timeout": "60"})
    assert (model.card.name, model.card.sampling_rate, model.card.third_party) == ("pitch", 16000, False)
    turns = [turn("a", hertz=120), turn("b", "please fail"), turn("c", hertz=440, seconds=2.0)]
    said = {prediction.item_id: prediction for prediction in model.answer(turns)}
    assert said["a"].answer.startswith("low voice, 119 Hz")  # 120 periods have 119 upward crossings between them
    assert said["c"].answer.startswith("high voice, 440 Hz")
    assert said["c"].audio_seconds_heard == 2.0
    assert (said["b"].status, said["b"].error) == ("error", "ValueError: cannot answer that")


def test_the_worker_as_it_is_written_runs(tmp_path: Path, turn: Any) -> None:
    file = write_worker(tmp_path / "my model.py")
    model = load_model(f"command:{sys.executable} -I -S {shlex.quote(str(file))}", {"timeout": "20"})
    assert [p.answer for p in model.answer([turn(seconds=1.5)])] == ["I can only say that this takes 1.5 seconds."]
    assert model.card.name == "my-model"


def test_the_worker_compiles_as_python_3_8() -> None:
    import ast
    from importlib import resources

    source = (resources.files("cpbench") / "models" / "worker.py.txt").read_text()
    imported = {
        name.name
        for node in ast.walk(ast.parse(source, feature_version=(3, 8)))
        if isinstance(node, ast.Import)
        for name in node.names
    }
    assert imported <= sys.stdlib_module_names


def test_a_worker_that_cannot_load_says_why(tmp_path: Path, turn: Any) -> None:
    file = write_worker(tmp_path / "worker.py")
    filled(file, "def load():\n    raise OSError('no such checkpoint: /models/x')\n")
    model = load_model(f"command:{sys.executable} -I -S {file}", {"timeout": "20"})
    with pytest.raises(UserError, match=r"(?s)ended \(exit code 1\).*OSError: no such checkpoint: /models/x"):
        list(model.answer([turn()]))


def test_the_command_line_writes_one_and_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "w.py"
    done = CliRunner().invoke(command, ["--new", str(file)])
    assert done.exit_code == 0 and "command:python3" in done.output and file.stat().st_mode & 0o100
    file.write_text("mine")
    with pytest.raises(UsageError, match="exists, and is not overwritten"):
        CliRunner().invoke(command, ["--new", str(file)], catch_exceptions=False)
    assert file.read_text() == "mine"
    with pytest.raises(UsageError, match=r"cannot be written \(No such file"):
        write_worker(tmp_path / "nowhere" / "w.py")


def test_clips_are_there_while_they_are_due_and_gone_after(tmp_path: Path, turn: Any) -> None:
    reply = """
    import os
    there = os.listdir(os.path.dirname(m["audio"]))
    say({"id": m["id"], "answer": m["audio"] + " " + str(len(there))})
"""
    one = turn(seconds=0.3)
    turns = [dataclasses.replace(one, request=dataclasses.replace(one.request, item_id=str(n))) for n in range(12)]
    seen = []
    for prediction in program(tmp_path, reply).answer(turns):
        path, most = prediction.answer.rsplit(" ", 1)
        assert int(most) <= 4 and not Path(path).exists()
        seen.append(path)
    assert len(set(seen)) == 12 and not Path(seen[0]).parent.exists()


def test_the_clip_is_a_16_khz_mono_wav(tmp_path: Path, turn: Any) -> None:
    file = tmp_path / "kept.wav"
    reply = (
        f'import shutil; shutil.copy(m["audio"], {str(file)!r}); say({{"id": m["id"], "answer": str(m["seconds"])}})'
    )
    (said,) = program(tmp_path, reply).answer([turn(seconds=0.5)])
    with wave.open(str(file)) as clip:
        assert (clip.getframerate(), clip.getnchannels(), clip.getnframes()) == (16000, 1, 8000)
    assert said.answer == "0.5"


def test_words_alone_come_without_a_clip(tmp_path: Path, turn: Any) -> None:
    model = program(tmp_path, 'say({"id": m["id"], "answer": repr(m["audio"]) + m["question"]})', wants="text")
    assert model.card.sampling_rate is None
    (said,) = model.answer([turn(clips=0)])
    assert said.answer == "NoneHow does she feel?" and said.audio_seconds_heard == 0.0


def test_a_program_may_say_how_much_it_heard(tmp_path: Path, turn: Any) -> None:
    (said,) = program(tmp_path, 'say({"id": m["id"], "answer": "x", "heard": 0.25})').answer([turn()])
    assert (said.audio_seconds, said.audio_seconds_heard) == (1.0, 0.25)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ('say({"id": m["id"], "anwser": "x"})', 'neither "answer" nor "error"'),
        ('say({"id": m["id"], "answer": None})', 'neither "answer" nor "error"'),
        ('say({"id": m["id"], "answer": "x", "heard": 99})', "something else than 0 to 1 s: 99"),
    ],
)
def test_a_reply_without_its_words_is_shown(tmp_path: Path, turn: Any, reply: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(program(tmp_path, reply).answer([turn()]))


def test_a_missing_program_and_a_bad_handshake_show_when_the_card_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such program 'no-such-program'"):
        load_model("command:no-such-program --x", {}).card  # noqa: B018
    with pytest.raises(UserError, match=r"wants 'video'.*\n  allowed: audio, text"):
        program(tmp_path, "pass", wants="video").card  # noqa: B018
    with pytest.raises(UsageError, match="no closing quotation"):
        load_model("command:python3 'x", {}).card  # noqa: B018
