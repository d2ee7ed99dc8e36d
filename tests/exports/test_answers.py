"""One row a prediction, and no text of a set whose rights forbid it."""

import csv
from pathlib import Path

import pytest

from cpbench import exports
from cpbench.errors import UsageError
from cpbench.records import Clip, Generation, Item, Judgement, Outcome, Request, Rights, Sound, Task

OPEN = Task("open", "1", "", ("accuracy", "overlap_score"), Rights("CC0-1.0", text_in_report=True))
SHUT = Task("shut", "1", "", ("accuracy",), Rights("research only"))
SECRET = "Nobody may read this sentence"


def outcome(task, item_id, answer, **known):
    clip = Clip("a.wav", "00", 2.0, "spk1", speaker="spk1", transcript=SECRET)
    item = Item(item_id, task, (clip,), f"How? {SECRET}", ("joy",), label="joy", options=("joy", "anger"), **known)
    request = Request(item_id, task, "audio", item.question, (Sound(clip),), Generation())
    said = request.failed("/home/somebody/a.wav: corrupt") if answer is None else request.answered(answer, heard=2.0)
    return Outcome(item, said)


def judged(one, *scores):
    said = tuple(
        Judgement(f"{at}", one.item.id, one.item.task, "audio", "00", "id", "parse_error" if s is None else "ok", s)
        for at, s in enumerate(scores)
    )
    return Outcome(one.item, one.prediction, said)


def test_a_row_says_what_was_read_and_what_each_judge_gave():
    right, wrong, failed = outcome("open", "1", "It is joy."), outcome("open", "2", "anger"), outcome("open", "3", None)
    heard = [judged(right, 80.0, 100.0), judged(wrong, None), judged(failed)]
    table = exports.answer_table([right, wrong, failed], [OPEN], judged={"j": heard})
    keys = ("predicted", "correct", "status", "overlap_score", "judge_score[j]", "judge_status[j]")
    assert [tuple(row[key] for key in keys) for row in table.rows] == [
        ("joy", True, "ok", 100.0, 90.0, "ok"),
        ("anger", False, "ok", 0.0, None, "parse_error"),
        (None, None, "error", None, None, None),
    ]
    assert table.rows[0]["references"] == "joy"
    assert table.rows[0]["options"] == "joy\nanger"
    assert table.rows[0]["audio_seconds_heard"] == 2.0


def test_texts_stay_out_where_the_rights_do_not_give_them():
    table = exports.answer_table([outcome("open", "1", "joy"), outcome("shut", "2", "joy")], [OPEN, SHUT])
    given, shut = table.rows
    assert SECRET in given["question"]
    assert shut["question"] is shut["transcript"] is shut["references"] is shut["raw"] is None
    assert (shut["answer"], shut["predicted"], shut["label"]) == ("joy", "joy", "joy")


@pytest.mark.parametrize("name", ["csv", "json", "parquet"])
def test_no_file_of_a_forbidden_set_holds_its_texts(tmp_path, name):
    table = exports.answer_table([outcome("shut", "1", "joy"), outcome("shut", "2", None)], [SHUT])
    assert not {"question", "references", "transcript", "raw", "error"} & set(table.columns)
    (file,) = exports.export_answers(name, table, tmp_path / "answers")
    assert SECRET.encode() not in Path(file).read_bytes()


def test_the_owner_of_the_data_sees_everything():
    (row,) = exports.answer_table([outcome("shut", "1", None)], [SHUT], own=True).rows
    assert SECRET in row["question"]
    assert row["error"] == "/home/somebody/a.wav: corrupt"


def test_csv_keeps_what_an_answer_holds(tmp_path):
    said = 'He says "no",\nand; 是的 then = 1'
    (file,) = exports.export_answers("csv", exports.answer_table([outcome("open", "1", said)], [OPEN]), tmp_path / "a")
    with file.open(newline="", encoding="utf-8") as lines:
        (row,) = csv.DictReader(lines)
    assert row["answer"] == said


def test_answers_go_into_tables_only(tmp_path):
    table = exports.answer_table([outcome("open", "1", "joy")], [OPEN])
    with pytest.raises(UsageError, match=r"no table of the format 'latex'[\s\S]*csv, json, parquet"):
        exports.export_answers("latex", table, tmp_path / "x")
