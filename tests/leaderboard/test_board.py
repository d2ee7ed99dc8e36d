"""A board's folder: what enters it, what it keeps, what is refused, and what its history says."""

import json
import shutil

import pytest

from cpbench.errors import UsageError, UserError
from cpbench.leaderboard.board import Rejected, add, claim, init_board, open_board, withdraw
from cpbench.leaderboard.history import Author, event, now, read_history, write_event
from cpbench.leaderboard.levels import standing

BY = Author("tests", None, "2026-02-01T00:00:00Z")


@pytest.fixture
def dataset(boards):
    return boards.card()


@pytest.fixture
def board(boards, dataset, tmp_path):
    return boards.board(tmp_path / "board", dataset)


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_submission_enters_byte_for_byte(boards, board, dataset, tmp_path):
    place = boards.write(tmp_path / "mine", dataset, boards.Makes("My Model", judged=True))
    added = add(board, place, BY)
    assert added.entry.id.startswith("my-model-feelings-")
    assert {path.name: path.read_bytes() for path in added.entry.folder.iterdir()} == {
        path.name: path.read_bytes() for path in place.iterdir()
    }
    (line,) = read_history(board.folder)
    assert (line.what, line.when, line.by, line.entry) == ("added", BY.when, "tests", added.entry.id)
    assert added.entry.standing.level == 1
    assert added.entry.submission.system.name == "My Model"


def test_the_very_same_submission_does_not_enter_twice(boards, board, dataset, tmp_path):
    place = boards.write(tmp_path / "mine", dataset, boards.Makes())
    now_ = add(board, place, BY).board
    before = everything(board.folder)
    with pytest.raises(UserError, match="on this board already"):
        add(now_, place, Author("tests", None, "2026-03-01T00:00:00Z"))
    assert everything(board.folder) == before


def test_two_submissions_of_one_name_both_stand(boards, board, dataset):
    filled = boards.fill(board, dataset, boards.Makes("same", 0.9), boards.Makes("same", 0.5, seed=1))
    assert len({entry.id for entry in filled.entries}) == 2
    assert {entry.submission.system.name for entry in filled.entries} == {"same"}
    flags = filled.entries[1].events[0].facts["flags"]
    assert [one["code"] for one in flags] == ["same_name"]


def test_what_is_refused_changes_nothing_and_names_its_code(boards, board, dataset, tmp_path):
    place = boards.write(tmp_path / "mine", dataset, boards.Makes())
    lines = (place / "predictions.jsonl").read_bytes()
    (place / "predictions.jsonl").write_bytes(lines.replace(b"speaker", b"Speaker", 1))
    before = everything(board.folder)
    with pytest.raises(Rejected) as refused:
        add(board, place, BY)
    assert [one.code for one in refused.value.findings] == ["predictions_hash"]
    assert "predictions_hash" in str(refused.value) and refused.value.exit_code == 3
    assert everything(board.folder) == before


def test_a_claim_is_listed_without_numbers(boards, board, dataset, tmp_path):
    place = boards.write(tmp_path / "mine", dataset, boards.Makes("Secret"))
    (place / "predictions.jsonl").unlink()
    (place / "judgements.jsonl").unlink()
    with pytest.raises(Rejected, match="file_missing"):
        add(board, place, BY)
    claimed = claim(board, place, BY)
    assert (claimed.entry.standing.level, claimed.entry.is_claim) == (0, True)
    (place / "submission.json").write_bytes(b"{}\n")
    with pytest.raises(Rejected, match="schema"):
        claim(claimed.board, place, BY)


@pytest.mark.parametrize(
    "torn", [b"{", b"[]", b'{"dataset": null}', b"\xff", None], ids=["torn", "a list", "empty", "no text", "gone"]
)
def test_a_broken_entry_keeps_nobody_out(boards, board, dataset, torn):
    filled = boards.fill(board, dataset, boards.Makes("first"))
    folder = filled.entries[0].folder
    if torn is None:
        (folder / "predictions.jsonl").unlink()
    else:
        (folder / "submission.json").write_bytes(torn)
    assert len(boards.fill(filled, dataset, boards.Makes("second", 0.5)).entries) == 2


