"""check: every way to be wrong has its own code, and what is right is accepted."""

import hashlib
import io
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest

from cpbench.fingerprint import canonical, text_sha256
from cpbench.leaderboard.check import check, examine
from cpbench.leaderboard.codes import CODES, FLAGS, REFUSALS, finding, table
from cpbench.leaderboard.reading import LIMITS


def codes(path, board):
    return list(dict.fromkeys(one.code for one in check(path, board).findings))


def _beside(g, out, name):
    path = g.replace(out)
    (path / name).write_text("hello")
    return path


def _linked(g, out):
    path = g.replace(out, judgements=None)
    (path / "judgements.jsonl").symlink_to(g.folder / "judgements.jsonl")
    return path


def _zip(files, out, attributes=stat.S_IFREG | 0o644):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name)
            info.external_attr = attributes << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    out.mkdir(exist_ok=True)
    (out / "s.zip").write_bytes(made.getvalue())
    return out / "s.zip"


def _zipped(g, out, first):
    return _zip([(first, g.files["submission.json"]), *list(g.files.items())[1:]], out)


def _cut_zip(g, out):
    path = _zipped(g, out, "submission.json")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _right_now(data):
    """The first wrong answer becomes right, in place."""
    return data.replace(b"The voice expresses happiness.", b"The voice expresses anger.", 1)


def _other_prompt(judge):
    judge["identity"]["prompt"] = judge["prompt_sha256"] = text_sha256("Give five points.")


def _failed(row):
    row.update(status="parse_error", score=None)


def _better(score):
    score["value"] += 2e-6


# Each takes (ground, out) and returns what is handed in. Hashes are made to fit wherever the tampering is deeper.
TAMPERED = {
    "unreadable": lambda g, out: out / "nowhere",
    "file_missing": lambda g, out: g.replace(out, judgements=None),
    "file_unknown": lambda g, out: _beside(g, out, "notes.txt"),
    "file_link": _linked,
    "too_large": lambda g, out: g.replace(out, submission=b" " * (LIMITS["submission.json"] + 1)),
    "zip_path": lambda g, out: _zipped(g, out, "../submission.json"),
    "zip_broken": _cut_zip,
    "encoding": lambda g, out: g.replace(out, submission=g.files["submission.json"].decode().encode("utf-16")),
    "json": lambda g, out: g.replace(
        out, submission=g.files["submission.json"].replace(b'"cpus":', b'"x":NaN,"cpus":')
    ),
    "not_canonical": lambda g, out: g.replace(out, submission=g.files["submission.json"].replace(b":", b": ", 1)),
    "schema_old": lambda g, out: g.change(out, head=lambda head: head.update(schema_version=0)),
    "schema_new": lambda g, out: g.change(out, head=lambda head: head.update(schema_version=2)),
    "schema": lambda g, out: g.change(out, head=lambda head: head["system"].update(email="a@b.c")),
    "predictions_hash": lambda g, out: g.replace(out, predictions=_right_now(g.files["predictions.jsonl"])),
    "judgements_hash": lambda g, out: g.replace(
        out, judgements=g.files["judgements.jsonl"].replace(b'"score":20.0', b'"score":80.0')
    ),
    "dataset_unknown": lambda g, out: g.change(
        out, head=lambda head: head["dataset"].update(fingerprint="v1:sha256:" + "0" * 64)
    ),
    "dataset_differs": lambda g, out: g.change(out, head=lambda head: head["dataset"].update(version="2.0")),
    "prompt_differs": lambda g, out: g.change(
        out, head=lambda head: head["generation"].update(prompt_sha256=text_sha256("another wording"))
    ),
    "condition_unranked": lambda g, out: g.change(
        out, head=lambda head: head["generation"].update(condition="tags:gold")
    ),
    "item_unknown": lambda g, out: g.change(
        out, answers=lambda rows: rows[-1].update(item_id="i99"), judged=lambda rows: rows.__delitem__(slice(-2, None))
    ),
    "item_doubled": lambda g, out: g.change(out, answers=lambda rows: rows.insert(1, {**rows[0], "answer": "No."})),
    "item_missing": lambda g, out: g.change(out, answers=lambda rows: rows.pop(5)),
    "answers_failed": lambda g, out: g.change(
        out,
        answers=lambda rows: rows[5].update(answer="", status="error"),
        judged=lambda rows: rows.__delitem__(slice(10, 12)),
    ),
    "judge_absent": lambda g, out: g.change(out, judged=lambda rows: rows.clear()),
    "judge_differs": lambda g, out: g.change(out, head=lambda head: _other_prompt(head["judge"])),
    "judgement_unknown": lambda g, out: g.change(out, judged=lambda rows: rows[-1].update(repeat=7)),
    "judgement_doubled": lambda g, out: g.change(out, judged=lambda rows: rows.insert(1, rows[0])),
    "judgement_missing": lambda g, out: g.change(out, judged=lambda rows: rows.pop(1)),
    "judgement_unbound": lambda g, out: g.change(out, answers=lambda rows: rows[1].update(answer="It is number 1.")),
    "judgement_impossible": lambda g, out: g.change(out, judged=lambda rows: rows[2].update(score=81.0)),
    "judge_coverage": lambda g, out: g.change(out, judged=lambda rows: [_failed(row) for row in rows[2:4]]),
    "score_mismatch": lambda g, out: g.change(out, head=lambda head: _better(head["scores"][0])),
    "score_set": lambda g, out: g.change(out, head=lambda head: head["scores"].pop()),
}
ALONG = {"item_missing", "judge_coverage"}  # what follows from it
ELSEWHERE = {"metric_unknown", "nothing_ranked", "signature"}  # with a board, a run, a key of their own


