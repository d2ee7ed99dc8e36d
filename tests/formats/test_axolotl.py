import json

import numpy as np
import pytest
import soundfile
import yaml

from cpbench import formats
from cpbench.audio import clip
from cpbench.records import Item


@pytest.fixture
def items(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(1600, 0.01, np.float32), 16000)
    return [Item(str(n), "t", (clip(tmp_path / "a.wav"),), f"Who {n}?", ("A man.",)) for n in range(3)]


def test_messages_are_blocks_and_the_configuration_finds_them(items, tmp_path):
    from datasets import load_dataset

    path = tmp_path / "out" / "train.jsonl"
    formats.write("axolotl", items, path)
    config = yaml.safe_load(path.with_suffix(".yaml").read_text())
    (entry,) = config["datasets"]
    assert entry["type"] == "chat_template" and config["skip_prepare_dataset"] and not config["sample_packing"]
    table = load_dataset(
        entry["ds_type"], data_files=entry["path"], split=entry["split"], cache_dir=str(tmp_path / "cache")
    )
    assert table.num_rows == 3
    user, assistant = table[1][entry["field_messages"]]
    assert [block["type"] for block in user["content"]] == ["audio", "text"]
    assert user["content"][0]["path"] == str(tmp_path / "a.wav") and user["content"][1]["text"] == "Who 1?"
    assert [block["text"] for block in assistant["content"]] == ["A man."]


def test_what_datasets_makes_of_it_is_read_again(items, tmp_path):
    """`datasets` fills every block up to the same keys; a set that was saved from there comes with nulls."""
    formats.write("axolotl", items, tmp_path / "x.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    for row in rows:
        for message in row["messages"]:
            message["content"] = [{"type": None, "path": None, "text": None} | block for block in message["content"]]
    (tmp_path / "y.json").write_text(json.dumps(rows))
    assert formats.sniff(tmp_path / "y.json") == "chat_blocks"
    back = list(formats.read_any(tmp_path / "y.json", task="t"))
    assert [(one.clips, one.question, one.references) for one in back] == [
        (one.clips, one.question, one.references) for one in items
    ]


def test_its_blocks_are_what_a_chat_template_of_transformers_takes(items, tmp_path):
    """The uniform path of transformers: a template that renders audio and text blocks, in their order."""
    from transformers.utils.chat_template_utils import render_jinja_template

    formats.write("axolotl", items[:1], tmp_path / "x.jsonl")
    messages = json.loads((tmp_path / "x.jsonl").read_text())["messages"]
    template = (
        "{% for m in messages %}[{{ m.role }}]{% for c in m.content %}"
        "{% if c.type == 'audio' %}<|audio|>{% else %}{{ c.text }}{% endif %}{% endfor %}{% endfor %}"
    )
    (text,), _ = render_jinja_template(conversations=[messages], chat_template=template)
    assert text == "[user]<|audio|>Who 0?[assistant]A man."
