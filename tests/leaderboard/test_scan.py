"""Texts and clips that rights forbid are found, however they are written; what is anybody's is not."""

import dataclasses
import hashlib
import html
import json

import pyarrow
import pytest
from pyarrow import parquet

from cpbench.errors import UserError
from cpbench.leaderboard.scan import scan
from cpbench.records import Clip, Item, Rights, Task

WORDS = 'She said "nothing" & left <early>, à propos.'
ITEM = Item(
    "i1",
    "closed",
    (Clip("", "0" * 64, 1.0, "r1", transcript=WORDS),),
    "What does the speaker feel about it?",
    ("He feels abandoned by her.",),
    label="sad",
    options=("sad", "quite happy with everything"),
)
CLOSED = Task("closed", "1", "", ("accuracy",), Rights())


@pytest.fixture
def out(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path

    return write


@pytest.mark.parametrize(
    "written",
    [
        WORDS,
        html.escape(WORDS),
        json.dumps({"text": WORDS}),
        json.dumps(WORDS, ensure_ascii=False),
        html.escape(json.dumps({"text": WORDS})),
        WORDS.upper().replace(" ", "\n  "),
    ],
)
def test_a_text_is_found_however_it_is_written(out, written):
    (leak,) = scan([out("page.html", f"<p>before {written} after</p>")], [(CLOSED, [ITEM])])
    assert (leak.task, leak.item_id, leak.what) == ("closed", "i1", "transcript")
    assert str(leak).endswith("page.html: the transcript of i1 (closed)")


def test_questions_and_references_are_found_and_labels_are_not(out):
    place = out("a.json", f"{ITEM.question} sad quite happy with everything")
    out("b.csv", "x,He feels  abandoned by her.")
    assert [leak.what for leak in scan([place], [(CLOSED, [ITEM])])] == ["question", "reference"]


def test_an_open_set_may_be_shown(out):
    opened = dataclasses.replace(CLOSED, rights=Rights(text_in_report=True, audio_in_report=True))
    assert scan([out("a.html", WORDS)], [(opened, [ITEM])]) == []


def test_a_clip_is_found_by_its_bytes_and_sound_within_a_page(out):
    data = b"RIFF....WAVE"
    clip = dataclasses.replace(ITEM.clips[0], sha256=hashlib.sha256(data).hexdigest(), transcript=None)
    place = out("x.wav", data)
    out("page.html", '<audio src="data:audio/wav;base64,AAAA">')
    found = scan([place], [(CLOSED, [dataclasses.replace(ITEM, clips=(clip,))])])
    assert [leak.what for leak in found] == ["audio", "clip"]


@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
def test_a_parquet_file_is_looked_into(out, tmp_path, compression):
    """Texts at any depth, dictionary-coded ones, column names and notes, JSON in a value, and a clip as bytes."""
    data = b"RIFF....WAVE"
    clip = dataclasses.replace(ITEM.clips[0], sha256=hashlib.sha256(data).hexdigest())
    loaded = [(CLOSED, [dataclasses.replace(ITEM, clips=(clip,))])]
    label = pyarrow.array(["sad", "quite happy with everything"] * 20).dictionary_encode()

    def found(**columns):
        table = pyarrow.table({"label": label, **{name: [value] * 40 for name, value in columns.items()}})
        place = tmp_path / "t.parquet"
        parquet.write_table(table, place, compression=compression)
        return [leak.what for leak in scan([place], loaded)]

    assert found() == []
    assert found(said=ITEM.question) == ["question"]
    assert found(said=[{"deep": [{"er": WORDS}]}]) == ["transcript"]
    assert found(said=json.dumps({"text": WORDS})) == ["transcript"]
    assert found(**{ITEM.references[0]: 1}) == ["reference"]
    assert found(sound=data) == ["clip"] * 40
    assert found(page='<audio src="data:audio/wav;base64,AAAA">') == ["audio"]
    noted = pyarrow.table({"n": [1]}).replace_schema_metadata({"about": ITEM.question})
    parquet.write_table(noted, tmp_path / "t.parquet", compression=compression)
    assert [leak.what for leak in scan([tmp_path], loaded)] == ["question"]


def test_a_parquet_file_that_cannot_be_read_is_no_clean_one(out):
    with pytest.raises(UserError, match="cannot be looked into"):
        scan([out("torn.parquet", b"PAR1 and nothing more")], [(CLOSED, [ITEM])])


def test_nothing_of_a_closed_set_is_in_any_public_output_of_a_run(ground_of, tmp_path):
    """From a judged run on: its report, every export, the submission, the board, its site. The run has it all."""
    from cpbench.evaluate import score
    from cpbench.exports import default_name, export, formats
    from cpbench.leaderboard.board import add, init_board
    from cpbench.leaderboard.build import build
    from cpbench.leaderboard.history import Author
    from cpbench.report import write_report

    ground = ground_of(rights=Rights("all rights reserved", third_party_api=True))
    run = score(ground.run)
    out = tmp_path / "public"
    out.mkdir()
    for name in formats():
        results = dataclasses.replace(run.results, time="2026-01-01T00:00:00+00:00")
        export(name, results, out / default_name(name))
    board = init_board(out / "board", title="x")
    for path in (ground.board / "datasets").iterdir():
        (board.folder / "datasets" / path.name).write_bytes(path.read_bytes())
    build(add(board, ground.folder, Author("x")).board, out / "site", jobs=1)
    write_report(run)
    public = [out, ground.folder, run.folder / "report.html", run.folder / "results.json"]
    assert [str(leak) for leak in scan(public, run.loaded)] == []
    assert {leak.what for leak in scan([run.folder / "items.jsonl"], run.loaded)} >= {"question", "reference"}
    written = "".join(path.read_text(errors="ignore") for path in out.rglob("*") if path.is_file())
    assert "thought 3" not in written and "points" in (run.folder / "judgements.jsonl").read_text()
    assert "gave 4 points" not in written + (run.folder / "report.html").read_text()