@pytest.mark.parametrize("code", TAMPERED)
def test_every_tampering_is_found_under_its_code(ground, tmp_path, code):
    found = codes(TAMPERED[code](ground, tmp_path / "in"), ground.board)
    assert code in found and found[0] in REFUSALS
    assert set(found) <= {code, *ALONG}


def test_the_list_of_codes_is_closed_and_all_of_it_can_happen():
    assert set(TAMPERED) | ELSEWHERE == set(REFUSALS)
    assert not set(REFUSALS) & set(FLAGS) and all(one.refuses == (name in REFUSALS) for name, one in CODES.items())
    assert table(REFUSALS).count("\n") == len(REFUSALS) + 2
    with pytest.raises(KeyError):
        finding("something", "else")


def test_five_kinds_of_tampering_have_five_codes(ground, tmp_path):
    kinds = ("score_mismatch", "predictions_hash", "judgements_hash", "prompt_differs", "dataset_unknown")
    found = [codes(TAMPERED[kind](ground, tmp_path / kind), ground.board) for kind in kinds]
    assert found == [[kind] for kind in kinds]


def test_an_answer_changed_with_all_hashes_mended_shows_in_the_scores_or_the_judgements(ground_of, tmp_path):
    unjudged = ground_of(judge=None)

    def mend(rows):
        rows[0]["answer"] = "The voice expresses anger."

    assert codes(unjudged.change(tmp_path / "in", answers=mend), unjudged.board) == ["score_mismatch"]


def test_scores_are_believed_to_1e_6_and_no_further(ground, tmp_path):
    def nudge(by):
        return lambda head: head["scores"][0].update(value=head["scores"][0]["value"] + by)

    assert check(ground.change(tmp_path / "a", head=nudge(5e-7)), ground.board).accepted
    assert codes(ground.change(tmp_path / "b", head=nudge(2e-6)), ground.board) == ["score_mismatch"]
    wider = lambda head: head["scores"][0].update(low=head["scores"][0]["low"] + 0.01)  # noqa: E731
    assert codes(ground.change(tmp_path / "c", head=wider), ground.board) == ["score_mismatch"]


