"""Folders as `save_to_disk` and the Hub lay them out. What the Hub itself answers: tests/data/test_fetch.py."""

import csv
import json
import subprocess
import sys

import datasets
import pyarrow.parquet
import pytest

from cpbench import formats
from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import dataset_fingerprint
from cpbench.formats import hub

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _quiet():
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def snapshot(tmp_path, flat, nested):
    """A snapshot of save_to_disk folders at two depths, one flat and one nested."""
    root = tmp_path / "snapshot"
    flat(4).save_to_disk(str(root / "Human" / "test"))
    nested(3).save_to_disk(str(root / "LLM"))
    (root / "README.md").write_text("# a set")
    return root


def read(root):
    return list(formats.read("hub", root, task="cpqa"))


def test_every_saved_folder_of_a_snapshot_is_read_in_both_shapes(snapshot):
    items = read(snapshot)
    assert [item.question for item in items] == [
        *(f"What is said about topic {n}?" for n in range(4)),
        *(f"Nested question {n}?" for n in range(3)),
    ]
    assert [item.references for item in items[:1] + items[-1:]] == [("Something 0.",), ("Nested answer 2.",)]
    assert all(item.clips[0].seconds == 0.5 for item in items)


def test_the_clips_are_the_embedded_bytes(snapshot, sound_bytes):
    import hashlib

    items = read(snapshot)
    expected = [hashlib.sha256(sound_bytes(n)).hexdigest() for n in (0, 0, 1, 1)]
    assert [item.clips[0].sha256 for item in items[:4]] == expected


def test_ids_are_the_same_on_every_reading_and_machine(snapshot, tmp_path, monkeypatch):
    first = read(snapshot)
    monkeypatch.setenv("CPBENCH_CACHE", str(tmp_path / "another"))
    second = read(snapshot)
    assert [item.id for item in first] == [item.id for item in second]
    assert len({item.id for item in first}) == 7
    assert dataset_fingerprint(first) == dataset_fingerprint(second)


def test_rows_come_one_at_a_time(snapshot, tmp_path):
    items = formats.read("hub", snapshot, task="t")
    next(items)
    assert len(list((tmp_path / "cache/clips").iterdir())) == 1


def test_a_folder_is_named_and_can_be_chosen(snapshot):
    assert [row[hub.FOLDER] for row in hub.rows(snapshot)] == ["Human/test"] * 4 + ["LLM"] * 3
    assert len(list(hub.rows(snapshot, split="LLM"))) == 3
    assert len(list(hub.rows(snapshot, split="Human"))) == 4
    with pytest.raises(UsageError, match=r"no saved data set is called 'Humans'[\s\S]*Human/test, LLM"):
        hub.rows(snapshot, split="Humans")


def test_a_saved_dict_of_splits_is_its_folders(tmp_path, flat):
    datasets.DatasetDict(train=flat(2), test=flat(4)).save_to_disk(str(tmp_path / "s"))
    assert len(list(hub.rows(tmp_path / "s", split="test"))) == 4


def test_several_shards_of_one_folder(tmp_path, flat):
    flat(5).save_to_disk(str(tmp_path / "s"), num_shards=3)
    assert len(read(tmp_path / "s")) == 5


