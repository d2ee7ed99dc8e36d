"""The commands of a board's maintainer, one after the other, with their exit codes."""

import json

import pytest
from beside import TESTS, module_at

from cpbench.cli import main
from cpbench.judges import load_judge


@pytest.fixture(scope="module")
def boards():
    return module_at(TESTS / "leaderboard" / "boards.py")


def ended(words):
    """The exit code of the command line."""
    try:
        main(words)
    except SystemExit as left:
        return left.code or 0
    return 0


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """call("add", ...) -> (exit code, stdout, stderr) of cpbench leaderboard, in tmp_path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")

    def run(*words):
        code = ended(["leaderboard", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_board_from_its_beginning_to_its_page(call, boards, tmp_path):
    code, out, _ = call("init", "--board", "board", "--title", "Mine", "--tasks", "demo_emotion")
    assert (code, "1 new sets of 1" in out, "72 items of 24 recordings" in out) == (0, True, True)
    assert "0 new sets of 1" in call("init", "--board", "board", "--tasks", "demo_emotion")[1]
    code, _, err = call("init", "--board", "board", "--title", "Other")
    assert (code, "has a title already" in err) == (2, True)
    judge = boards.JUDGE.model_copy(
        update={"judge_id": load_judge("simulated:oracle").judge_id, "name": "simulated:oracle", "simulated": True}
    )
    dataset = boards.card(items=60, recordings=30)
    boards.add_datasets(boards.Board(tmp_path / "board", None, ()), [dataset])
    boards.write(tmp_path / "good", dataset, boards.Makes("Good", 0.9, judged=True, judge=judge))
    boards.write(tmp_path / "forged", dataset, boards.Makes("Forged", 0.5, judged=True, judge=judge, bias=100.0))

    code, out, _ = call("add", "good", "--board", "board", "--by", "me", "--anchors", "--judge", "simulated:oracle")
    name = out.split()[1]
    assert (code, name.startswith("good-feelings-"), "no drift shown" in out) == (0, True, True)
    assert "simulated_judge" in out
    code, _, err = call("add", "good", "--board", "board", "--by", "me")
    assert (code, "on this board already" in err) == (1, True)
    code, _, err = call("add", "good", "--board", "board", "--anchors")
    assert (code, "--anchors --judge SPEC" in err) == (2, True)
    forged = call("add", "forged", "--board", "board", "--by", "me")[1].split()[1]
    (tmp_path / "good" / "judgements.jsonl").write_text("")
    code, _, err = call("add", "good", "--board", "board", "--by", "me")
    assert (code, "judgements_hash" in err) == (3, True)
    code, _, err = call("add", "nowhere", "--board", "board")
    assert (code, "no such folder" in err) == (2, True)

    judged = ("--judge", "simulated:oracle", "--n", "50", "--by", "me")
    code, out, _ = call("rejudge", name, "--board", "board", *judged)
    assert (code, "it held" in out) == (0, True)
    code, out, _ = call("rejudge", forged, "--board", "board", *judged, "--json")
    assert (code, json.loads(out)["held"]) == (3, False)
    assert call("withdraw", forged, "--board", "board", "--by", "me")[0] == 2  # without a reason
    assert call("withdraw", forged, "--board", "board", "--by", "me", "--why", "forged")[0] == 0

    code, out, _ = call("build", "--board", "board", "--out", "site", "--jobs", "1")
    assert (code, out.strip().endswith("index.html")) == (0, True)
    levels = {
        row["entry"]: row["level"]
        for row in json.loads(call("build", "--board", "board", "--out", "site", "--jobs", "1", "--json")[1])["tables"][
            0
        ]["rows"]
    }
    assert levels == {name: "L2", forged: "L1"}
    (tmp_path / "board" / "entries" / name / "predictions.jsonl").write_text("torn")
    code, _, err = call("build", "--board", "board", "--out", "site", "--jobs", "1")
    assert (code, f"! {name}: predictions_hash" in err) == (1, True)


def test_a_run_of_ones_own_makes_l3(call, tmp_path):
    """The packaged null baseline, submitted, and run again by the maintainer; then another one, which does not hold."""
    for name, model in (("first", "all-labels"), ("again", "all-labels"), ("other", "majority")):
        assert ended(["run", "--model", model, "--tasks", "demo_emotion", "--out", str(tmp_path / name)]) == 0
    call("schema")  # what the runs printed is read away
    assert call("submit", "first", "--out", "sub")[0] == 0
    assert call("init", "--board", "board", "--run", "first")[0] == 0
    entry = call("add", "sub/demo_emotion", "--board", "board", "--by", "me")[1].split()[1]
    code, out, _ = call("repeat", entry, "again", "--board", "board", "--by", "me")
    assert (code, "72 of 72 answers are the same" in out, "it held" in out) == (0, True, True)
    made = json.loads(call("build", "--board", "board", "--out", "site", "--json")[1])
    assert made["tables"][0]["rows"][0]["level"] == "L3"
    code, out, _ = call("repeat", entry, "other", "--board", "board", "--by", "me", "--json")
    found = json.loads(out)
    assert (found["same"], found["held"], code) == (0, False, 3)
