"""Ratings of people: files as they are saved, by the page and by spreadsheets, and what is wrong with them."""

import json

import pytest

from cpbench.errors import UserError
from cpbench.judges.validity.humans import HumanRating, read_humans
from cpbench.judges.validity.sample import Drawn, Sample, write_key

HEAD = "item_id,system,annotator,score,comment\n"


@pytest.fixture
def file(tmp_path):
    """A function: (text, name) -> a file of that text."""

    def make(text, name="r.csv", **how):
        path = tmp_path / name
        path.write_text(text, **{"encoding": "utf-8", "newline": ""} | how)
        return path

    return make


@pytest.fixture
def key(tmp_path):
    """A key of two answers, b0 and b1."""
    drawn = tuple(
        Drawn(f"b{at}", "one", "task", f"i{at}", "audio", "C", 0.5, "0" * 64, ("rater-1",)) for at in range(2)
    )
    write_key(Sample("s1", 0, {"one": "model"}, {"task": "v1"}, ("rater-1",), 0, (), drawn), tmp_path / "sample.json")
    return tmp_path / "sample.json"


def test_a_table_with_names(file):
    ada, ben = read_humans(file(HEAD + 'i1,one,ada,4,"well, ""nearly""\nright"\ni1,one,ben,,\n'))
    assert ada == HumanRating("i1", "", "one", "ada", 4.0, 'well, "nearly"\nright')
    assert (ben.score, ben.points, ada.points) == (None, None, 80.0)


@pytest.mark.parametrize("sign", [";", "\t"])
def test_what_spreadsheets_make_of_it(file, sign):
    text = (HEAD + "i1,one,ada,4,\ni2,one,ada,cannot tell,\n,,,,\n").replace(",", sign).replace("\n", "\r\n")
    assert [one.score for one in read_humans(file(text, encoding="utf-8-sig"))] == [4.0, None]


def test_blinded_lines_are_looked_up_in_the_key_given_or_beside_the_file(file, key, tmp_path):
    lines = [
        {"sample": "s1", "id": "b1", "annotator": "ada", "score": 3, "cannot_tell": False, "saw_reference": True},
        {"sample": "s1", "id": "b0", "annotator": "ada", "score": None, "cannot_tell": True, "comment": "noise"},
    ]
    path = file("".join(json.dumps(line) + "\n" for line in lines), "r.jsonl")
    expected = (
        HumanRating("i1", "task", "one", "ada", 3.0, "", True),
        HumanRating("i0", "task", "one", "ada", None, "noise"),
    )
    assert read_humans(path, key=key) == read_humans(path) == expected
    key.unlink()
    with pytest.raises(UserError, match=r"no sample\.json beside it"):
        read_humans(path)


def test_several_files_are_one_set(file):
    paths = [
        file(HEAD + "i1,one,ada,4,\n"),
        file('{"item_id": 1, "system": "one", "annotator": "b", "score": 2.0}', "b"),
    ]
    assert [(one.item_id, one.annotator, one.score) for one in read_humans(paths)] == [
        ("i1", "ada", 4.0),
        ("1", "b", 2.0),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("i1,one,ada,6,", r"r\.csv:2: off the scale, the score '6'"),
        ("i1,one,ada,3.5,", "off the scale"),
        ("i1,one,ada,nan?,", "off the scale"),
        ("i1,one,ada,-1,", "off the scale"),
        ("i1,one,,4,", r"r\.csv:2: no annotator"),
        (",one,ada,4,", "no item_id"),
        ("i1,one,ada,4", "4 values under 5 names"),
        ('i1,one,ada,4,"open', "not CSV"),
        ("i1,one,ada,4,\n\ni1,one,ada,5,", r"r\.csv:4: ada has rated i1 of one already \(.*r\.csv:2\)"),
        ("", "no ratings in"),
    ],
)
def test_a_table_that_is_wrong_is_refused_by_its_line(file, line, says):
    with pytest.raises(UserError, match=says):
        read_humans(file(HEAD + line + "\n"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "b7", "annotator": "a", "score": 1}', r"r\.jsonl:1: sample s1 has no answer 'b7'"),
        ('{"id": "b0", "sample": "s2", "annotator": "a", "score": 1}', "of sample s2, and the key is of s1"),
        ('{"id": "b0", "annotator": "a"}', "no score"),
        ('{"id": "b0", "annotator": "a", "score": true}', "off the scale"),
        ('{"id": "b0", "annotator": "a", "score": [1]}', "off the scale"),
        ('{"id": "b0"', "not JSON"),
        ("[1]", "not an object"),
    ],
)
def test_lines_that_are_wrong_are_refused(file, key, line, says):
    with pytest.raises(UserError, match=says):
        read_humans(file(line + "\n", "r.jsonl"), key=key)


def test_a_file_that_is_no_text_or_not_there(tmp_path):
    (tmp_path / "r.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("r.csv", "nowhere.csv"):
        with pytest.raises(UserError, match="cannot be read"):
            read_humans(tmp_path / name)
    with pytest.raises(UserError, match="no file"):
        read_humans([])


def test_ratings_are_held_against_the_answers_that_are_known(file):
    known = [("task", "i1", "one"), ("task", "i2", "two"), ("other", "i2", "two")]
    assert read_humans(file(HEAD + "i1,one,ada,4,\n"), known=known)[0].task == "task"
    with pytest.raises(UserError, match=r"r\.csv:2: unknown system 'ones' \(did you mean 'one'\?\)"):
        read_humans(file(HEAD + "i1,ones,ada,4,\n"), known=known)
    with pytest.raises(UserError, match="one has no answer to the item 'i9'"):
        read_humans(file(HEAD + "i9,one,ada,4,\n"), known=known)
    with pytest.raises(UserError, match="is in other, task"):
        read_humans(file(HEAD + "i2,two,ada,4,\n"), known=known)
