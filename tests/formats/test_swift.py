"""ms-swift's rows, and all that is read as a chat about sounds."""

import json

import numpy as np
import pytest
import soundfile

from cpbench import formats
from cpbench.audio import clip
from cpbench.errors import UserError
from cpbench.records import Item


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.full(1600, 0.01, np.float32), 16000)
    return tmp_path


def rows(folder, *values):
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def said(folder, *values, name="swift"):
    return [
        ([one.path.rpartition("/")[2] for one in item.clips], item.question, item.references[0])
        for item in formats.read(name, rows(folder, *values), task="t")
    ]


def turns(*texts):
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": turns("<audio>Who?", "A man."), "audios": ["a.wav"]},
        {"messages": turns("<audio>\nWho?", "A man."), "audios": "a.wav"},
        {"messages": turns("Who?<audio>", "A man."), "audios": [{"path": "a.wav", "bytes": None}]},
        {"messages": turns("Who?", "A man."), "audios": ["a.wav"]},  # without a place: in front
        {"query": "<audio>Who?", "response": "A man.", "audios": ["a.wav"]},
        {"instruction": "<audio>", "input": "Who?", "output": "A man.", "audios": ["a.wav"]},
        {
            "conversations": [{"from": "human", "value": "<audio>Who?"}, {"from": "gpt", "value": "A man."}],
            "audios": ["a.wav"],
        },
        {"messages": turns([{"type": "audio", "path": "a.wav"}, {"type": "text", "text": "Who?"}], "A man.")},
        {
            "messages": turns(
                [{"type": "audio", "audio": "a.wav", "text": None}, {"type": "text", "text": "Who?"}],
                [{"type": "text", "text": "A man."}],
            )
        },
        {"messages": turns([{"type": "audio_url", "audio_url": {"url": "a.wav"}}, "Who?"], "A man.")},
        {"messages": turns([{"type": "audio"}, {"type": "text", "text": "Who?"}], "A man."), "audios": ["a.wav"]},
    ],
)
def test_one_question_in_every_layout(folder, row):
    for name in ("swift", "llamafactory", "chat_blocks", "axolotl"):
        assert said(folder, row, name=name) == [(["a.wav"], "Who?", "A man.")]


def test_every_answer_of_a_chat_is_an_item_with_the_sounds_so_far(folder):
    row = {
        "id": "7",
        "messages": [
            {"role": "system", "content": "Be brief."},
            *turns("<audio>Who?", "A man.", "And here? <audio>", "A woman."),
        ],
        "audios": ["a.wav", "b.wav"],
    }
    assert said(folder, row) == [(["a.wav"], "Who?", "A man."), (["a.wav", "b.wav"], "And here?", "A woman.")]
    first, second = formats.read("swift", rows(folder, row), task="t")
    assert (first.id, second.id) == ("7", "7-1") and first.prompt == "Be brief.\n\nWho?" and first.split == "train"


def test_an_old_row_with_its_history(folder):
    row = {"query": "And?", "response": "Sad.", "history": [["<audio>Who?", "A man."]], "audios": ["a.wav"]}
    assert said(folder, row) == [(["a.wav"], "Who?", "A man."), (["a.wav"], "And?", "Sad.")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": turns("Who?", "A man.")}, "no sound in this row"),
        ({"messages": turns("<audio><audio>Who?", "A man."), "audios": ["a.wav"]}, "1 sounds, and places for them"),
        ({"messages": turns("<audio>Who?"), "audios": ["a.wav"]}, "a question without an answer"),
        ({"messages": turns("<audio>", "A man."), "audios": ["a.wav"]}, "an answer without a question"),
        ({"messages": [{"role": "tool", "content": "x"}], "audios": ["a.wav"]}, "a turn of 'tool'"),
        (
            {"messages": turns([{"type": "image", "path": "x.png"}], "x"), "audios": ["a.wav"]},
            "a block of type 'image'",
        ),
        ({"messages": turns("<audio>Who?", "x"), "audios": ["data:audio/wav;base64,AAAA"]}, "named by a path"),
        ({"audios": ["a.wav"], "text": "x"}, "neither messages nor a question"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(folder, row, message):
    good = {"messages": turns("<audio>Who?", "A man."), "audios": ["a.wav"]}
    with pytest.raises(UserError, match=f"rows.jsonl, line 2: .*{message}"):
        said(folder, good, row)


def test_what_is_written_has_the_documented_shape_and_comes_back(folder):
    """The rules of ms-swift's own row check: roles in turns, no empty content, a place for every sound."""
    both = (clip(folder / "a.wav"), clip(folder / "b.wav"))
    items = [Item("1", "t", both[:1], "Who?", ("A man.", "He.")), Item("2", "t", both, "Which is louder?", ("None.",))]
    path = folder / "deep" / "out.jsonl"
    formats.write("swift", items, path)
    for line in path.read_text().splitlines():
        row = json.loads(line)
        assert set(row) == {"messages", "audios"}
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        assert all(message["content"] for message in row["messages"])
        assert row["messages"][0]["content"].count("<audio>") == len(row["audios"])
        assert all(audio.startswith("/") for audio in row["audios"])
    back = list(formats.read_any(path, task="t"))
    assert [(item.clips, item.question, item.references[0]) for item in back] == [
        (item.clips, item.question, item.references[0]) for item in items
    ]


def test_datasets_loads_it(folder):
    from datasets import load_dataset

    items = [Item("1", "t", (clip(folder / "a.wav"),), "Who?", ("A man.",))]
    formats.write("swift", items, folder / "out.jsonl")
    table = load_dataset("json", data_files=str(folder / "out.jsonl"), split="train", cache_dir=str(folder / "cache"))
    assert sorted(table.features) == ["audios", "messages"]
    assert table.features["audios"].feature.dtype == "string"
    assert table.features["messages"].feature["content"].dtype == "string"
