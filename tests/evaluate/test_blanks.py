"""Blanks: words and tags made by annotators before anything is asked, once, and kept with the run."""

import json
import os
import subprocess
import sys

import pytest

from cpbench.errors import UserError
from cpbench.evaluate import evaluate
from cpbench.flow.ledger import Ledger
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Unwatched, Watching
from cpbench.records import Annotation, Prediction, RunConfig
from cpbench.runfolder import load_run, merge_runs

EARS = """
import os
from dataclasses import dataclass
from cpbench.records import Annotation, Tag

@dataclass
class Ears:
    name = "ears@7"

    def annotate(self, sounds):
        for heard in sounds:
            with open(os.environ["EARS_LOG"], "a") as log:
                log.write(heard.sound.clip.sha256 + "\\n")
            key, seconds = heard.sound.clip.sha256, heard.seconds
            if seconds > 0.37:
                yield Annotation(key, self.name)
                continue
            tag = Tag(0.0, seconds, self.name, {"sad" if seconds < 0.3 else "glad": 1.0})
            yield Annotation(key, self.name, (tag,), "" if seconds < 0.25 else f"{seconds:.2f} s")
"""


@pytest.fixture
def ears(tmp_path, monkeypatch):
    """An annotator that says how long a clip is: nothing of a long one, no words in a short one."""
    (tmp_path / "ears.py").write_text(EARS)
    monkeypatch.setenv("EARS_LOG", str(tmp_path / "log"))
    (tmp_path / "log").touch()
    return f"{tmp_path / 'ears.py'}:Ears"


@pytest.fixture
def bare(items_file):
    """Items without transcripts, but for the first clip's."""
    items = items_file(clips=12)
    lines = [json.loads(line) for line in items.read_text().splitlines()]
    for line in lines[2:]:
        del line["transcript"]
    items.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return items


def heard(tmp_path):
    return (tmp_path / "log").read_text().split()


def config(items, out, *conditions, **known):
    return RunConfig("echo", (str(items),), conditions=conditions, out=str(out), hearing_check=False, **known)


def answers(folder):
    return {one.key: one.raw for one in Ledger(folder / "predictions.jsonl", Prediction)}


def expected(run):
    """What should be asked, from the lengths alone: id -> text, for the items that can be asked."""
    found = {}
    for item in run.items:
        (clip,) = item.clips
        if item.id.startswith("0-"):
            found[item.id] = "words 0"
        elif clip.seconds <= 0.37:
            found[item.id] = "" if clip.seconds < 0.25 else f"{clip.seconds:.2f} s"
    return found


def test_only_blanks_are_filled_once_and_what_fails_is_left_out(bare, ears, tmp_path):
    run = evaluate(config(bare, tmp_path / "a", "audio", "transcript", asr=ears))
    known = expected(run)
    failed = {item.id for item in run.items} - known.keys()
    empty = {id for id, words in known.items() if words == ""}
    assert failed and empty, "the lengths should show every case"
    said = {key.split("/")[1]: raw for key, raw in answers(run.folder).items() if key.endswith("/transcript")}
    assert said == {id: f'Transcript: "{words}"\nq{id[-1]}?' for id, words in known.items()}
    assert len(heard(tmp_path)) == 11  # a clip once, whatever its questions; not the one with words
    (note,) = run.manifest["annotations"]
    assert note == {
        "what": "transcript",
        "spec": ears,
        "by": "ears@7",
        "clips": 11 - len(failed) // 2,
        "failed": len(failed) // 2,
        "empty": len(empty) // 2,
    }
    assert any("are what ears@7 hears in them" in one for one in run.results.warnings)
    assert f"items, transcript: {len(failed)} of 24 items are left out: nobody knows their words" in (
        run.results.warnings
    )
    kept = {item.id: item.clips[0].transcript for item in load_run(run.folder).items}
    assert {id: kept[id] for id in known} == known


def test_a_run_goes_on_with_what_was_said_and_without_being_told_again(bare, ears, tmp_path):
    first = evaluate(config(bare, tmp_path / "a", "transcript", asr=ears))
    before = answers(first.folder)
    asked = heard(tmp_path)
    again = evaluate(config(bare, tmp_path / "a", "silence"))
    assert again.config.asr == ears and again.config.conditions == ("transcript", "silence")
    now = answers(first.folder)
    assert {key: now[key] for key in before} == before and len(now) == len(before) + 24
    late = heard(tmp_path)[len(asked) :]
    assert {*late} <= {*asked} and len(late) < len(asked) / 2  # only those of which nothing was said
    with pytest.raises(UserError, match="asr was"):
        evaluate(config(bare, tmp_path / "a", "transcript", asr="elsewhere"))


def test_a_recogniser_that_cannot_be_loaded_leaves_no_trace_in_the_run(bare, ears, tmp_path):
    evaluate(config(bare, tmp_path / "a", "audio"))
    with pytest.raises(UserError, match="nowhere"):
        evaluate(config(bare, tmp_path / "a", "transcript", asr="./nowhere"))
    plain = evaluate(config(bare, tmp_path / "a"))
    assert plain.config.conditions == ("audio",) and plain.config.asr is None
    assert evaluate(config(bare, tmp_path / "a", "transcript", asr=ears)).config.asr == ears


