"""report.html as a file: numbers of results.json only, texts and clips only where rights allow, the same bytes."""

import json
import re
import shutil

import pytest
from click.testing import CliRunner

from cpbench.cli.report import command
from cpbench.errors import UserError
from cpbench.leaderboard.scan import scan
from cpbench.records import Rights
from cpbench.report import clips as clips_module
from cpbench.report import rows, write_report
from cpbench.runfolder import load_run

from . import conftest as made


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL).group(1))


def test_the_same_run_gives_the_same_bytes_and_no_clip_is_brought_twice(scored, copied):
    page = write_report(scored)
    first = page.read_bytes()
    before = {path.name: path.stat().st_mtime_ns for path in (scored.folder / "clips").iterdir()}
    assert write_report(load_run(scored.folder)).read_bytes() == first
    assert {path.name: path.stat().st_mtime_ns for path in (scored.folder / "clips").iterdir()} == before
    assert len(before) == 120
    assert write_report(copied).read_bytes().replace(b"copy", b"run") == first.replace(b"copy", b"run")


def test_every_number_is_one_of_results_json(copied):
    file = copied.folder / "results.json"
    results = json.loads(file.read_text())
    page = write_report(copied).read_text()
    head = results["intervals"]["audio"]["task"]["judge_score,openai/judge"]["all"]
    assert f'<p class="big">{head["value"]:.1f}</p>' in page
    head.update(value=12.3456, low=1.2345, high=23.4567, n=4711, recordings=815)
    results["breakdown"]["confusions"][0]["counts"][0][0] = 98765
    results["breakdown"]["spreads"][0]["counts"]["50"] = 43210
    results["breakdown"]["parts"][0]["scores"]["judge_score,openai/judge"]["value"] = 87.6543
    file.write_text(json.dumps(results))
    page = write_report(copied).read_text()
    assert '<p class="big">12.3</p>' in page and "95 % interval 1.2 to 23.5" in page
    assert "4711 items from 815 recordings" in page
    assert all(number in page for number in ("98765", "43210", "87.7"))


def test_what_it_was_measured_on_and_by_whom_is_said(scored):
    page = write_report(scored).read_text()
    assert "synthetic speech" in page
    assert "The judge: not validated." in page
    assert "Hearing check: heard" in page
    assert "majority (null)" in page and "overlap_score (no LLM judge)" in page
    assert "gave no score" in page  # the warning about judgements that failed
    assert "By duration" in page and "By share heard" in page and "By condition" in page
    assert page.count("Somebody, task") == 1


def test_texts_and_clips_of_a_task_whose_rights_forbid_them_are_not_there(tmp_path):
    def secret(field, at):
        return f"geheim {field} {at} geheim"

    closed = made.task("closed", Rights("closed"))
    both = [
        (made.task("open"), made.items_of("open", 12, say=made.plain)),
        (closed, made.items_of("closed", 12, say=secret, prefix="c")),
    ]
    run = made.make_run(tmp_path / "run", both, say=secret)
    page = write_report(run).read_text()
    kept = {
        "recording",
        "answer",
        "reasoning",
        "reason",
        "raw",
        "error",
    }  # of the open task, whose answers say the same
    found = set(re.findall(r"geheim (\w+) ", page))
    assert not found - kept
    assert scan([run.folder / "report.html", run.folder / "clips"], run.loaded) == []
    assert {leak.what for leak in scan([run.folder / "items.jsonl"], run.loaded)} >= {"question", "transcript"}
    data = data_of(page)
    of_closed = [row for row in data["answers"] if data["items"][row["item"]]["task"] == "closed"]
    assert len(of_closed) == 12
    assert "geheim" not in json.dumps([{**row, "item": None} for row in of_closed])
    shown = {key for item in data["items"] if item["task"] == "closed" for key in item}
    assert shown == {"task", "id", "type", "recording", "clips", "seconds"}
    assert all(item["clips"] == [None] for item in data["items"] if item["task"] == "closed")
    assert len(list((run.folder / "clips").iterdir())) == 12
    assert page.count("do not allow its texts to be shown") == page.count("do not allow its clips to be passed on") == 1


def test_markup_in_any_field_stays_text(tmp_path):
    def hostile(field, at):
        return f"</script><script>window.pwned='{field}'</script><img src=x onerror=alert({at})>javascript:alert(1)"

    run = made.make_run(
        tmp_path / "run", [(made.task(), made.items_of("task", 24, say=hostile))], say=hostile, model="<b>x</b><script>"
    )
    page = write_report(run).read_text()
    assert "<img" not in page and "<b>x" not in page
    assert len(re.findall(r"<script", page)) == 3  # the kit's, the page's own, and the data
    assert data_of(page)["items"][1]["question"] == hostile("question", 1)


