"""cpbench compare, as typed: tables, one JSON object, a plot, exit codes, and nothing heavy loaded."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cpbench.cli.compare import command
from cpbench.evaluate import evaluate
from cpbench.records import RunConfig


@pytest.fixture
def runs(items_file, tmp_path):
    """A function: real runs of answers kept in a file, by name; each has so many of every eight answers wrong."""

    def make(clips=32, **wrong):
        items = items_file(clips=clips)
        lines = [json.loads(line) for line in items.read_text().splitlines()]
        for at, line in enumerate(lines):
            line["recording"] = f"r{at // 8}"
        items.write_text("".join(json.dumps(line) + "\n" for line in lines))
        for name, count in wrong.items():
            right = [line.get("label") or line["references"][0] for line in lines]
            said = [answer if at % 8 >= count else "nothing of that kind" for at, answer in enumerate(right)]
            kept = [json.dumps({"item_id": line["id"], "answer": text}) for line, text in zip(lines, said, strict=True)]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(kept) + "\n")
            model = f"answers:{tmp_path / name}.jsonl"
            evaluate(RunConfig(model, (str(items),), out=str(tmp_path / name), hearing_check=False))
        return [str(tmp_path / name) for name in wrong]

    return make


def compared(*arguments):
    return CliRunner().invoke(command, [*map(str, arguments)])


def test_tables_name_the_better_one_and_show_the_items(runs):
    done = compared(*runs(good=0, poor=5), "--items", 2)
    assert done.exit_code == 0, done.output
    assert "good better" in done.stdout
    assert "of 64 items 24 are right in both, 40 only in good, 0 only in poor" in done.stdout
    assert "nothing of that kind" in done.stdout and "no LLM judge" in done.stdout
    assert done.stdout.count("nothing of that kind") == 2
    assert "nothing of that kind" not in compared(*runs(good=0, poor=5), "--items", 0).stdout


def test_json_is_one_object_and_files_are_written(runs, tmp_path):
    plot, items, page = tmp_path / "forest.svg", tmp_path / "items.jsonl", tmp_path / "compare.html"
    done = compared(*runs(good=0, poor=5), "--json", "--plot", plot, "--items", items, "--page", page)
    found = json.loads(done.stdout)
    assert found["schema"] == "cpbench-compare-1" and found["gate"] is None
    assert plot.read_text().lstrip().startswith("<?xml") and len(items.read_text().splitlines()) == 40
    assert "<h1>good against poor</h1>" in page.read_text() and "good better" in page.read_text()
    assert all(str(path) in done.stderr for path in (plot, items, page))


@pytest.mark.parametrize(
    ("order", "clips", "code", "said"),
    [
        (1, 32, 3, "poor is 62.5 points of overlap_score worse than good"),
        (-1, 32, 0, "passed"),
        (1, 16, 4, "4 recordings allow no p under 0.125"),
    ],
)
def test_a_regression_ends_with_3_and_what_cannot_be_told_with_4(runs, order, clips, code, said):
    done = compared(*runs(clips=clips, good=0, poor=5)[::order], "--fail-on-regression")
    assert done.exit_code == code and said in done.stdout


def test_without_being_asked_to_fail_a_regression_is_no_failure(runs):
    assert compared(*runs(good=0, poor=5)).exit_code == 0


def test_the_exit_code_and_the_message_of_bad_input(runs, cpbench, tmp_path):
    one, other = runs(a=0, b=3)
    for arguments, code, said in [
        ((one,), 1, "needs two runs or more"),
        ((one, one), 1, "the same run is given twice"),
        ((one, tmp_path / "nowhere"), 1, "not a run"),
        ((one, other, "--metric", "acuracy"), 2, "did you mean 'accuracy'"),
        ((one, other, "--plot", "x.pdf"), 2, ".svg, .png"),
        ((one, other, "--page", "x.pdf"), 2, ".html, .htm"),
    ]:
        done = cpbench("compare", *arguments)
        assert done.returncode == code and said in done.stderr, done.stderr
        assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_comparison_loads_no_torch_and_opens_no_audio(runs, tmp_path):
    folders = runs(a=0, b=3)
    for file in (tmp_path / "data").glob("*.flac"):
        file.unlink()
    code = (
        "import sys; from cpbench.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print([name for name in ('torch', 'transformers', 'soundfile', 'lm_eval', 'datasets', 'matplotlib') "
        "if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", *folders], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "[]"
