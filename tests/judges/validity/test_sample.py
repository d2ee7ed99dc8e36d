"""Drawing answers for people to rate: equal strata, chances that undo them, parts of raters, and what is refused."""

import collections
import json
import random

import numpy as np
import pytest
from click.testing import CliRunner

from cpbench.cli.judge.sample import command
from cpbench.errors import UserError
from cpbench.fingerprint import text_sha256
from cpbench.judges.validity.rating import write_sample
from cpbench.judges.validity.sample import Plan, draw, load_key, shares, write_key
from cpbench.records import Rights
from cpbench.stats.prediction_powered import ppi_mean


def test_small_strata_give_all_they_have_and_the_others_share_the_rest():
    sizes = {("a", "C"): 3, ("a", "DE"): 100, ("b", "C"): 100, ("b", "DE"): 100}
    found = shares(sizes, 60, random.Random(1))
    assert found == {("a", "C"): 3, ("a", "DE"): 19, ("b", "C"): 19, ("b", "DE"): 19}
    assert shares(sizes, 10**6, random.Random(1)) == sizes


def test_what_does_not_come_out_even_goes_by_chance():
    sizes = {(str(at), "C"): 100 for at in range(3)}
    more = [max(found, key=found.get) for found in (shares(sizes, 10, random.Random(seed)) for seed in range(30))]
    assert len(set(more)) == 3


def test_strata_are_systems_and_types_and_each_answer_has_its_chance(run_of):
    runs = [run_of("one", types=("C", "C", "C", "DE")), run_of("two", types=("C", "C", "C", "DE"))]
    sample, answers = draw(runs, Plan(32, raters=1))
    counts = {(one.system, one.type): (one.answers, one.drawn) for one in sample.strata}
    assert counts == {
        ("one", "C"): (30, 8),
        ("one", "DE"): (10, 8),
        ("two", "C"): (30, 8),
        ("two", "DE"): (10, 8),
    }
    assert sample.chance("one", "DE") == 0.8
    assert sample.chance("one", "CS") is None
    for one in sample.drawn:
        assert one.chance == sample.chance(one.system, one.type)
        assert (answers[one.id].system, answers[one.id].item.id) == (one.system, one.item_id)
        assert one.answer_sha256 == text_sha256(answers[one.id].text)
    assert len({(one.system, one.item_id) for one in sample.drawn}) == len(answers) == 32


def test_the_same_seed_draws_the_same_and_another_one_something_else(run_of):
    runs = [run_of("one"), run_of("two")]
    first = draw(runs, Plan(20))[0]
    assert draw(runs, Plan(20))[0] == first
    assert {one.item_id for one in draw(runs, Plan(20, seed=1))[0].drawn} != {one.item_id for one in first.drawn}
    assert not {one.id for one in draw(runs, Plan(20, seed=1))[0].drawn} & {one.id for one in first.drawn}


def test_every_answer_of_a_stratum_is_drawn_as_often_as_its_chance_says(run_of):
    """300 samples of 2 of 8 answers: each is drawn 75 times, give or take four and a half standard deviations."""
    run = run_of("one", types=("C",), items=8)
    drawn = collections.Counter(
        one.item_id for seed in range(300) for one in draw([run], Plan(2, raters=1, seed=seed))[0].drawn
    )
    assert len(drawn) == 8
    assert max(abs(count - 75) for count in drawn.values()) < 4.5 * (300 * 0.25 * 0.75) ** 0.5


def test_the_chances_make_the_estimate_of_the_whole_unbiased(run_of):
    """Answers to the rare type are all 5, the others all 1: without the chances the mean would be 3."""
    run = run_of("one", types=("C", "C", "C", "DE"))
    score = {item.id: 5.0 if item.type == "DE" else 1.0 for item in run.items}
    sample, _ = draw([run], Plan(16, raters=1))
    human = np.array([np.nan] * 40)
    for one in sample.drawn:
        human[int(one.item_id[1:])] = score[one.item_id]
    chance = np.array([sample.chance("one", item.type) for item in run.items])
    assert np.nanmean(human) == 3.0
    found = ppi_mean(np.zeros(40), human, [item.recording for item in run.items], chance=chance)
    assert found.value == pytest.approx(2.0)


def test_two_raters_share_the_overlap_and_divide_the_rest_over_all_strata(run_of):
    runs = [run_of("one"), run_of("two")]
    sample, _ = draw(runs, Plan(60, overlap=20))
    both = [one for one in sample.drawn if one.raters == ("rater-1", "rater-2")]
    assert len(both) == sample.overlap == 20
    for rater in sample.raters:
        own = [one for one in sample.drawn if one.raters == (rater,)]
        assert len(own) == 20
        assert {*collections.Counter((one.system, one.type) for one in own).values()} == {5}
    assert {*collections.Counter((one.system, one.type) for one in both).values()} == {5}


def test_an_overlap_of_fifty_is_the_default_and_one_rater_has_none(run_of):
    run = run_of("one", items=120)
    assert draw([run], Plan(100))[0].overlap == 50
    assert draw([run], Plan(30))[0].overlap == 30
    assert draw([run], Plan(100, raters=1))[0].overlap == 0
    with pytest.raises(UserError, match="40 answers are drawn"):
        draw([run], Plan(40, overlap=41))


