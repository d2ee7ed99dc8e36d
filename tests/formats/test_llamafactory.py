import json

import numpy as np
import pytest
import soundfile

from cpbench import formats
from cpbench.audio import clip
from cpbench.errors import UserError
from cpbench.records import Item


@pytest.fixture
def items(tmp_path):
    inside, outside = tmp_path / "out" / "clips" / "a.wav", tmp_path / "b.wav"
    for path in (inside, outside):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(1600, 0.01 * len(path.parts), np.float32), 16000)
    return [Item(str(n), "t", (clip(path),), f"Who {n}?", ("A man.",)) for n, path in enumerate((inside, outside))]


def test_the_data_and_their_entry_are_what_its_loader_asks_for(items, tmp_path):
    """dataset_info.json as in the tool's own `mllm_audio_demo`; read as its sharegpt converter reads it."""
    path = tmp_path / "out" / "cpbench_train.jsonl"
    formats.write("llamafactory", items, path)
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert info == {
        "cpbench_train": {
            "file_name": "cpbench_train.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "audios": "audios"},
            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
        }
    }
    entry = info["cpbench_train"]
    tags, columns = entry["tags"], entry["columns"]
    for line, item in zip(path.read_text().splitlines(), items, strict=True):
        row = json.loads(line)
        user, assistant = row[columns["messages"]]
        assert (user[tags["role_tag"]], assistant[tags["role_tag"]]) == (tags["user_tag"], tags["assistant_tag"])
        assert user[tags["content_tag"]] == f"<audio>{item.question}"
        (audio,) = row[columns["audios"]]
        assert (tmp_path / "out" / audio).resolve() == (tmp_path / item.clips[0].path).resolve()  # media_dir + path
    assert json.loads(path.read_text().splitlines()[0])["audios"] == ["clips/a.wav"]


def test_a_second_file_keeps_the_first_one_s_entry(items, tmp_path):
    folder = tmp_path / "out"
    (folder / "dataset_info.json").write_text('{"identity": {"file_name": "identity.json"}}')
    for name in ("train", "dev"):
        formats.write("llamafactory", items, folder / f"{name}.jsonl")
    assert sorted(json.loads((folder / "dataset_info.json").read_text())) == ["dev", "identity", "train"]
    (folder / "dataset_info.json").write_text("[]")
    with pytest.raises(UserError, match="holds no object of data sets"):
        formats.write("llamafactory", items, folder / "x.jsonl")


def test_it_comes_back(items, tmp_path):
    formats.write("llamafactory", items, tmp_path / "out" / "x.jsonl")
    back = list(formats.read("llamafactory", tmp_path / "out" / "x.jsonl", task="t"))
    assert [(one.clips, one.question, one.references) for one in back] == [
        (one.clips, one.question, one.references) for one in items
    ]
