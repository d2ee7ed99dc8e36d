"""Packs: made of real runs, written, read back, and refused where they would lie."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from beside import module_at

from cpbench.errors import UserError
from cpbench.evaluate import evaluate
from cpbench.judges.validity.copies import echoes
from cpbench.judges.validity.packs import make_pack, read_pack, write_pack
from cpbench.records import Outcome, RunConfig
from cpbench.runfolder import load_run

ground = module_at(Path(__file__).with_name("ground.py"))


@pytest.fixture
def run_of(tmp_path, items_file):
    """run_of(name, answers) -> a run of answers obtained elsewhere; of a null baseline by its name."""
    file = items_file()
    ids = [json.loads(line)["id"] for line in file.read_text().splitlines()]

    def make(name, answer=None, items=file):
        model = name
        if answer is not None:
            rows = [{"item_id": each, "answer": answer(at)} for at, each in enumerate(ids)]
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            model = f"answers:{tmp_path / name}.jsonl"
        out = tmp_path / "runs" / name
        evaluate(RunConfig(model, (str(items),), out=str(out), hearing_check=False))
        return load_run(out)

    return make


def test_a_pack_of_runs_holds_the_labelled_items_and_marks_what_does_not_count(run_of):
    runs = [
        run_of("one", lambda at: ("It is low.", "It is high.")[at % 3 == 0]),
        run_of("copy", lambda at: ("it is low", "it is HIGH")[at % 3 == 0]),
        run_of("other", lambda at: ("High, I would say.", "low")[at % 4 == 0]),
        run_of("echo"),
        run_of("majority"),
    ]
    pack = make_pack(runs)
    assert {item.type for item in pack.items} == {"DE"} and len(pack.items) == 6  # C items have no label
    assert {one.name: one.why_not for one in pack.systems} == {
        "one": None,
        "copy": "nearly the same answers as one",
        "other": None,
        "echo": "a null baseline",
        "majority": "a null baseline",
    }


def test_runs_of_other_data_or_other_words_are_refused(run_of, items_file):
    first = run_of("one", lambda at: "low")
    elsewhere = run_of("majority", items=items_file(clips=4, folder="elsewhere"))
    with pytest.raises(UserError, match="other data"):
        make_pack([first, elsewhere])
    items = tuple(dataclasses.replace(item, prompt="Listen: " + item.question) for item in first.items)
    with pytest.raises(UserError, match="other words"):
        make_pack([first, dataclasses.replace(run_of("other", lambda at: "high"), items=items)])


def test_runs_without_labels_are_refused(run_of):
    run = run_of("one", lambda at: "low")
    bare = tuple(dataclasses.replace(item, label=None) for item in run.items)
    with pytest.raises(UserError, match="label"):
        make_pack([dataclasses.replace(run, items=bare)])


def test_a_pack_comes_back_as_it_was_and_notices_a_changed_file(tmp_path):
    pack = ground.make(systems=2, items=20, recordings=10)
    again = read_pack(write_pack(pack, tmp_path / "pack"))
    assert again == pack and again.pack_id == pack.pack_id
    file = tmp_path / "pack" / "answers.jsonl"
    file.write_text(file.read_text().replace("angry", "sad", 1))
    with pytest.raises(UserError, match="not the file"):
        read_pack(tmp_path / "pack")
    other = dataclasses.replace(pack, thresholds=dataclasses.replace(pack.thresholds, bias=0.1))
    assert other.pack_id != pack.pack_id


def test_a_pack_is_not_written_over_something_else_and_not_read_from_nothing(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="another --out"):
        write_pack(ground.make(systems=2, items=20, recordings=10), tmp_path)
    with pytest.raises(UserError, match="not a pack"):
        read_pack(tmp_path / "none")


def test_the_halves_share_no_recording_and_together_are_the_pack():
    pack = ground.make(systems=2, items=100, recordings=25)
    dev, gate = (pack.part(part) for part in ("dev", "gate"))
    assert {*(item.id for item in dev), *(item.id for item in gate)} == {item.id for item in pack.items}
    recordings = [{item.recording for item in part} for part in (dev, gate)]
    assert not recordings[0] & recordings[1] and [len(each) for each in recordings] == [12, 13]
    assert dataclasses.replace(pack, seed=1).part("gate") != gate


def test_an_echo_repeats_its_question():
    items = [ground.item(number, 4) for number in range(8)]
    echo = [Outcome(each, ground.answered(each, each.question.upper())) for each in items]
    assert echoes(echo) and not echoes([Outcome(each, ground.answered(each, "sad")) for each in items])


def test_few_wrong_answers_are_said(tmp_path):
    (warning,) = ground.make(systems=2, items=100, recordings=10).warnings(())
    assert "110 wrong answers" in warning and "s0 0" in warning


def test_a_gzipped_pack_is_the_same_pack_and_the_same_bytes_each_time(tmp_path):
    pack = ground.make(systems=2, items=20, recordings=10)
    folder = write_pack(pack, tmp_path / "pack", compress=True)
    assert sorted(path.name for path in folder.iterdir()) == ["answers.jsonl.gz", "items.jsonl.gz", "pack.json"]
    assert read_pack(folder) == pack and read_pack(folder).pack_id == pack.pack_id
    first = (folder / "answers.jsonl.gz").read_bytes()
    assert write_pack(pack, folder, compress=True) == folder and (folder / "answers.jsonl.gz").read_bytes() == first
    (folder / "answers.jsonl.gz").write_bytes(first[:-20])
    with pytest.raises(UserError, match="not a pack"):
        read_pack(folder)
    assert read_pack(write_pack(pack, folder)) == pack  # plain again, and nothing gzipped is left beside it
    assert sorted(path.name for path in folder.iterdir()) == ["answers.jsonl", "items.jsonl", "pack.json"]
