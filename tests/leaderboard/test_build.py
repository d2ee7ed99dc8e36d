"""A board built: what is ranked with what, what is named instead, and the same bytes for the same board."""

import csv
import io
import json
import shutil

import pytest

from cpbench.judges import Card, write_card
from cpbench.leaderboard import layout
from cpbench.leaderboard.board import claim, open_board, withdraw
from cpbench.leaderboard.build import build, sentences
from cpbench.leaderboard.history import Author
from cpbench.leaderboard.scan import scan
from cpbench.records import Rights

LATER = Author("tests", "it was trained on this set", "2026-03-01T00:00:00Z")


@pytest.fixture(scope="module")
def dataset(boards):
    return boards.card()


@pytest.fixture(scope="module")
def filled(boards, dataset, tmp_path_factory):
    """Systems of three qualities, a judge on two of them, baselines, a cascade, a copy, one withdrawn, one claimed."""
    place = tmp_path_factory.mktemp("board")
    good = boards.Makes("good", 0.95, others={"silence": 0.3, "transcript": 0.5}, judged=True)
    empty = {item.id: "" for item in dataset.items}
    neutral = {item.id: "neutral" for item in dataset.items}
    made = boards.fill(
        boards.board(place / "board", dataset, boards.card("free", labels=False)),
        dataset,
        good,
        boards.Makes("fair", 0.7, judged=True, usage=boards.Usage(money=1.5, currency="USD")),
        boards.Makes("poor", 0.1),
        boards.Makes("empty", kind="null", answers=empty),
        boards.Makes("majority", kind="null", answers=neutral),
        boards.Makes("ears and words", 0.4, kind="cascade"),
        boards.Makes("echo of good", answers={line.item_id: line.answer for line in good.lines(dataset)[:40]}),
        boards.Makes("too good", 1.0),
    )
    made = withdraw(made, next(one.id for one in made.entries if one.id.startswith("too-good")), LATER)
    return claim(made, boards.write(place / "claimed", dataset, boards.Makes("secret")), LATER).board


@pytest.fixture(scope="module")
def built(filled, tmp_path_factory):
    return build(filled, tmp_path_factory.mktemp("site"), jobs=1)


def rows(built, at):
    return {row["name"]: row for row in built.made["tables"][at]["rows"]}


def test_one_table_for_the_labels_and_one_for_each_judge(built):
    found = [(table["dataset"], table["metric"], (table["judge"] or {}).get("name")) for table in built.made["tables"]]
    assert found == [("feelings", "accuracy", None), ("feelings", "judge_score", "a judge")]
    assert set(rows(built, 1)) == {"good", "fair"}
    assert built.made["tables"][1]["judge"]["validity"] == "not validated"
    assert (built.exit_code, built.broken) == (0, ())


def test_a_judge_of_another_kind_has_a_table_of_its_own(boards, dataset, tmp_path):
    other = boards.JudgeFacts(judge_id="another", name="a judge", correct_score=60.0)
    made = boards.fill(
        boards.board(tmp_path / "board", dataset),
        dataset,
        boards.Makes("a", judged=True),
        boards.Makes("b", judged=True, judge=other),
    )
    tables = build(made, tmp_path / "site", jobs=1).tables
    assert [(table.judge and table.judge.judge_id, len(table.rows)) for table in tables] == [
        (None, 2),
        ("another", 1),
        ("judge-of-tests", 1),
    ]


def test_only_systems_have_ranks(built):
    found = rows(built, 0)
    assert {name: row["role"] for name, row in found.items()} == {
        "good": "system",
        "echo of good": "copy",
        "fair": "system",
        "ears and words": "cascade",
        "majority": "baseline",
        "poor": "system",
        "empty": "baseline",
        "too good": "withdrawn",
    }
    assert {name for name, row in found.items() if row["rank"]} == {"good", "fair", "poor"}
    assert (built.made["tables"][0]["systems"], built.made["tables"][0]["pairs"]) == (3, 3)
    assert found["poor"]["rank"] == {"best": 3, "worst": 3}
    assert found["good"]["rank"] == {"best": 1, "worst": 1}
    assert list(found)[-1] == "too good"
    assert found["echo of good"]["copy_of"] == found["good"]["entry"]


