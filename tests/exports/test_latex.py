"""LaTeX that compiles: held by its form here, and by a TeX where one is installed."""

import re
import shutil
import subprocess

import pytest

from cpbench import exports
from cpbench.exports import latex


def written(results, tmp_path):
    (file,) = exports.export("latex", results, tmp_path / "scores.tex")
    return file.read_text(encoding="utf-8")


def test_each_task_is_a_table_whose_rows_fit_its_columns(results, tmp_path):
    text = written(results, tmp_path)
    tables = re.findall(r"\\begin\{table\}[\s\S]*?\\end\{table\}", text)
    assert len(tables) == 2
    for table in tables:
        (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", table)
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
        assert [table.count(rule) for rule in (r"\toprule", r"\bottomrule")] == [1, 1]
    plain = re.sub(r"\\[\\{}]", "", text)
    assert plain.count("{") == plain.count("}")


def test_values_stand_with_their_intervals_and_what_makes_them_doubtful(results, tmp_path):
    text = written(results, tmp_path)
    assert r"audio & accuracy & 0.620 \\" in text
    assert r" & & {\scriptsize [0.500, 0.740]} \\" in text
    assert r"silence & accuracy & 0.200$^{\dagger}$ \\" in text
    assert r" & macro f1 & -- \\" in text  # no number
    assert r"majority & accuracy & 0.300 \\" in text
    assert r"judge score (50\% \& more\_judge) & 62.0 & 33.3 \\" in text
    assert r"Judge 50\% \& more\_judge: PASS: DE; en." in text
    assert "Synthetic speech." in text


@pytest.mark.parametrize("sign", list("\\{}$&#%_~^<>|"))
def test_every_sign_of_latex_is_escaped(sign):
    escaped = latex.escaped(f"a{sign}b")
    assert escaped.startswith("a\\")
    assert escaped.endswith("b")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX is installed")
def test_a_tex_takes_it(results, tmp_path):
    written(results, tmp_path)
    page = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{scores.tex}\end{document}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