def test_nobody_is_asked_where_no_condition_needs_it(bare, ears, tmp_path):
    said = []

    class Watch(Unwatched):
        def say(self, message):
            said.append(message)

    run = evaluate(config(bare, tmp_path / "a", "audio", asr=ears), Watching(Watch()))
    assert heard(tmp_path) == [] and run.config.asr is None
    assert any("no condition of this run needs words" in one for one in said)


def test_tags_are_made_by_an_annotator_and_wrong_needs_gold_ones(bare, ears, tmp_path):
    run = evaluate(config(bare, tmp_path / "a", f"tags:{ears}"))
    tags = {clip.sha256: [tag.source for tag in clip.tags] for item in run.items for clip in item.clips}
    assert ["ears@7"] in tags.values() and [] in tags.values()
    assert all("[0.0-0." in raw for raw in answers(run.folder).values())
    shown = [p for p in Ledger(run.folder / "predictions.jsonl", Prediction) if p.item_id.endswith("-0")]
    assert shown and all(one.flags == ("leaked",) and one.told[0] in ("sad", "glad") for one in shown)
    assert all(item.clips[0].transcript is None for item in run.items if not item.id.startswith("0-"))
    with pytest.raises(UserError, match="emotion tags from gold"):
        evaluate(config(bare, tmp_path / "b", "tags:wrong", asr=ears))


def test_words_and_tags_compose_and_a_donor_s_words_are_recognised_too(bare, ears, tmp_path):
    condition = f"shuffled+transcript+tags:{ears}"
    run = evaluate(config(bare, tmp_path / "a", condition, asr=ears))
    by_clip = {clip.sha256: clip for item in run.items for clip in item.clips}
    for one in Ledger(run.folder / "predictions.jsonl", Prediction):
        (played,) = one.played
        assert f'Transcript: "{by_clip[played].transcript}"' in one.raw


def test_a_clip_that_cannot_be_decoded_does_not_end_the_others(bare, ears, tmp_path):
    (bare.parent / "3.flac").write_bytes(b"fLaC and no more")
    (bare.parent / "4.flac").unlink()
    said = []

    class Watch(Unwatched):
        def say(self, message):
            said.append(message)

    run = evaluate(config(bare, tmp_path / "a", "transcript", asr=ears), Watching(Watch()))
    asked = {key.split("/")[1][:2] for key in answers(run.folder)}
    assert asked and not {"3-", "4-"} & asked
    assert any("3.flac" in one for one in said) and len(heard(tmp_path)) == 9


def test_it_is_stopped_and_goes_on(bare, ears, tmp_path):
    stops = iter([False] * 3 + [True] * 50)
    with pytest.raises(Stopped, match="goes on"):
        evaluate(config(bare, tmp_path / "a", "transcript", asr=ears), Watching(stop=lambda: next(stops)))
    first = heard(tmp_path)
    assert 0 < len(first) < 11 and answers(tmp_path / "a") == {}
    run = evaluate(config(bare, tmp_path / "a", "transcript", asr=ears))
    assert {key.split("/")[1] for key in answers(run.folder)} == {*expected(run)}


def test_shards_recognise_their_own_part_and_merge_to_the_whole(bare, ears, tmp_path):
    conditions = ("audio", "transcript", f"tags:{ears}")
    whole = evaluate(config(bare, tmp_path / "whole", *conditions, asr=ears))
    alone = len(heard(tmp_path))
    for n in range(3):
        evaluate(config(bare, tmp_path / f"s{n}", *conditions, asr=ears, shard=(n, 3)))
    assert len(heard(tmp_path)) - alone < 2 * alone  # nobody heard everything
    merged = merge_runs([tmp_path / f"s{n}" for n in range(3)], tmp_path / "m")
    from cpbench.evaluate import score

    results = score(merged).results
    assert answers(tmp_path / "m") == answers(tmp_path / "whole")
    assert {(s.condition, s.metric, s.slice): s.estimate for s in results.scores} == {
        (s.condition, s.metric, s.slice): s.estimate for s in whole.results.scores
    }
    assert not any("not answered" in one for one in results.warnings)
    left = [one for one in results.warnings if "left out" in one]
    assert left and left == [one for one in whole.results.warnings if "left out" in one]
    assert {i.id: i.clips[0].transcript for i in merged.items} == {i.id: i.clips[0].transcript for i in whole.items}
    before = len(heard(tmp_path))
    evaluate(config(bare, tmp_path / "m"))
    failed = {clip.sha256 for item in whole.items for clip in item.clips if clip.seconds > 0.37}
    assert {*heard(tmp_path)[before:]} <= failed


def test_two_ranks_share_the_work(bare, ears, tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "cpbench", "run"]
    flags = ["--model", "echo", "--tasks", str(bare), "--condition", "transcript", "--asr", ears, "--out", "ranks"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, *flags, "--no-hearing-check"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(heard(tmp_path)) == 11 == len({*heard(tmp_path)})
    (ledger,) = (tmp_path / "ranks" / "annotations").iterdir()
    assert len([*Ledger(ledger, Annotation)]) == 11
    assert answers(tmp_path / "ranks") == answers(
        evaluate(config(bare, tmp_path / "whole", "transcript", asr=ears)).folder
    )