def test_withdrawn_entries_stay(boards, board, dataset):
    filled = boards.fill(board, dataset, boards.Makes())
    name = filled.entries[0].id
    with pytest.raises(UsageError, match="says why"):
        withdraw(filled, name, BY)
    after = withdraw(filled, name, Author("tests", "a mistake", "2026-02-01T00:00:00Z"))
    assert after.entry(name).standing.withdrawn.why == "a mistake"
    assert (after.entry(name).folder / "predictions.jsonl").is_file()
    with pytest.raises(UserError, match="withdrawn already"):
        withdraw(after, name, Author("tests", "again"))
    with pytest.raises(UsageError, match="did you mean"):
        after.entry(name[:-1])


def test_levels_follow_from_the_history_alone():
    def did(what, **facts):
        return event(what, Author("x", None, f"2026-01-0{len(facts) + 1}T00:00:00Z"), entry="e", facts=facts)

    assert standing([]).level == 0
    assert standing([did("added", claimed=True)]).level == 0
    assert standing([did("added")]).level == 1
    held, not_held = did("rejudged", held=True), did("rejudged", held=False)
    assert standing([did("added"), held]).level == 2
    assert standing([did("added"), held, did("repeated", held=True)]).level == 3
    fallen = standing([did("added"), held, not_held])
    assert (fallen.level, [one.what for one in fallen.failed]) == (1, ["rejudged"])
    assert standing([did("added"), not_held, held]).level == 2


def test_a_changed_line_of_history_is_found(boards, board, dataset):
    boards.fill(board, dataset, boards.Makes())
    path = board.folder / "history.jsonl"
    path.write_text(path.read_text().replace('"by":"tests"', '"by":"somebody"'))
    with pytest.raises(UserError, match="is not as it was written"):
        open_board(board.folder)


def test_branches_of_a_repository_merge_by_taking_the_lines_of_both(boards, board, dataset):
    """Events are read by their times, in whatever order git left the lines, and a line that came twice is one."""
    boards.fill(board, dataset, boards.Makes("a"), boards.Makes("b", 0.5))
    path = board.folder / "history.jsonl"
    first, second = path.read_text().splitlines(keepends=True)
    path.write_text(second + first + second)
    assert [entry.submission.system.name for entry in open_board(board.folder).entries] == ["a", "b"]


def test_the_time_may_be_given_to_builds_that_shall_repeat(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    assert now() == "2026-01-01T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(UsageError, match="whole seconds"):
        now()
    with pytest.raises(UsageError, match="in UTC"):
        event("added", Author("x", None, "yesterday"))
    with pytest.raises(UsageError, match="why"):
        event("added", Author("x", "two\nlines", "2026-01-01T00:00:00Z"))


def test_the_same_event_is_written_once(board):
    one = event("drift", BY, facts={"n": 1})
    write_event(board.folder, one)
    with pytest.raises(UserError, match="stands in the history already"):
        write_event(board.folder, one)


def test_what_is_no_board_is_said(tmp_path, board):
    with pytest.raises(UserError, match="no board"):
        open_board(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("do not touch")
    with pytest.raises(UserError, match="not empty"):
        init_board(tmp_path / "full", title="x")
    (board.folder / "board.yaml").write_text("cpbench_board: 1\ntitle: x\ntitel: y\n")
    with pytest.raises(UsageError, match=r"line 3.*titel"):
        open_board(board.folder)
    (board.folder / "board.yaml").write_text("cpbench_board: 1\ntitle: x\nmetrics: {feelings: judge_score}\n")
    with pytest.raises(UsageError, match=r"line 3.*label metric"):
        open_board(board.folder)


def test_a_new_board_is_ready_for_git(tmp_path):
    """history.jsonl merges by taking both sides, no line ends of entries are changed, empty folders are kept."""
    made = init_board(tmp_path / "new", title='A "board"', about="Über alles: two\nlines")
    assert (made.rules.title, made.rules.about) == ('A "board"', "Über alles: two\nlines")
    attributes = (tmp_path / "new" / ".gitattributes").read_text().splitlines()
    assert attributes == ["history.jsonl merge=union", "entries/** -text", "judges/** -text"]
    git = shutil.which("git")
    assert git is None or (tmp_path / "new" / "datasets" / ".gitkeep").is_file()


def test_zips_enter_too(boards, board, dataset, tmp_path):
    place = boards.write(tmp_path / "mine", dataset, boards.Makes("zipped"))
    archive = shutil.make_archive(str(tmp_path / "mine"), "zip", place)
    from pathlib import Path

    entry = add(board, Path(archive), BY).entry
    assert json.loads((entry.folder / "submission.json").read_bytes())["system"]["name"] == "zipped"
