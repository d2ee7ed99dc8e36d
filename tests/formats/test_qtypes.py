import csv
import json
from pathlib import Path

import pytest

from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import text_sha256
from cpbench.formats.qtypes import TypeSource, read_type, tag_question, types_from
from cpbench.records import QTYPES, Item

HERE = Path(__file__).parent
EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb/cpqa.jsonl"


def questions(name):
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def right(rows):
    return [tag_question(row["question"], row["answer"]) == row["type"] for row in rows]


def test_the_questions_by_which_the_rules_were_made():
    rows = questions("questions.tsv")
    assert len(rows) == 164
    assert {row["type"] for row in rows} == set(QTYPES)
    assert sum(right(rows)) == 164


def test_the_questions_that_came_after_the_rules_give_the_number_of_the_docstring():
    rows = questions("questions_held_out.tsv")
    assert (sum(right(rows)), len(rows)) == (66, 80)
    assert "66 of 80 (.825)" in (tag_question.__doc__ or "").replace("\n   ", "")


def test_every_type_is_mostly_found_among_them():
    rows = questions("questions_held_out.tsv")
    for kind in QTYPES:
        own = [row for row in rows if row["type"] == kind]
        assert sum(right(own)) / len(own) >= 0.6, kind


def test_questions_of_another_author():
    """The distinct questions of the shared EmoDB set, typed by its own author."""
    if not EMODB.exists():
        pytest.skip("the shared EmoDB sample is not here")
    lines = [json.loads(line) for line in EMODB.read_text().splitlines()]
    asked = {line["question"]: (line["type"], line["references"][0]) for line in lines}
    assert all(tag_question(question, answer) == kind for question, (kind, answer) in asked.items())


def test_without_words_it_is_content():
    assert tag_question("") == "C"
    assert tag_question("?!", "...") == "C"


@pytest.mark.parametrize("kind", QTYPES)
def test_a_leaf_is_its_own_spelling(kind):
    assert read_type(kind) == read_type(kind.lower()) == read_type(f" {kind} ") == kind


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Content", "C"),
        ("direct_emotion", "DE"),
        ("Contextual-Gender", "CG"),
        ("speaker count", "DS"),
        ("news", None),
        ("", None),
    ],
)
def test_other_spellings(word, kind):
    assert read_type(word) == kind


@pytest.mark.parametrize("name", ["types.jsonl", "types.csv"])
def test_a_sidecar_by_id_and_by_question(tmp_path, name):
    entries = [
        {"id": "a", "question_sha256": "", "type": "CS"},
        {"id": "", "question_sha256": text_sha256("q?"), "type": "dg"},
    ]
    with (tmp_path / name).open("w", newline="") as file:
        if name.endswith("csv"):
            writer = csv.DictWriter(file, entries[0])
            writer.writeheader()
            writer.writerows(entries)
        else:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
    found = TypeSource.beside(tmp_path)
    assert found.path == tmp_path / name
    assert found.of(None, "a", "?", "x") == ("CS", "sidecar")
    assert found.of(None, "z", "q?", "x") == ("DG", "sidecar")
    assert found.of("CE", "a", "?", "x") == ("CE", "column")
    assert found.of(None, "z", "What day is it?", "x") == ("C", "rules")


def test_without_a_sidecar_the_rules_hold(tmp_path):
    assert TypeSource.beside(tmp_path).of(None, "a", "What day is it?", "") == ("C", "rules")
    assert TypeSource.beside(None).types == {}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('{"id": "a", "type": "CX"}', UsageError, "entry 1: unknown question type 'CX'"),
        ('{"id": "a"}', UsageError, "entry 1: unknown question type ''"),
        ('{"type": "CE"}', UserError, "entry 1: has neither id nor question_sha256"),
        ("[]", UserError, "entry 1: has neither"),
        ("{", UserError, "cannot be read as a list of types"),
    ],
)
def test_a_wrong_sidecar(tmp_path, text, error, message):
    (tmp_path / "types.jsonl").write_text(text + "\n")
    with pytest.raises(error, match=message):
        TypeSource.beside(tmp_path)


def test_a_sidecar_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        TypeSource.beside(tmp_path / "none.jsonl")


def test_the_least_certain_source_is_named():
    def item(kind, **origin):
        return Item("1", "t", (), "q", ("r",), type=kind, origin=origin)

    assert types_from([]) == "none"
    assert types_from([item(None)]) == "none"
    assert types_from([item("CE")]) == "column"
    assert types_from([item("CE", types_from="sidecar"), item("CE")]) == "sidecar"
    assert types_from([item("CE", types_from="rules"), item("CE", types_from="sidecar")]) == "rules"