def test_a_forged_judge_score_is_found_where_the_scale_or_the_scores_tell(ground, tmp_path):
    """80 for a 20 is on the scale and bound to its answer: the mean tells. With the mean mended only rejudge can."""
    assert codes(ground.change(tmp_path / "a", judged=_raise), ground.board) == ["score_mismatch"]
    off = ground.change(tmp_path / "b", judged=lambda rows: rows[0].update(score=99.0))
    assert codes(off, ground.board) == ["judgement_impossible"]


def _raise(rows):
    next(row for row in rows if row["score"] == 20.0)["score"] = 80.0


def test_a_repeat_may_not_be_left_out_or_failures_become_scores(ground, tmp_path):
    drop = ground.change(tmp_path / "a", judged=lambda rows: rows.pop(0))
    assert codes(drop, ground.board) == ["judgement_missing"]
    empty = ground.change(tmp_path / "b", judged=lambda rows: rows[0].update(status="rule_empty", score=0.0))
    assert codes(empty, ground.board) == ["judgement_impossible"]
    scored = ground.change(tmp_path / "c", judged=lambda rows: rows[0].update(status="api_error"))
    assert codes(scored, ground.board) == ["schema"]
    one_of_two = ground.change(tmp_path / "d", judged=lambda rows: _failed(rows[0]))
    assert codes(one_of_two, ground.board) == ["judgements_failed"]  # no 0: the answer's other judgement stands


def test_judged_by_another_than_is_said(ground, tmp_path):
    for name, value in (("simulated", True), ("members", ["openai/better"]), ("judge_id", "f" * 64)):
        path = ground.change(tmp_path / name, head=_judge_is(name, value))
        assert codes(path, ground.board) == ["judge_differs"]


def _judge_is(name, value):
    return lambda head: head["judge"].update({name: value})


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("/etc/submission.json", b"{}")], "zip_path"),
        ([("..\\submission.json", b"{}")], "zip_path"),
        ([("C:submission.json", b"{}")], "zip_path"),
        ([("a/b/submission.json", b"{}")], "file_unknown"),
        ([("submission.json", b"{}"), ("sub/judgements.jsonl", b"")], "file_unknown"),
        ([("submission.json", b"{}"), (".DS_Store", b"")], "file_unknown"),
        ([(f"{n}.json", b"{}") for n in range(101)], "file_unknown"),
        ([("submission.json", b"0" * (LIMITS["submission.json"] + 1))], "too_large"),  # 4 MiB in 4 kB
        ([("submission.json", b"{}")], "file_missing"),
    ],
)
def test_zips_that_are_not_a_submission_s(tmp_path, ground, files, code):
    assert codes(_zip(files, tmp_path / "in"), ground.board) == [code]


def test_a_zip_may_have_its_files_in_one_folder_but_no_links_and_no_name_twice(tmp_path, ground):
    inside = [(f"mine/{name}", data) for name, data in ground.files.items()]
    assert check(_zip([("mine/", b""), *inside], tmp_path / "a"), ground.board).accepted
    link = [(name, b"/etc/passwd" if name == "judgements.jsonl" else data) for name, data in ground.files.items()]
    assert codes(_zip(link, tmp_path / "b", stat.S_IFLNK | 0o777), ground.board) == ["file_link"]
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = _zip([*ground.files.items(), ("submission.json", b"{}")], tmp_path / "c")
    assert codes(twice, ground.board) == ["zip_broken"]


def test_pipes_and_folders_in_the_place_of_files_are_not_opened(tmp_path, ground):
    pipe = ground.replace(tmp_path / "a", judgements=None)
    os.mkfifo(pipe / "judgements.jsonl")
    assert codes(pipe, ground.board) == ["file_link"]
    folder = ground.replace(tmp_path / "b", judgements=None)
    (folder / "judgements.jsonl").mkdir()
    assert codes(folder, ground.board) == ["file_link"]
    (tmp_path / "c").symlink_to(ground.folder)
    assert codes(tmp_path / "c", ground.board) == ["file_link"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\xef\xbb\xbf{}", "encoding"),
        (b'{"answer":"caf\xe9"}', "encoding"),
        (b"[" * 100_000, "json"),
        (b'{"audio_seconds":1e999}', "schema"),
        (b'{"answer":"\\ud800"}', "json"),
        (b"9" * 5000, "json"),
        (b"{}", "schema"),
        (b"[]", "schema"),
        (b" " * 300_000, "too_large"),
    ],
)
def test_lines_that_are_no_lines(ground, tmp_path, line, code):
    data = line + b"\n" + ground.files["predictions.jsonl"]
    path = ground.replace(tmp_path / "in", predictions=data)
    head = json.loads(ground.files["submission.json"])
    head["predictions"] = {"sha256": _sha(data), "lines": data.count(b"\n"), "bytes": len(data)}
    (path / "submission.json").write_bytes(canonical(head) + b"\n")
    assert codes(path, ground.board) == [code]


