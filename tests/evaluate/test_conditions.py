"""Conditions of a run: group words, columns that are added, what is left out, and what its results are about."""

import json
import textwrap
from dataclasses import replace

import pytest

from cpbench.errors import UserError
from cpbench.evaluate import evaluate
from cpbench.flow.watch import Unwatched, Watching
from cpbench.records import RunConfig
from cpbench.runfolder import load_run, run_path


class Heard(Unwatched):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


@pytest.fixture
def run(items_file, tmp_path):
    """run(*conditions, **config) -> (the run, what it said)."""
    items = items_file()

    def start(*conditions, **known):
        watch = Heard()
        known = {"model": "echo", "out": str(tmp_path / "run"), "hearing_check": False, **known}
        made = evaluate(RunConfig(tasks=(str(items),), conditions=conditions, **known), Watching(watch))
        return made, watch.said

    start.items = items
    return start


def edited(path, change):
    lines = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def columns(folder):
    made = load_run(folder)
    found = {}
    for one in made.predictions:
        found.setdefault(one.condition, {})[one.item_id] = one
    return found


def test_all_is_what_these_data_allow_and_the_rest_is_said(run, tmp_path):
    made, said = run("all")
    assert made.config.conditions[0] == "audio" == made.main_condition
    assert {"silence", "shuffled", "transcript"} <= {*made.config.conditions} and "prefix:30" not in (
        made.config.conditions
    )
    reason = "items, prefix:30: not done: no clip is longer than 30 s"
    assert reason in said and reason in json.loads((tmp_path / "run" / "results.json").read_text())["warnings"]
    assert {len(column) for column in columns(tmp_path / "run").values()} == {12}
    with pytest.raises(UserError, match="of one recording"):
        edited(run.items, lambda line: line | {"recording": "one"})
        run("shuffled", out=str(tmp_path / "other"))


def test_a_condition_is_added_to_a_run_and_nothing_is_asked_twice(run, tmp_path):
    first, _ = run()
    assert first.config.conditions == ("audio",)
    before = (tmp_path / "run" / "predictions.jsonl").read_text()
    second, _ = run("silence", "prefix:0.1")
    assert second.config.conditions == ("audio", "silence", "prefix:0.1")
    after = (tmp_path / "run" / "predictions.jsonl").read_text()
    assert after.startswith(before) and len(after.splitlines()) == 36
    third, _ = run()
    assert third.config.conditions == second.config.conditions
    assert (tmp_path / "run" / "predictions.jsonl").read_text() == after
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written["condition"] == "audio" and {*written["conditions"]} == {"silence", "prefix:0.1"}


def test_the_default_folder_does_not_hang_on_the_conditions():
    plain = RunConfig("echo", ("demo",))
    for other in ({"conditions": ("silence",)}, {"asr": "x"}, {"paraphrases": "p.jsonl"}):
        assert run_path(replace(plain, **other)) == run_path(plain)
    assert run_path(replace(plain, seed=1)) != run_path(plain)


def test_a_condition_that_stops_being_possible_for_a_group_word_is_said_and_by_name_it_is_refused(run, tmp_path):
    edited(run.items, lambda line: {key: value for key, value in line.items() if key != "transcript"})
    made, said = run("all")
    assert "transcript" not in made.config.conditions
    assert any("transcript: not done: none of 12 items has a transcript" in one for one in said)
    with pytest.raises(UserError, match="--asr SPEC"):
        run("transcript")


def test_items_that_cannot_be_asked_are_counted_and_are_not_missing(run, tmp_path):
    edited(run.items, lambda line: line | {"transcript": None} if line["id"].startswith(("0", "1")) else line)
    made, said = run("audio", "transcript", "shuffled")
    assert len(columns(tmp_path / "run")["transcript"]) == 8
    reason = "items, transcript: 4 of 12 items are left out: nobody knows their words"
    warnings = made.results.warnings
    assert reason in said and reason in warnings and not any("not answered" in one for one in warnings)
    assert made.manifest["left_out"][0]["items"] == ["0-0", "0-1", "1-0", "1-1"]


def test_shuffled_plays_other_recordings_and_says_which(run, tmp_path):
    made, _ = run("shuffled", seed=4)
    recordings = {item.id: item.recording for item in made.items}
    by_clip = {clip.sha256: clip.recording for item in made.items for clip in item.clips}
    for one in columns(tmp_path / "run")["shuffled"].values():
        (played,) = one.played
        assert by_clip[played] != recordings[one.item_id]


def test_other_wordings_are_taken_from_a_file_and_kept(run, tmp_path):
    file = tmp_path / "p.jsonl"
    file.write_text('{"question": "q0?", "paraphrases": ["Q zero?"]}\n')
    _, said = run("paraphrase:1", paraphrases=str(file))
    asked = columns(tmp_path / "run")["paraphrase:1"]
    assert {one.raw for one in asked.values()} == {"Q zero?"} and len(asked) == 6
    assert "items, paraphrase:1: 6 of 12 items are left out: their question has no such other wording" in said
    again, _ = run("paraphrase:1")
    assert again.config.paraphrases == str(file) and len(columns(tmp_path / "run")["paraphrase:1"]) == 6
    file.write_text('{"question": "q0?", "paraphrases": ["Other words?"]}\n')
    with pytest.raises(UserError, match="other wordings when this run was begun"):
        run("paraphrase:1")
    copy = tmp_path / "copy.jsonl"
    copy.write_text('{"question": "q0?", "paraphrases": ["Q zero?"]}\n')
    with pytest.raises(UserError, match="paraphrases was"):
        run("paraphrase:1", paraphrases=str(copy))


@pytest.fixture
def explicit(tmp_path):
    """A model that was made for gold tags, and answers with its prompt."""
    path = tmp_path / "explicit.py"
    path.write_text(
        textwrap.dedent("""
        from cpbench.records import ModelCard

        class Explicit:
            card = ModelCard("explicit", "test", condition="tags:gold", tag_template="{text} [{tags}]")

            def answer(self, turns):
                for turn in turns:
                    yield turn.request.answered(turn.request.text, heard=1.0)
        """)
    )
    return f"{path}:Explicit"


def test_an_explicit_checkpoint_keeps_its_own_condition_and_none_takes_its_tags_away(run, explicit, tmp_path):
    edited(run.items, lambda line: line | {"emotion": ("sad", "glad")[int(line["id"][0]) % 2]})
    first, _ = run(model=explicit)
    assert first.config.conditions == ("tags:gold",)
    made, _ = run("tags:none", "tags:wrong", "audio", model=explicit)
    assert made.main_condition == "tags:gold"
    assert json.loads((tmp_path / "run" / "results.json").read_text())["condition"] == "tags:gold"
    said = columns(tmp_path / "run")
    assert said["tags:none"]["0-0"].raw == "q0?" == said["audio"]["0-0"].raw
    assert "sad]" in said["tags:gold"]["0-0"].raw and "glad]" in said["tags:wrong"]["0-0"].raw
    assert said["tags:wrong"]["0-0"].flags == ("leaked",) and said["tags:wrong"]["0-1"].flags == ()
    alone, _ = run("all", model=explicit, out=str(tmp_path / "all"))
    assert alone.config.conditions[:2] == ("tags:gold", "audio") and alone.main_condition == "tags:gold"