def test_a_cascade_is_ranked_where_the_board_says_so(filled, tmp_path):
    folder = shutil.copytree(filled.folder, tmp_path / "board")
    (folder / "board.yaml").write_text("cpbench_board: 1\ntitle: x\ncascades: ranked\nmetrics: {feelings: macro_f1}\n")
    made = build(open_board(folder), tmp_path / "site", jobs=1)
    assert made.made["tables"][0]["systems"] == 4
    assert made.made["tables"][0]["metric"] == "macro_f1"


def test_who_is_not_better_than_doing_nothing_is_told(built):
    found = rows(built, 0)
    best = next(name for name, row in found.items() if row["entry"] == built.made["tables"][0]["best_baseline"])
    assert best == "majority"
    assert (found["good"]["above_baseline"], found["poor"]["above_baseline"]) == (True, False)
    assert found["majority"]["entry"] in found["good"]["worse"]
    assert found["ears and words"]["above_baseline"] is None


def test_numbers_are_those_of_the_answers(built, boards, dataset):
    """Right answers counted by hand, and the gain as the difference of two such shares."""
    lines = boards.Makes("good", 0.95, others={"silence": 0.3, "transcript": 0.5}).lines(dataset)
    share = {
        name: sum(boards.FEELINGS[int(line.item_id[1:]) % 4] in line.answer for line in lines if line.condition == name)
        / 40
        for name in ("audio", "silence", "transcript")
    }
    row = rows(built, 0)["good"]
    assert row["score"]["value"] == pytest.approx(share["audio"])
    assert [gain["condition"] for gain in row["gains"]] == ["silence", "transcript"]
    assert row["gains"][0]["value"] == pytest.approx(share["audio"] - share["silence"])
    assert rows(built, 1)["good"]["score"]["value"] == pytest.approx(100 * share["audio"])
    assert set(row["types"]) == {"DE", "CE"}
    assert row["usage"] == {} and rows(built, 0)["fair"]["usage"] == {"money": 1.5, "currency": "USD"}


def test_what_the_submission_claims_of_itself_is_never_shown(filled, boards, tmp_path):
    """Scores that were changed in an entry's folder after it was added change nothing on the page."""
    folder = shutil.copytree(filled.folder, tmp_path / "board")
    before = build(open_board(folder), tmp_path / "before", jobs=1)
    path = next((folder / "entries").glob("poor-*")) / "submission.json"
    said = json.loads(path.read_bytes())
    for score in said["scores"]:
        score["value"] = 1.0
    path.write_bytes(boards.canonical(said) + b"\n")
    after = build(open_board(folder), tmp_path / "after", jobs=1)
    assert after.made["tables"] == before.made["tables"]


def test_the_same_board_gives_the_same_bytes_in_one_process_and_in_two(filled, built, tmp_path, monkeypatch):
    from cpbench.leaderboard import measure

    monkeypatch.setattr(measure, "FEW", 2)
    folder = shutil.copytree(filled.folder, tmp_path / "elsewhere")
    again = build(open_board(folder), tmp_path / "site", jobs=2)
    first = {path.relative_to(built.paths[0].parent): path.read_bytes() for path in built.paths}
    second = {path.relative_to(again.paths[0].parent): path.read_bytes() for path in again.paths}
    assert first == second
    assert len([name for name in first if name.parts[0] == "every_eval_ever"]) == 7  # but for the withdrawn one


