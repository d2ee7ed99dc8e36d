"""LaTeX that compiles: held by its form here, and by a TeX where one is installed."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from cpbench import exports
from cpbench.exports import latex
from cpbench.records import QTYPES, Score


def written(results, tmp_path):
    (file,) = exports.export("latex", results, tmp_path / "scores.tex")
    return file.read_text(encoding="utf-8")


def test_each_task_is_a_table_whose_rows_fit_its_columns(results, tmp_path):
    text = written(results, tmp_path)
    tables = re.findall(r"\\begin\{table\}[\s\S]*?\\end\{table\}", text)
    assert len(tables) == 3  # two conditions of one task, one of the other
    for table in tables:
        (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", table)
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
        assert [table.count(rule) for rule in (r"\toprule", r"\bottomrule")] == [1, 1]
    plain = re.sub(r"\\[\\{}]", "", text)
    assert plain.count("{") == plain.count("}")


def test_values_stand_with_their_intervals_and_what_makes_them_doubtful(results, tmp_path):
    text = written(results, tmp_path)
    assert r"my\_ckpt & accuracy & 0.620 \\" in text
    assert r" & & {\tiny [0.500, 0.740]} \\" in text
    assert r"my\_ckpt & accuracy & 0.200$^{\dagger}$ \\" in text
    assert r"\label{tab:a-run-emotion-x-silence}" in text and "condition silence: 120 items" in text
    assert r" & macro f1 & -- \\" in text  # no number
    assert text.count(r"majority (null) & accuracy & 0.300 \\") == 1
    assert r"judge score (50\% \& more\_judge) & 62.0 & 33.3 \\" in text
    assert r"Judge 50\% \& more\_judge: PASS: DE; en." in text
    assert "Synthetic speech." in text


@pytest.mark.parametrize("sign", list("\\{}$&#%_~^<>|"))
def test_every_sign_of_latex_is_escaped(sign):
    escaped = latex.escaped(f"a{sign}b")
    assert escaped.startswith("a\\")
    assert escaped.endswith("b")


def test_signs_beyond_latin_are_named_with_what_sets_them(results, tmp_path):
    assert "lualatex" not in written(results, tmp_path)
    named = replace(results, model=replace(results.model, name="声 ≥ é"))
    head = written(named, tmp_path).splitlines()
    assert head[1] == "% Needs lualatex or xelatex, with a font that has 声"
    assert r"声 $\geq$ é on emotion\_x" in head[4]


def has_tex():
    """Whether there is a TeX, with the packages that the tables need."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    files = ["kpsewhich", "booktabs.sty", "graphicx.sty"]
    return subprocess.run(files, capture_output=True, check=False).stdout.count(b".sty") == 2


@pytest.mark.skipif(not has_tex(), reason="no TeX with booktabs is installed")
def test_a_tex_takes_it_and_it_fits_the_page(results, tmp_path):
    """A long name, every question type, a dozen metrics and judges: wider and longer than any run's."""
    estimate = results.scores[0].estimate
    metrics = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "unextractable", "overlap_score")
    wide = tuple(
        Score("emotion_x", "noise:10db+tags:wrong", part, metric, None, replace(estimate, value=1, low=1, high=1))
        for metric in metrics
        for part in ("all", *QTYPES)
    )
    baselines = dict.fromkeys(("echo", "empty", "majority", "all-labels"), wide)
    card = replace(
        results.model, name="a/{rather}_long & strange#name of ~ 100 % ^ \\ $ <|x|>", condition=wide[0].condition
    )
    written(replace(results, model=card, scores=(*results.scores, *wide), baselines=baselines), tmp_path)
    page = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{scores.tex}\end{document}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert b"Overfull" not in done.stdout and b"too large for page" not in done.stdout, done.stdout[-2000:]
