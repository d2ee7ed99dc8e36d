"""lm-eval tasks of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from cpbench.errors import UsageError, UserError
from cpbench.tasks import load_tasks
from cpbench.tasks.foreign import refusal

from .conftest import tone, wav_bytes

READ = """
from datasets import Audio, Dataset, DatasetDict

def data(**kwargs):
    from pathlib import Path
    sounds = [Path(kwargs["folder"], f"{name}.wav").read_bytes() for name in "ab"]
    rows = [{"audio": {"bytes": s, "path": f"{n}.wav"}, "text": f"says {n}", "choices": ["a", "b"], "gold": n % 2}
            for n, s in enumerate(sounds)]
    return DatasetDict(test=Dataset.from_list(rows).cast_column("audio", Audio()))

def arrays(doc):
    return [{"array": doc["audio"]["array"], "sampling_rate": doc["audio"]["sampling_rate"]}]
"""


@pytest.fixture
def foreign(tmp_path: Path) -> Any:
    """Write an lm-eval YAML, with a data set of two rows whose audio is a Hub's audio column."""
    for name in "ab":
        (tmp_path / f"{name}.wav").write_bytes(wav_bytes(name))
    (tmp_path / "read.py").write_text(READ)

    def write(**more: str) -> str:
        lines = {
            "task": "heard_elsewhere",
            "custom_dataset": "!function read.data",
            "dataset_kwargs": f"{{folder: {tmp_path}}}",
            "test_split": "test",
            "output_type": "generate_until",
            "doc_to_text": "'Hear <audio> well.'",
            "doc_to_audio": "audio",
            "doc_to_target": "text",
            "generation_kwargs": '{until: ["\\n"], max_gen_toks: 40, temperature: 0.0, do_sample: false}',
            "metadata": "{version: 2.5}",
            **more,
        }
        path = tmp_path / "heard.yaml"
        path.write_text("\n".join(f"{key}: {value}" for key, value in lines.items() if value))
        return str(path)

    return write


def test_an_audio_column_is_read_by_its_bytes(foreign: Any) -> None:
    ((task, items),) = load_tasks([foreign()])
    assert (task.name, task.version, task.metrics) == ("heard_elsewhere", "2.5", ("overlap_score",))
    assert (task.generation.stop, task.generation.max_new_tokens) == (("\n",), 40)
    assert not task.rights.third_party_api
    assert [(item.id, item.question, item.references) for item in items] == [
        ("0", "Hear well.", ("says 0",)),
        ("1", "Hear well.", ("says 1",)),
    ]
    assert Path(items[0].clips[0].path).read_bytes() == wav_bytes("a")
    assert len({item.recording for item in items}) == 2


def test_arrays_go_into_the_cache_of_clips(foreign: Any) -> None:
    ((_, items),) = load_tasks([foreign(doc_to_audio="!function read.arrays")])
    heard, rate = soundfile.read(items[0].clips[0].path, dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(heard, tone("a"), atol=1e-4)


def test_choices_make_a_label(foreign: Any) -> None:
    ((task, items),) = load_tasks([foreign(doc_to_choice="choices", doc_to_target="gold")])
    assert [(item.label, item.options, item.references) for item in items] == [
        ("a", ("a", "b"), ("a",)),
        ("b", ("a", "b"), ("b",)),
    ]
    assert task.metrics[0] == "accuracy"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"doc_to_audio": ""}, "it has no audio"),
        ({"output_type": "multiple_choice", "generation_kwargs": ""}, "output type multiple_choice"),
        ({"num_fewshot": "2"}, "examples before the question"),
        ({"doc_to_image": "image"}, "shows images"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(foreign: Any, more: dict[str, str], reason: str) -> None:
    with pytest.raises(UserError, match=rf"{reason}.*heard\.yaml"):
        load_tasks([foreign(**more)])


def test_a_yaml_that_cannot_be_read_is_one_message(foreign: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no function 'absent'.*heard\.yaml"):
        load_tasks([foreign(custom_dataset="!function read.absent")])
    (tmp_path / "broken.yaml").write_text("task: [")
    with pytest.raises(UserError, match="cannot be read as an lm-eval task"):
        load_tasks([str(tmp_path / "broken.yaml")])
    (tmp_path / "group.yaml").write_text("group: g\ntask: [a, b]\n")
    with pytest.raises(UserError, match="it is a group"):
        load_tasks([str(tmp_path / "group.yaml")])


def test_a_data_set_that_cannot_be_loaded_is_one_message(foreign: Any) -> None:
    path = foreign(custom_dataset="", dataset_kwargs="", dataset_path="nobody/no_such_set")
    with pytest.raises(UserError, match="heard_elsewhere: nobody/no_such_set cannot be loaded"):
        load_tasks([path])


def test_a_python_class_is_refused() -> None:
    assert refusal({"task": "x", "class": object}) is not None


def test_lm_eval_s_own_tasks_are_looked_through_only_for_other_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """With a small index in place of lm-eval's, which takes ten seconds."""
    (tmp_path / "text.yaml").write_text("task: arc_like\noutput_type: multiple_choice\ndataset_path: x\n")
    (tmp_path / "group.yaml").write_text("group: many\ntask: [arc_like]\n")
    monkeypatch.setattr("lm_eval.tasks.TaskManager.__init__", _index_of(tmp_path))
    with pytest.raises(UserError, match="it has no audio: 'arc_like'"):
        load_tasks(["arc_like"])
    assert "about ten seconds" in caplog.text
    with pytest.raises(UsageError, match="neither cpbench nor lm-eval"):
        load_tasks(["nothing_like_it"])
    with pytest.raises(UsageError, match="name its tasks one by one"):
        load_tasks(["many"])


def _index_of(folder: Path) -> Any:
    from lm_eval.tasks import TaskManager

    original = TaskManager.__init__

    def init(self: Any, *args: Any, include_path: Any = None, include_defaults: bool = True, **kwargs: Any) -> None:
        original(self, include_path=folder if include_defaults else include_path, include_defaults=False, **kwargs)

    return init