def test_clips_are_hard_links_or_copies_and_where_there_are_too_many_links_to_where_they_lie(copied, monkeypatch):
    write_report(copied)
    brought = sorted((copied.folder / "clips").iterdir())
    assert len({path.stat().st_ino for path in brought}) == len(brought) == 120

    def refused(*_):
        raise OSError("another disk")

    monkeypatch.setattr(clips_module.os, "link", refused)
    shutil.rmtree(copied.folder / "clips")
    write_report(copied)
    assert {path.name: path.read_bytes() for path in (copied.folder / "clips").iterdir()} == {
        path.name: path.read_bytes() for path in brought if path.exists()
    }
    shutil.rmtree(copied.folder / "clips")
    monkeypatch.setattr(clips_module, "MOST", 100_000)
    page = write_report(copied).read_text()
    total = sum(path.stat().st_size for path in (copied.folder / "clips").iterdir())
    assert 0 < total <= 100_000
    addresses = [item["clips"][0] for item in data_of(page)["items"]]
    away = [address for address in addresses if not address.startswith("clips/")]
    assert away and all((copied.folder / address).resolve() in made.SOUNDS for address in away)
    assert f"{len(away)} clips are too large to be copied" in page


def test_nothing_but_sounds_is_brought_and_nothing_outside_the_run_is_written(copied, tmp_path):
    (tmp_path / "private.txt").write_text("secret")
    lines = (copied.folder / "items.jsonl").read_text().splitlines()
    spoilt = [json.loads(line) for line in lines]
    spoilt[0]["clips"][0]["path"] = str(tmp_path / "private.txt")
    spoilt[1]["clips"][0]["sha256"] = "../../../outside"
    spoilt[2]["clips"][0]["path"] = str(tmp_path / "gone.wav")
    (copied.folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in spoilt))
    outside = set(tmp_path.iterdir())
    page = write_report(load_run(copied.folder)).read_text()
    assert set(tmp_path.iterdir()) == outside
    addresses = [item["clips"][0] for item in data_of(page)["items"][:3]]
    assert addresses[0] is None and addresses[2] is None
    assert re.fullmatch(r"clips/[0-9a-f]{16}\.ogg", addresses[1])
    assert "1 clips are not on the machine" in page
    shutil.rmtree(copied.folder / "clips")
    (copied.folder / "clips").symlink_to(tmp_path)
    with pytest.raises(UserError, match="elsewhere"):
        write_report(load_run(copied.folder))
    assert list(tmp_path.glob("*.ogg")) == []


def test_long_texts_and_too_many_conditions_are_cut_and_it_is_said(copied, monkeypatch):
    monkeypatch.setattr(rows, "LONGEST", {**rows.LONGEST, "reasoning": 10})
    monkeypatch.setattr(rows, "LARGEST", 1000)
    page = write_report(copied).read_text()
    data = data_of(page)
    assert {row["condition"] for row in data["answers"]} == {"audio"} == set(data["conditions"])
    assert len(data["answers"]) == 120
    assert "120 answers under silence are not in this page" in page
    assert all(len(row.get("reasoning", "")) <= 11 for row in data["answers"])
    assert "long texts are cut here" in page


def test_the_rows_are_the_runs_outcomes(scored):
    data = data_of(write_report(scored).read_text())
    outcomes = {(one.item.id, one.prediction.condition): one for one in scored.outcomes(judge_id=made.JUDGE)}
    assert len(data["answers"]) == len(outcomes) == 240
    for row in data["answers"]:
        one = outcomes[data["items"][row["item"]]["id"], row["condition"]]
        assert row.get("answer", "") == one.prediction.answer and row["status"] == one.prediction.status
        assert row.get("reasoning") == one.prediction.reasoning
        assert row["judged"][0].get("score") == one.score
        if one.judgements and one.judgements[0].score is not None:
            assert row["judged"][0]["each"][0]["reason"].startswith("reason ")


def test_an_unscored_run_and_an_old_one_are_refused_with_what_mends_it(copied):
    file = copied.folder / "results.json"
    results = json.loads(file.read_text())
    del results["breakdown"]
    file.write_text(json.dumps(results))
    with pytest.raises(UserError, match="cpbench report"):
        write_report(copied)
    file.unlink()
    with pytest.raises(UserError, match="cpbench report"):
        write_report(copied)


def test_the_command_scores_again_and_names_the_page(copied):
    (copied.folder / "results.json").unlink()
    done = CliRunner().invoke(command, [str(copied.folder), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["breakdown"]["spreads"]
    assert f"report: {copied.folder / 'report.html'}" in done.stderr
    assert (copied.folder / "report.html").is_file()
