"""The packaged example board: whole, built again to the same numbers, and honest about what it is."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from cpbench.leaderboard.board import open_board
from cpbench.leaderboard.build import build, sentences
from cpbench.leaderboard.check import examine
from cpbench.leaderboard.example.make import JUDGE, Commands, System, systems

EXAMPLE = Path(str(files("cpbench.leaderboard") / "example"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(open_board(EXAMPLE / "board"), tmp_path_factory.mktemp("site"), jobs=1)


def test_it_is_built_again_to_the_same_numbers(built):
    assert built.exit_code == 0
    assert built.made == json.loads((EXAMPLE / "site" / "board.json").read_text(encoding="utf-8"))


def test_it_has_what_every_board_has(built):
    tables = {(table["dataset"], table["judge"] is not None): table for table in built.made["tables"]}
    assert set(tables) == {("demo_cpqa", False), ("demo_emotion", False), ("demo_emotion", True)}
    for table in tables.values():
        kinds = [row["kind"] for row in table["rows"]]
        assert (kinds.count("null"), kinds.count("cascade")) == (4, 1)
        assert table["systems"] == len([row for row in table["rows"] if row["role"] == "system"]) >= 1
        demo = next(row for row in table["rows"] if row["name"] == "cpbench demo")
        assert [gain["condition"] for gain in demo["gains"]] == ["silence"]


def test_the_terminal_names_the_first_ten_and_how_many_more_there_are(built):
    said = list(sentences(built))
    assert said[0] == "demo_cpqa by accuracy, labels: 12 entries"
    assert said[11] == "  and 2 more: index.html has all"
    assert [line.split()[1] for line in said if " cpbench-demo-" in line] == ["0.591", "0.861", "86.1"]


def test_a_simulated_judge_is_called_so_everywhere(built):
    table = next(table for table in built.made["tables"] if table["judge"])
    assert table["judge"]["name"] == JUDGE
    assert table["judge"]["validity"].startswith("simulated")
    assert "no LLM has judged anything here" in built.paths[0].read_text(encoding="utf-8")


def test_its_entries_are_what_check_accepts_and_name_no_place():
    for folder in sorted((EXAMPLE / "board" / "entries").iterdir()):
        if folder.is_dir():
            checked = examine(folder, EXAMPLE / "board")
            assert checked.accepted and checked.scores
            said = (folder / "submission.json").read_text(encoding="utf-8")
            assert str(Path.home()) not in said and "/tmp/" not in said


def test_the_script_shows_and_runs_the_documented_commands(tmp_path, capfd):
    do = Commands(tmp_path)
    do("leaderboard", "init", "--board", "board", "--title", "x")
    assert capfd.readouterr().out.startswith("$ cpbench leaderboard init --board board --title x")
    with pytest.raises(subprocess.CalledProcessError):
        do("leaderboard", "build", "--board", "nowhere", "--out", "site")
    made = systems(tmp_path)
    assert [each.name for each in made[:4]] == ["echo", "empty", "majority", "all-labels"]
    assert all(isinstance(each, System) for each in made) and (tmp_path / "ear.py").is_file()


def test_the_script_refuses_what_is_no_run(tmp_path):
    words = [sys.executable, "-m", "cpbench.leaderboard.example.make", "--out", str(tmp_path), "x=nowhere"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "NAME=RUN" in done.stderr
