"""cpbench from Python: docs/python.md as it stands, and what it promises."""

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cpbench
from cpbench.errors import UsageError, UserError

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the page's code was run."""
    folder, before = tmp_path_factory.mktemp("page"), Path.cwd()
    text = "\n".join(re.findall(r"```python\n([\s\S]*?)```", PAGE.read_text(encoding="utf-8")))
    page = doctest.DocTestParser().get_doctest(text, {}, "docs/python.md", str(PAGE), 0)
    said: list[str] = []
    os.chdir(folder)
    try:
        tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(page, out=said.append)
    finally:
        os.chdir(before)
    assert tried.failed == 0, "".join(said)
    assert tried.attempted >= 15
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return cpbench.load_run(folder / "runs" / "first")


def test_importing_cpbench_loads_nothing_heavy():
    code = "import json, sys, cpbench; dir(cpbench); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"torch", "numpy", "pydantic", "pandas", "yaml", "cpbench.notebook", "cpbench.runfolder"}


def test_the_scores_are_those_that_the_command_wrote(run):
    written = json.loads((run.folder / "results.json").read_text(encoding="utf-8"))
    assert run.score("accuracy").estimate.value == written["results"]["demo_emotion"]["accuracy,none"]
    table = run.scores_to_pandas()
    kept = table[(table["metric"] == "macro_f1") & (table["slice"] == "all") & (table["model"] == "demo")]
    assert kept["value"].tolist() == [written["results"]["demo_emotion"]["macro_f1,none"]]
    assert set(table.loc[table["baseline"], "model"]) >= {"majority", "echo"}


def test_reading_a_run_writes_nothing(run):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    opened = cpbench.load_run(run.folder)
    assert opened.results.run == "first"
    opened.to_pandas()
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_results_know_when_the_run_was_answered_and_who_judged(run):
    assert run.results.time == run.manifest["answered"]
    (sheet,) = run.results.sheets.values()
    assert (sheet.name, sheet.models) == ("simulated:oracle", ())


def test_a_score_that_is_not_there_or_not_one_is_an_error_that_says_which_there_are(run):
    with pytest.raises(UserError, match=r"no such score 'acuracy' \(did you mean 'accuracy'\?\)"):
        run.score("acuracy")
    with pytest.raises(UserError, match="no such judge of this run: 'openai/x'"):
        run.score("judge_score", judge="openai/x")
    with pytest.raises(UserError, match=r"0 scores are called 'accuracy'\n  allowed: demo_emotion"):
        run.score("accuracy", task="cpqa")


def test_wrong_words_are_refused_before_anything_is_asked(tmp_path):
    with pytest.raises(UserError, match="not a run"):
        cpbench.load_run(tmp_path)
    with pytest.raises(UsageError, match="unknown model"):
        cpbench.run("emty", out=tmp_path / "a", progress="quiet")
    with pytest.raises(UsageError, match="limit is a number of items"):
        cpbench.run("empty", limit=0, progress="quiet")
    with pytest.raises(UsageError, match="progress is shown as 'loud'"):
        cpbench.run("empty", out=tmp_path / "b", progress="loud")
    with pytest.raises(TypeError, match="modell"):
        cpbench.run("empty", modell="x")
    assert list(tmp_path.iterdir()) == []


def test_words_may_be_one_or_several(folder):
    run = cpbench.run(
        "empty",
        tasks=["demo_emotion", "demo_cpqa"],
        condition=["audio", "silence"],
        limit=2,
        out=folder / "runs" / "several",
        progress="quiet",
    )
    assert run.config.conditions == ("audio", "silence")
    assert {(one.task, one.condition) for one in run.predictions} == {
        (task, condition) for task in ("demo_emotion", "demo_cpqa") for condition in ("audio", "silence")
    }
    with pytest.raises(UserError, match=r"2 scores are called 'accuracy'[\s\S]*try: say task="):
        run.score("accuracy")


def exported(capsys, *arguments):
    from cpbench.cli import main

    with pytest.raises(SystemExit) as left:
        main(["export", *map(str, arguments)])
    said = capsys.readouterr()
    return left.value.code, said.out.splitlines(), said.err


def test_the_command_exports_into_the_run_or_where_it_is_told(run, tmp_path, capsys):
    from cpbench.cli import cpbench as command

    command.main(["export", str(run.folder), "--to", "csv", "--out", str(tmp_path)], standalone_mode=False)
    assert capsys.readouterr().out.split() == [str(tmp_path / "scores.csv")]
    words = ["export", str(run.folder), "--to", "parquet", "--answers", "--out", str(tmp_path / "a.parquet")]
    command.main(words, standalone_mode=False)
    assert capsys.readouterr().out.split() == [str(tmp_path / "a.parquet")]
    words = ["export", str(run.folder), "--to", "eee", "-E", "organisation=A lab", "--out", str(tmp_path / "store")]
    command.main(words, standalone_mode=False)
    (log,) = capsys.readouterr().out.split()
    assert json.loads(Path(log).read_text(encoding="utf-8"))["source_metadata"]["source_organization_name"] == "A lab"
    command.main(["export", str(run.folder), "--to", "json", "--answers"], standalone_mode=False)
    assert capsys.readouterr().out.split() == [str(run.folder / "exports" / "answers.json")]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--to", "cvs"), "unknown export 'cvs' (did you mean 'csv'?)"),
        (("--to", "latex", "--answers"), "answers are no table of the format 'latex'"),
        (("--to", "csv", "-E", "x=1"), "the format csv takes no options 'x'"),
    ],
)
def test_the_command_says_what_is_wrong(run, capsys, words, says):
    code, out, err = exported(capsys, run.folder, *words)
    assert (code, out) == (2, [])
    assert says in err
