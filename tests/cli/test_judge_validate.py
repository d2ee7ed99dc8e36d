"""`cpbench judge validate` and `judge pack` as they are typed."""

from __future__ import annotations

import json

import pytest
from beside import TESTS, module_at

from cpbench.judges.validity.packs import write_pack

GROUND = TESTS / "judges" / "validity" / "ground.py"


@pytest.fixture
def pack(tmp_path):
    ground = module_at(GROUND)
    return write_pack(ground.make(items=100, recordings=24, repeated=100), tmp_path / "pack")


def test_exit_codes_page_and_card(cpbench, pack, tmp_path):
    failed = cpbench("judge", "validate", "--judge", "simulated:constant", "--pack", pack, "--out", "out")
    assert failed.returncode == 3, failed.stderr
    assert "simulated:constant (simulated, no LLM): FAIL" in failed.stdout and "nan" not in failed.stdout.lower()
    assert (tmp_path / "out" / "validity.html").read_text().startswith("<!doctype html>")
    passed = cpbench("judge", "validate", "--judge", "simulated:oracle", "--pack", pack, "--out", "out", "--json")
    assert passed.returncode == 0, passed.stderr
    report = json.loads(passed.stdout)
    assert report["looks"] == 2 and report["judge"]["card"] == "simulated, PASS: DE; en"
    assert (tmp_path / "cards" / f"{report['judge']['judge_id']}.json").is_file()


def test_overlap_is_not_a_judge(cpbench, pack):
    done = cpbench("judge", "validate", "--judge", "overlap", "--pack", pack)
    assert done.returncode == 4 and done.stdout.startswith("NOT A JUDGE")


def test_the_card_stands_beside_the_judges_scores(cpbench, pack, items_file):
    assert cpbench("judge", "validate", "--judge", "simulated:oracle", "--pack", pack, "--out", "o").returncode == 0
    run = cpbench("run", "--model", "majority", "--tasks", items_file(), "--judge", "simulated:oracle", "--out", "r")
    assert run.returncode == 0, run.stderr
    assert "simulated, PASS: DE; en" in run.stdout
    packed = cpbench("judge", "pack", "r", "--out", "packed")
    assert packed.returncode == 0 and "r does not: a null baseline" in packed.stdout


def test_with_two_grounds_or_an_unknown_pack_it_says_so(cpbench, pack):
    assert cpbench("judge", "validate", "r", "--judge", "simulated:oracle", "--pack", pack).returncode == 2
    missing = cpbench("judge", "validate", "--judge", "simulated:oracle", "--pack", "nowhere")
    assert missing.returncode == 1 and "not a pack" in missing.stderr


def test_without_a_ground_it_is_the_packaged_pack(cpbench):
    done = cpbench("judge", "validate", "--judge", "simulated:oracle", "--out", "o", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"], report["pack"]["warnings"]) == (0, "PASS", [])
    assert report["pack"]["systems"] >= 8 and report["pack"]["families"] >= 3


def test_human_ratings_are_read_and_unknown_answers_refused(cpbench, pack, tmp_path):
    ids = [json.loads(line)["id"] for line in (pack / "items.jsonl").read_text().splitlines()]
    rows = [f"{each},s{at % 9},{who},{at % 6}" for at, each in enumerate(ids) for who in ("ada", "ben")]
    (tmp_path / "ratings.csv").write_text("item_id,system,annotator,score\n" + "\n".join(rows) + "\n")
    words = (
        "judge",
        "validate",
        "--judge",
        "simulated:oracle",
        "--pack",
        pack,
        "--out",
        "h",
        "--humans",
        "ratings.csv",
    )
    done = cpbench(*words)
    assert done.returncode == 0, done.stderr
    assert "humans among each other: quadratic kappa 1.000" in done.stdout and "no PPI++" in done.stdout
    (tmp_path / "ratings.csv").write_text("item_id,system,annotator,score\nnowhere,s0,ada,3\n")
    refused = cpbench(*words)
    assert refused.returncode == 1 and "nowhere" in refused.stderr and "Traceback" not in refused.stderr