def test_a_broken_entry_is_named_and_the_rest_is_built(filled, tmp_path):
    folder = shutil.copytree(filled.folder, tmp_path / "board")
    names = {path.name.rpartition("-")[0]: path for path in (folder / "entries").iterdir() if path.is_dir()}
    (names["poor-feelings"] / "predictions.jsonl").write_bytes(b"torn")
    shutil.rmtree(names["fair-feelings"])
    shutil.copytree(names["good-feelings"], folder / "entries" / "smuggled-in")
    made = build(open_board(folder), tmp_path / "site", jobs=1)
    assert made.exit_code == 1
    why = {one.entry.rpartition("-")[0]: one.why for one in made.broken}
    assert why["poor-feelings"].startswith("predictions_hash")
    assert "folder is not there" in why["fair-feelings"]
    assert "does not know it" in why["smuggled"]
    assert {row.measured.submission.system.name for row in made.tables[0].rows} >= {"good", "majority", "too good"}
    page = (tmp_path / "site" / "index.html").read_text()
    assert all(one.entry in page for one in made.broken)
    assert sum(line.startswith("!") for line in sentences(made)) == 3


def test_a_broken_card_of_a_judge_is_named_and_the_rest_is_built(filled, boards, tmp_path):
    """Torn, of another judge, no UTF-8: each by its name within the board, and its judge is not validated."""
    folder = shutil.copytree(filled.folder, tmp_path / "board")
    cards = folder / "judges"
    (cards / f"{boards.JUDGE.judge_id}.json").write_bytes(b'{"judge_id": ')
    write_card(Card("another", "PASS", ("DE",), ("en",)), cards).rename(cards / "third.json")
    (cards / "fourth.json").write_bytes(b"\xff\xfe")
    made = build(open_board(folder), tmp_path / "site", jobs=1)
    assert made.exit_code == 1 and made.tables[1].card == "not validated" and len(made.tables[1].rows) == 2
    assert [one["judge_id"] for one in made.made["broken_cards"]] == ["fourth", boards.JUDGE.judge_id, "third"]
    said = [line for line in sentences(made) if line.startswith("!")]
    assert len(said) == 3 and all(f"judges/{name}.json is " in "".join(said) for name in ("fourth", "third"))
    page = (tmp_path / "site" / "index.html").read_text()
    assert "3 validity cards could not be read" in page and "judges/third.json is the card of another judge" in page
    assert str(tmp_path) not in page + "".join(said)


def test_a_whole_card_stands_in_the_heading(filled, boards, tmp_path):
    folder = shutil.copytree(filled.folder, tmp_path / "board")
    write_card(Card(boards.JUDGE.judge_id, "PASS", ("DE",), ("en",)), folder / "judges")
    made = build(open_board(folder), tmp_path / "site", jobs=1)
    assert (made.exit_code, made.tables[1].card, made.made["broken_cards"]) == (0, "PASS: DE; en", [])


def test_a_broken_card_of_a_set_breaks_its_entries_only(filled, boards, tmp_path):
    folder = shutil.copytree(filled.folder, tmp_path / "board")
    free = boards.card("free", labels=False)
    boards.fill(open_board(folder), free, boards.Makes("also", judged=True))
    name = free.fingerprint.replace(":", "-")
    other = next(path for path in (folder / "datasets").glob("*.json") if path.stem != name)
    other.write_text("{}")
    found = build(open_board(folder), tmp_path / "site", jobs=1)
    assert [table.dataset.task.name for table in found.tables] == ["free"]
    assert len(found.broken) == 8


def test_the_csv_has_a_row_an_entry_and_no_formula(boards, dataset, tmp_path):
    made = boards.fill(boards.board(tmp_path / "board", dataset), dataset, boards.Makes("=HYPERLINK(1)"))
    build(made, tmp_path / "site", jobs=1)
    (row,) = csv.DictReader(io.StringIO((tmp_path / "site" / "board.csv").read_text()))
    assert row["name"] == "'=HYPERLINK(1)"
    assert (row["rank_best"], row["rank_worst"], row["level"]) == ("1", "1", "L1")


def test_an_empty_board_builds(boards, tmp_path):
    made = build(boards.board(tmp_path / "board"), tmp_path / "site")
    assert (made.exit_code, made.made["tables"]) == (0, [])
    assert "No entry yet." in (tmp_path / "site" / "index.html").read_text()
    assert (tmp_path / "site" / "board.csv").read_text() == "table,entry\n"


