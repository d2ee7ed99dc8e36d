"""The packaged pack: what the issue asks of it, and that every simulated judge gets its verdict on it."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from cpbench.judges.validity.evidence import Candidate
from cpbench.judges.validity.packs import DEMO, read_pack
from cpbench.judges.validity.validate import Room, validate
from cpbench.metrics.classification import predicted

FOLDER = Path(str(files("cpbench.judges") / "validity" / "packs" / DEMO))
PACK = read_pack(DEMO)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A function: a simulated judge -> its validity.json on the packaged pack, made once."""
    made = {}

    def of(kind, **options):
        key = (kind, *sorted(options.items()))
        if key not in made:
            room = Room(tmp_path_factory.mktemp(kind), "2026-01-31T12:00:00+00:00", draws=100)
            made[key] = validate(PACK, Candidate(f"simulated:{kind}", None, options), room)
        return made[key]

    return of


def bad(found):
    return {one["name"]: one["outcome"] for one in found["criteria"] if one["outcome"] != "PASS"}


def test_it_holds_eight_systems_of_three_families_with_110_wrong_answers_each_in_either_half():
    assert len(PACK.counted) >= 8 and len({one.family for one in PACK.counted}) >= 3
    for part in ("dev", "gate"):
        items = PACK.part(part)
        assert PACK.warnings(items) == []
        for system in PACK.counted:
            said = [(predicted(one), one.item.label) for one in PACK.outcomes(system.name, items)]
            assert sum(label is not None and label != truth for label, truth in said) >= 110


def test_null_baselines_are_in_it_and_do_not_count():
    nulls = {one.name: one.why_not for one in PACK.systems if one.kind == "null"}
    assert set(nulls.values()) == {"a null baseline"} and {"echo", "empty", "majority", "all-labels"} <= set(nulls)


def test_its_systems_have_learnt_something():
    """Each but the cascade, which hears no voice, names the emotion of held-out voices far above one in five."""
    direct = [item for item in PACK.items if item.type == "DE"]
    for system in (one for one in PACK.counted if one.kind == "end_to_end"):
        right = [predicted(one) == one.item.label for one in PACK.outcomes(system.name, direct)]
        assert sum(right) / len(right) > 0.3, system.name


def test_it_is_small_says_that_its_speech_is_synthetic_and_names_no_machine():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 3_000_000
    assert all(task.synthetic and "synthetic" in task.citation for task in PACK.tasks)
    held = [
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in FOLDER.iterdir()
    ]
    assert not any(place in data for data in held for place in (b'"/', b"\\\\Users", b"/home/", b"/tmp/"))


def test_its_clips_are_those_of_the_packaged_demo():
    clips = {clip.path: clip.sha256 for item in PACK.items for clip in item.clips}
    for path, sha256 in sorted(clips.items())[::10]:
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256


def test_the_oracle_passes_and_is_certified_for_direct_questions_only(judged):
    found = judged("oracle")
    assert found["verdict"] == "PASS" and bad(found) == {}
    assert found["covers"]["types"] == ["DE", "DG", "DS"] and found["covers"]["languages"] == ["en"]
    assert "synthetic speech: never comparable with the paper" in found["notes"]
    assert found["judge"]["card"] == "simulated, PASS: DE, DG, DS; en (on synthetic speech)"


def test_the_noisy_judge_fails_and_is_measured_within_its_intervals(judged):
    found = judged("noisy")
    assert found["verdict"] == "FAIL" and bad(found)["flips"] == "FAIL"
    for name, planted in (("sensitivity", 0.9), ("specificity", 0.8)):
        assert found["overall"][name]["low"] <= planted <= found["overall"][name]["high"]


def test_the_others_fail_where_they_must(judged):
    assert bad(judged("gullible")) == {"probe CLAIM": "FAIL", "probe INJECT": "FAIL"}
    assert bad(judged("hedger")) == {"probe HEDGE_ALL": "FAIL"}
    assert {"balanced_accuracy", "bias"} <= {
        name for name, outcome in bad(judged("constant")).items() if outcome == "FAIL"
    }


def test_a_judge_that_lets_every_fourth_wrong_answer_pass_fails_by_its_bias(judged):
    assert bad(judged("noisy", sensitivity="1.0", specificity="0.75"))["bias"] == "FAIL"