def test_neither_torchcodec_nor_torch_is_needed(snapshot):
    code = (
        "import sys; sys.modules['torchcodec'] = None\n"
        "from cpbench import formats\n"
        f"print(len(list(formats.read('hub', {str(snapshot)!r}, task='t'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "7"


def test_a_set_of_parquet_files(tmp_path, flat):
    (tmp_path / "set/data").mkdir(parents=True)
    flat(4).to_parquet(str(tmp_path / "set/data/test-00000-of-00001.parquet"))
    flat(2).to_parquet(str(tmp_path / "set/data/train-00000-of-00001.parquet"))
    assert len(read(tmp_path / "set")) == 4
    assert len(list(hub.rows(tmp_path / "set", split="train"))) == 2
    assert {row[hub.FOLDER] for row in hub.rows(tmp_path / "set")} == {"test"}
    with pytest.raises(UsageError, match=r"no such split: 'tset' \(did you mean 'test'"):
        hub.rows(tmp_path / "set", split="tset")


def test_a_set_with_two_configurations_as_its_card_lists_them(tmp_path, flat):
    (tmp_path / "set").mkdir()
    flat(2).to_parquet(str(tmp_path / "set/a.parquet"))
    flat(4).to_parquet(str(tmp_path / "set/b.parquet"))
    configs = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: test\n    path: {name}.parquet\n" for name in "ab"
    )
    (tmp_path / "set/README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    assert len(list(hub.rows(tmp_path / "set", subset="b"))) == 4
    with pytest.raises(UserError, match=r"not a data set .*Config name is missing"):
        hub.rows(tmp_path / "set")


def test_one_parquet_or_arrow_file(tmp_path, flat):
    flat(3).to_parquet(str(tmp_path / "x.parquet"))
    assert len(read(tmp_path / "x.parquet")) == 3
    flat(3).save_to_disk(str(tmp_path / "s"))
    (arrow,) = (tmp_path / "s").glob("*.arrow")
    assert len(read(arrow)) == 3


def test_a_class_label_is_its_name(tmp_path, flat):
    kinds = datasets.ClassLabel(names=["DE", "CE"])
    flat(3, question_type=(kinds, [0, 1, -1])).save_to_disk(str(tmp_path / "s"))
    assert [row["question_type"] for row in hub.rows(tmp_path / "s")] == ["DE", "CE", None]
    assert [item.type for item in read(tmp_path / "s")] == ["DE", "CE", "C"]


def test_audio_kept_as_paths_is_found_beside_the_data(tmp_path, sound_bytes, made):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.flac").write_bytes(sound_bytes())
    features = datasets.Features(
        audio=datasets.Audio(), question=datasets.Value("string"), answer=datasets.Value("string")
    )
    rows = [{"audio": {"bytes": None, "path": "a.flac"}, "question": "q?", "answer": "a"}]
    table = made(rows, features).data.table.replace_schema_metadata(features.arrow_schema.metadata)
    pyarrow.parquet.write_table(table, tmp_path / "set/test.parquet")
    assert read(tmp_path / "set")[0].clips[0].seconds == 0.5


def test_types_from_a_sidecar_beside_the_data(snapshot):
    ids = [item.id for item in read(snapshot)]
    with (snapshot / "types.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("id", "type"), (ids[0], "CG"), (ids[1], "DS")])
    items = read(snapshot)
    assert [(item.type, item.origin["types_from"]) for item in items[:3]] == [
        ("CG", "sidecar"),
        ("DS", "sidecar"),
        ("C", "rules"),
    ]
    assert items[-1].origin["types_from"] == "column"


@pytest.mark.parametrize("path", ["nosuch", "a/b/c", "/none/at all", "x/y.parquet"])
def test_what_is_neither_there_nor_an_id(path):
    with pytest.raises(UserError, match="no such folder, data file or data set"):
        hub.rows(path)


def test_a_folder_without_data(tmp_path):
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(UserError, match="not a data set"):
        hub.rows(tmp_path)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "a.xlsx").write_text("x")
    with pytest.raises(UserError, match="not a data file of a known kind"):
        hub.rows(tmp_path / "a.xlsx")


def test_a_broken_parquet_file(tmp_path):
    (tmp_path / "test.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(UserError, match=r"not a data set|cannot be read"):
        list(hub.rows(tmp_path))


def test_a_snapshot_of_which_files_are_missing(snapshot):
    for arrow in (snapshot / "LLM").glob("*.arrow"):
        arrow.unlink()
    with pytest.raises(UserError, match="not a data set that was saved whole"):
        list(hub.rows(snapshot))


def test_a_state_that_is_not_a_data_set(tmp_path):
    (tmp_path / "state.json").write_text(json.dumps({"step": 3}))
    with pytest.raises(UserError, match="not a data set that was saved whole"):
        list(hub.rows(tmp_path))