def test_an_older_build_leaves_no_logs_behind(boards, dataset, filled, tmp_path):
    (tmp_path / "site" / "every_eval_ever" / "data").mkdir(parents=True)
    (tmp_path / "site" / "every_eval_ever" / "data" / "old.json").write_text("{}")
    build(filled, tmp_path / "site", jobs=1)
    assert not (tmp_path / "site" / "every_eval_ever" / "data" / "old.json").exists()


def test_no_text_of_a_closed_set_is_in_any_output(boards, tmp_path):
    """The scan finds all three kinds in the items as they are, and none on the board or its site."""
    import dataclasses

    from cpbench.leaderboard.datasets import describe

    open_card = boards.card("closed", labels=False)
    task = dataclasses.replace(open_card.task, rights=Rights("all rights reserved"), fingerprint=None)
    items = [
        dataclasses.replace(
            item, clips=tuple(dataclasses.replace(clip, transcript=f"what {item.id} said") for clip in item.clips)
        )
        for item in open_card.items
    ]
    closed = describe(task, items)
    made = boards.fill(boards.board(tmp_path / "board", closed), closed, boards.Makes("a", judged=True))
    build(made, tmp_path / "site", jobs=1)
    assert scan([tmp_path / "board", tmp_path / "site"], [(task, items)]) == []
    (tmp_path / "site" / "leak.txt").write_text(items[0].question + items[1].references[0] + "WHAT i00002   said")
    found = scan([tmp_path / "site"], [(task, items)])
    assert sorted(leak.what for leak in found) == ["question", "reference", "transcript"]


def test_no_name_of_theirs_leads_out_of_the_site(boards, dataset, tmp_path):
    """Names, organisations and a judge_id that are paths: what is written stays below the site, what is read below the
    board."""
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    judge = boards.JUDGE.model_copy(update={"judge_id": "../../outside"})
    made = boards.fill(
        boards.board(tmp_path / "board", dataset),
        dataset,
        boards.Makes("../../../evil", judged=True, judge=judge, system={"organisation": "../.."}),
        boards.Makes("/etc/passwd", 0.5, system={"organisation": "C:\\nul"}),
    )
    found = build(made, tmp_path / "site", jobs=1)
    site = (tmp_path / "site").resolve()
    assert all(path.resolve().is_relative_to(site) for path in found.paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board", "incoming", "outside.json", "site"]
    assert found.made["tables"][1]["judge"]["validity"] == "not validated"


def test_a_validated_judge_shows_its_card(boards, dataset, tmp_path):
    from cpbench.judges import Card, write_card

    made = boards.fill(boards.board(tmp_path / "board", dataset), dataset, boards.Makes("a", judged=True))
    write_card(Card("judge-of-tests", "PASS", ("DE",), ("en",)), made.folder / "judges")
    table = build(made, tmp_path / "site", jobs=1).made["tables"][1]
    assert (table["judge"]["validity"], table["judge"]["validated"]) == ("PASS: DE; en", True)
    assert "judge: PASS: DE; en" in (tmp_path / "site" / "index.html").read_text()


def test_who_signed_an_entry_is_shown(boards, dataset, tmp_path):
    from cpbench.leaderboard.history import event, write_event

    made = boards.fill(boards.board(tmp_path / "board", dataset), dataset, boards.Makes("a"))
    (line,) = made.history
    (made.folder / "history.jsonl").write_text("")
    by = Author(line.by, None, line.when)
    write_event(made.folder, event("added", by, entry=line.entry, facts={"flags": [], "signer": "somebody@lab.org"}))
    found = build(open_board(made.folder), tmp_path / "site", jobs=1)
    assert found.made["tables"][0]["rows"][0]["signer"] == "somebody@lab.org"
    assert "<dt>signed by</dt><dd>somebody@lab.org</dd>" in (tmp_path / "site" / "index.html").read_text()


def test_every_row_has_the_same_keys(built):
    keys = {frozenset(row) for table in built.made["tables"] for row in table["rows"]}
    assert len(keys) == 1
    assert built.made["schema"] == layout.SCHEMA