def test_what_is_rated_is_what_a_judge_is_given(run_of):
    run = run_of("one", items=4, failed=1, statuses=("ok", "refused", "truncated"), types=("C",))
    sample, answers = draw([run], Plan(4, raters=1))
    assert {one.item.id: one.text for one in answers.values()} == {"i1": "", "i2": "", "i3": "answer to i3"}
    assert sample.left_out == {"one": "1 answers that could not be made"}


def test_null_baselines_are_no_systems(run_of):
    sample, _ = draw([run_of("one"), run_of("zero", kind="null")], Plan(10))
    assert {one.system for one in sample.drawn} == {"one"} == {*sample.systems}
    assert "null baseline" in sample.left_out["zero"]
    with pytest.raises(UserError, match="only null baselines"):
        draw([run_of("zero", kind="null")], Plan(10))


def test_only_some_types(run_of):
    sample, _ = draw([run_of("one", types=("C", "CE", "CG"))], Plan(10, types=("CE", "CG")))
    assert {one.type for one in sample.drawn} == {"CE", "CG"}
    with pytest.raises(UserError, match=r"'CS'(.|\n)*allowed: C, DE"):
        draw([run_of("two")], Plan(10, types=("CS",)))


def test_runs_that_cannot_be_sampled_together_are_refused(run_of):
    run = run_of("one")
    with pytest.raises(UserError, match="given twice"):
        draw([run, run], Plan(10))
    with pytest.raises(UserError, match="different data"):
        draw([run, run_of("other", items=8)], Plan(10))
    with pytest.raises(UserError, match="2 or more"):
        draw([run], Plan(1))
    with pytest.raises(UserError, match="every answer of these runs is an error"):
        draw([run_of("broken", failed=40)], Plan(10))


def test_the_key_is_read_as_it_was_written_and_nothing_else_is(run_of, tmp_path):
    sample, _ = draw([run_of("one")], Plan(10))
    write_key(sample, tmp_path / "sample.json")
    assert load_key(tmp_path / "sample.json") == sample
    (tmp_path / "other.json").write_text('{"drawn": 3}')
    with pytest.raises(UserError, match="not the key of a sample"):
        load_key(tmp_path / "other.json")
    with pytest.raises(UserError, match="cannot be read"):
        load_key(tmp_path / "nowhere.json")
    later = json.loads((tmp_path / "sample.json").read_text()) | {"version": 2}
    (tmp_path / "later.json").write_text(json.dumps(later))
    with pytest.raises(UserError, match="version 2"):
        load_key(tmp_path / "later.json")


def test_pages_say_neither_system_nor_type_nor_label_nor_file_name(run_of, tmp_path):
    runs = [run_of("secretive", label="anger", options=("anger", "joy")), run_of("second", label="anger")]
    with pytest.raises(UserError, match="different data"):
        write_sample(runs, Plan(10), tmp_path / "out")
    written = write_sample(runs[:1], Plan(10), tmp_path / "out")
    for page in written.pages:
        text = page.read_text(encoding="utf-8")
        for secret in ("secretive", "anger", "03a01Wa", str(tmp_path), '"DE"', "judge_score"):
            assert secret not in text
    (clip,) = (tmp_path / "out" / "clips").iterdir()
    assert clip.read_bytes() == (tmp_path / "corpus" / "03a01Wa-anger.wav").read_bytes()


def test_audio_that_may_not_be_passed_on_is_linked_and_not_copied(run_of, tmp_path):
    written = write_sample([run_of("one", rights=Rights("research only"))], Plan(10), tmp_path / "deep" / "out")
    assert not (tmp_path / "deep" / "out" / "clips").exists()
    assert list(tmp_path.glob("deep/**/*.wav")) == []
    assert "../../corpus/03a01Wa-anger.wav" in written.pages[0].read_text(encoding="utf-8")
    assert any("may not be passed on" in note for note in written.notes)
    assert any("research only" in note for note in written.notes)


def test_a_reference_that_is_never_to_be_seen_is_not_in_the_page(run_of, tmp_path):
    runs = [run_of("one")]
    assert '"gold ' not in write_sample(runs, Plan(10), tmp_path / "a", reference="never").pages[0].read_text()
    assert '"gold ' in write_sample(runs, Plan(10), tmp_path / "b").pages[0].read_text()


def test_a_clip_that_is_gone_is_said(run_of, tmp_path):
    run = run_of("one")
    (tmp_path / "corpus" / "03a01Wa-anger.wav").unlink()
    written = write_sample([run], Plan(10), tmp_path / "out")
    assert len(written.missing) == 1
    assert any("cannot be played" in note for note in written.notes)


def test_the_command(run_of, tmp_path):
    folders = [str(run_of(name).folder) for name in ("one", "two")]
    out = tmp_path / "out"
    done = CliRunner().invoke(command, [*folders, "--n", "20", "--overlap", "6", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["answers"], said["overlap"], said["pages"]["rater-1"]["answers"]) == (20, 6, 13)
    assert load_key(out / "sample.json").systems == {"one": "model one", "two": "model two"}
    again = CliRunner().invoke(command, [*folders, "--out", str(out)])
    assert isinstance(again.exception, UserError)
    assert "not an empty folder" in str(again.exception)
