"""Ratings of people: files as they are saved, by the page and by spreadsheets, what is wrong with them, agreement."""

import json

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from cpbench.errors import UserError
from cpbench.judges.validity.humans import HumanRating, agreement_among, read_humans
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


def rating(item, annotator, score, system="one"):
    return HumanRating(item, "task", system, annotator, None if score is None else float(score))


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


def test_agreement_is_that_of_sklearn_and_krippendorff():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 60)
    given = {who: np.clip(truth + rng.integers(-1, 2, 60), 0, 5) for who in ("ada", "ben")}
    given["cleo"] = [score if at < 30 else None for at, score in enumerate(truth)]
    found = agreement_among([rating(f"i{at}", who, s) for who, scores in given.items() for at, s in enumerate(scores)])
    pairs = {(one.a, one.b): one for one in found.pairs}
    first = pairs["ada", "ben"]
    assert first.kappa.value == pytest.approx(cohen_kappa_score(given["ada"], given["ben"], weights="quadratic"))
    assert (first.n, pairs["ada", "cleo"].n, found.shared) == (60, 30, 60)
    assert first.bias == pytest.approx((given["ada"] - given["ben"]).mean())
    table = np.array([[np.nan if one is None else one for one in scores] for scores in given.values()], dtype=float)
    assert found.alpha.value == pytest.approx(krippendorff.alpha(table, level_of_measurement="ordinal"))
    assert (found.scored["cleo"], found.unsure["cleo"]) == (30, 30)
    for estimate in (first.kappa, found.alpha, found.ac2):
        assert estimate.low < estimate.value < estimate.high
        assert estimate.clusters == 60


def test_the_interval_is_the_jackknife_over_recordings():
    """Three recordings; the pseudo-values by hand: theta_-c by sklearn, se = sqrt((C-1)/C sum (theta_-c - mean)^2)."""
    a, b = [0, 1, 2, 3, 4, 5, 5, 0, 3], [0, 1, 3, 3, 3, 5, 4, 1, 3]
    ratings = [rating(f"i{at}", who, s) for who, scores in (("a", a), ("b", b)) for at, s in enumerate(scores)]
    found = agreement_among(ratings, recordings={f"i{at}": f"r{at % 3}" for at in range(9)}).pairs[0].kappa
    left = [
        cohen_kappa_score(
            *([s for at, s in enumerate(one) if at % 3 != c] for one in (a, b)), weights="quadratic", labels=range(6)
        )
        for c in range(3)
    ]
    se = (2 / 3 * sum((one - np.mean(left)) ** 2 for one in left)) ** 0.5
    assert (found.clusters, found.n) == (3, 9)
    assert found.se == pytest.approx(se)
    assert found.high - found.value == pytest.approx(4.302653 * se)


def test_one_annotator_has_nobody_to_agree_with():
    found = agreement_among([rating("i1", "ada", 3), rating("i2", "ada", None)])
    assert (found.pairs, found.ac2, found.alpha, found.shared) == ((), None, None, 0)
    assert (found.scored, found.unsure) == ({"ada": 1}, {"ada": 1})


def test_annotators_who_share_nothing_are_an_error_and_constant_ones_have_no_kappa():
    with pytest.raises(UserError, match="no two annotators"):
        agreement_among([rating("i1", "ada", 3), rating("i2", "ben", 3), rating("i1", "ben", None)])
    with pytest.raises(UserError, match="no two annotators"):
        agreement_among([rating("i1", "ada", 3, "one"), rating("i1", "ben", 3, "two")])
    found = agreement_among([rating(f"i{at}", who, 3) for who in "ab" for at in range(5)])
    assert (found.pairs[0].kappa, found.alpha, found.pairs[0].equal) == (None, None, 1.0)
    assert found.ac2.value == 1.0
