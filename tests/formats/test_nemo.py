import json

import numpy as np
import pytest
import soundfile

from cpbench import formats
from cpbench.audio import clip
from cpbench.errors import UserError
from cpbench.formats.nemo import RECOGNISE
from cpbench.records import Item


@pytest.fixture
def folder(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(4000, 0.01, np.float32), 16000)
    return tmp_path


def rows(folder, *values):
    (folder / "m.json").write_text("".join(json.dumps(value) + "\n" for value in values))
    return folder / "m.json"


def test_a_written_line_has_what_both_of_its_readers_ask_for(folder):
    """Lhotse's NeMo reader: audio_filepath, duration, text; SALM's conversations: `context`; SpeechLLM: `answer`."""
    item = Item("1", "t", (clip(folder / "a.wav"),), "Who?", ("A man.",), language="en")
    formats.write("nemo", [item], folder / "out.json")
    (line,) = (folder / "out.json").read_text().splitlines()
    assert json.loads(line) == {
        "audio_filepath": "a.wav",
        "duration": 0.25,
        "text": "A man.",
        "context": "Who?",
        "answer": "A man.",
        "id": "1",
        "lang": "en",
    }
    (back,) = formats.read_any(folder / "out.json", task="t")
    assert (back.clips, back.question, back.references, back.language) == (item.clips, "Who?", ("A man.",), "en")


def test_questions_and_transcripts_are_read(folder):
    items = formats.read(
        "nemo",
        rows(
            folder,
            {
                "audio_filepath": "a.wav",
                "duration": 0.25,
                "question": "Who?",
                "answer": "A man.",
                "text": "It is over.",
            },
            {"audio_filepath": "a.wav", "duration": 0.25, "text": "It is over."},
            {"audio_filepath": "a.wav", "duration": 0.25, "context": "Who?", "answer": "Nobody.", "offset": 0.0},
        ),
        task="t",
    )
    first, second, third = items
    assert (first.question, first.references, first.clips[0].transcript) == ("Who?", ("A man.",), "It is over.")
    assert (second.question, second.references) == (RECOGNISE, ("It is over.",))
    assert third.id == f"{first.id}-2"  # the same clip and question


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"duration": 1.0, "text": "x"}, "'audio_filepath' is missing"),
        ({"audio_filepath": "a.wav", "context": "Who?"}, "no question"),
        ({"audio_filepath": "a.wav", "context": "Who?", "answer": "x", "offset": 1.5}, "a part of a file"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(folder, row, message):
    with pytest.raises(UserError, match=f"m.json, line 1: .*{message}"):
        list(formats.read("nemo", rows(folder, row), task="t"))


def test_what_a_manifest_cannot_say_is_not_written(folder):
    sound, gone = clip(folder / "a.wav"), clip(folder / "gone.wav")
    with pytest.raises(UserError, match="one sound a line"):
        formats.write("nemo", [Item("1", "t", (sound, sound), "Who?", ("x",))], folder / "out.json")
    with pytest.raises(UserError, match="needs the length"):
        formats.write("nemo", [Item("1", "t", (gone,), "Who?", ("x",))], folder / "out.json")
    with pytest.raises(UserError, match="without an answer"):
        formats.write("nemo", [Item("1", "t", (sound,), "Who?", ())], folder / "out.json")
    assert not (folder / "out.json").exists()