def _sha(data):
    return hashlib.sha256(data).hexdigest()


def test_answers_so_long_that_reading_them_would_take_for_ever(ground, tmp_path):
    def lengthen(rows):
        for row in rows:
            row["answer"] = "not angry, " * 250

    assert codes(ground.change(tmp_path / "in", answers=lengthen), ground.board) == ["too_large"]


def test_deep_json_in_the_one_field_that_may_hold_any(ground, tmp_path):
    def bury(head):
        head["judge"]["identity"]["deep"] = json.loads("[" * 30 + "]" * 30)

    assert codes(ground.change(tmp_path / "in", head=bury), ground.board) == ["json"]


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("system", "url", "javascript:alert(1)"),
        ("system", "url", "http://example.org"),
        ("system", "url", 'https://example.org/"onmouseover="alert(1)'),
        ("system", "url", "https://example.org/<script>"),
        ("system", "url", "https://user@evil.example/"),
        ("system", "name", "right\u202eto left"),
        ("system", "name", "a\x00b"),
        ("system", "name", ""),
        ("system", "name", "x" * 201),
        ("system", "name", 7),
        ("system", "kind", "best"),
        ("usage", "wall_s", -1),
        ("usage", "judge_calls", 1.5),
        ("dataset", "items", True),
        ("dataset", "fingerprint", "../../board.yaml"),
    ],
)
def test_fields_hold_what_the_schema_says(ground, tmp_path, where, name, value):
    path = ground.change(tmp_path / "in", head=lambda head: head[where].update({name: value}))
    assert codes(path, ground.board) == ["schema"]


def test_markup_in_a_name_is_a_name(ground, tmp_path):
    """It is the page that escapes; a name may hold any printable character."""
    path = ground.change(
        tmp_path / "in", head=lambda head: head["system"].update(name="<script>alert(1)</script> 你好")
    )
    assert check(path, ground.board).accepted


def test_without_a_board_the_form_alone_is_checked(ground, tmp_path):
    checked = check(ground.folder)
    assert checked.accepted and [one.code for one in checked.findings] == ["no_board"] and checked.scores == ()
    assert codes(TAMPERED["judge_differs"](ground, tmp_path), None) == ["judge_differs"]


def test_what_a_board_s_cpbench_does_not_know(ground_of, tmp_path):
    made = ground_of(judge=None)
    (path,) = (made.board / "datasets").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"macro_f1"', b'"makro_f1"'))
    assert codes(made.folder, made.board) == ["metric_unknown"]
    path.write_bytes(path.read_bytes().replace(b'"accuracy","makro_f1",', b""))
    none = made.change(tmp_path / "in", head=lambda head: head.update(scores=[]))
    assert "nothing_ranked" in codes(none, made.board)


def test_checking_changes_nothing(ground, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in ground.board.rglob("*")}
    for code, tamper in TAMPERED.items():
        examine(tamper(ground, tmp_path / code), ground.board)
    assert {path: path.stat().st_mtime_ns for path in ground.board.rglob("*")} == before


def test_the_docs_hold_the_list_of_codes():
    docs = (Path(__file__).parents[2] / "docs" / "submissions.md").read_text(encoding="utf-8")
    assert table(REFUSALS) in docs and table(FLAGS) in docs
