r"""LaTeX: tables for a paper. Needs `\usepackage{booktabs,graphicx}`, then `\input{scores.tex}`.

One table a task and condition: a row a metric (and judge), under each value its 95 % interval; a column for all items
and one a question type; under the main condition the null baselines below. A table that is wider than the text is
scaled down to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cpbench.exports._tables import judge_name, main_condition, model_name, written
from cpbench.flow.ledger import write_whole
from cpbench.records import QTYPES, Results, Score, Task

DEFAULT = "scores.tex"
SIGNS: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\n": " ",
    "\N{MINUS SIGN}": "$-$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
}
_LATIN = 0x17F  # beyond it, and beyond punctuation, pdflatex has no sign
Line = tuple[str, Mapping[str, Score]]
"""The metric in words, and its scores by slice."""


def write(results: Results, path: Path) -> list[Path]:
    """One table for each condition of each task that has scores, in the order of the results."""
    places = list(dict.fromkeys((score.task, score.condition) for score in results.scores))
    tasks = {task.name: task for task in results.tasks}
    main = main_condition(results)
    text = "\n".join(_table(tasks[name], condition, results, beside=condition == main) for name, condition in places)
    head = f"% Needs \\usepackage{{booktabs,graphicx}}. Made by cpbench from the run {_comment(results.run)}.\n"
    if beyond := "".join(sorted({sign for sign in text if _beyond_latin(sign)})):
        head += f"% Needs lualatex or xelatex, with a font that has {beyond}\n"
    write_whole(path, (head + text).encode())
    return [path]


def escaped(text: str) -> str:
    r"""Text that LaTeX sets as it stands.

    >>> print(escaped("demo_cpqa: 95 % of {x}"))
    demo\_cpqa: 95 \% of \{x\}
    """
    return "".join(SIGNS.get(sign, sign) for sign in text)


def _beyond_latin(sign: str) -> bool:
    """Whether pdflatex, which reads UTF-8 but has few fonts, would stop at a sign."""
    return ord(sign) > _LATIN and sign not in "\N{EN DASH}\N{EM DASH}\N{HORIZONTAL ELLIPSIS}\N{RIGHTWARDS ARROW}‘’“”"


def _comment(text: str) -> str:
    return " ".join(text.split())


def _table(task: Task, condition: str, results: Results, *, beside: bool) -> str:
    """The table of one condition; `beside`: with the null baselines, which hear nothing and so have no condition."""
    own = [score for score in results.scores if (score.task, score.condition) == (task.name, condition)]
    lines = _lines(own, results)
    nulls = {
        name: _lines([score for score in scores if score.task == task.name], results)
        for name, scores in results.baselines.items()
        if beside
    }
    slices = [one for one in ("all", *QTYPES) if any(one in by_slice for _, by_slice in lines)]
    rows = _rows(model_name(results.model), lines, slices, intervals=True)
    for name, found in nulls.items():
        rows += [r"\midrule", *_rows(f"{name} (null)", found, slices, intervals=False)] if found else []
    heads = " & ".join("All" if one == "all" else one for one in slices)
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{_caption(task, condition, own, results)}}}",
            rf"\label{{tab:{_label(results.run)}-{_label(task.name)}-{_label(condition)}}}",
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{ll{'r' * len(slices)}}}",
            r"\toprule",
            rf"System & Metric & {heads} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _lines(scores: Iterable[Score], results: Results) -> list[Line]:
    """The scores by metric and judge, each in the order of the results."""
    found: dict[str, dict[str, Score]] = {}
    for score in scores:
        judge = "" if score.judge_id is None else f" ({judge_name(results, score.judge_id)})"
        found.setdefault(f"{score.metric.replace('_', ' ')}{judge}", {})[score.slice] = score
    return list(found.items())


def _rows(who: str, lines: Sequence[Line], slices: Sequence[str], *, intervals: bool) -> list[str]:
    rows = []
    for at, (metric, by_slice) in enumerate(lines):
        values = [_value(by_slice.get(one)) for one in slices]
        rows.append(rf"{escaped(who) if at == 0 else ''} & {escaped(metric)} & {' & '.join(values)} \\")
        ends = [_interval(by_slice.get(one)) for one in slices]
        if intervals and any(ends):
            rows.append(rf" & & {' & '.join(ends)} \\")
    return rows


def _value(score: Score | None) -> str:
    if score is None or not math.isfinite(score.estimate.value):
        return "--"
    leaked = r"$^{\dagger}$" if score.leaked else ""
    return f"{written(score.estimate.value, score.metric)}{leaked}"


def _interval(score: Score | None) -> str:
    if score is None or (low := score.estimate.low) is None or (high := score.estimate.high) is None:
        return ""
    # Braces: a bracket after \\ would be read as its argument.
    return rf"{{\tiny [{written(low, score.metric)}, {written(high, score.metric)}]}}"


def _caption(task: Task, condition: str, scores: Sequence[Score], results: Results) -> str:
    """What a reader must know: how many items and recordings, who judged, what the data are."""
    over_all = [score for score in scores if score.slice == "all"] or list(scores)
    items, recordings = (max(getattr(score.estimate, key) for score in over_all) for key in ("n", "clusters"))
    said = [
        f"{model_name(results.model)} on {task.name} (version {task.version}), condition {condition}:",
        f"{items} items of {recordings} recordings. Small: 95 % intervals, clustered by recording.",
    ]
    said += ["Synthetic speech."] if task.synthetic else []
    for judge_id in dict.fromkeys(score.judge_id for score in scores if score.judge_id is not None):
        said.append(f"Judge {judge_name(results, judge_id)}: {results.judges.get(judge_id, 'not validated')}.")
    said += ["Dagger: the prompt gives away the answer."] if any(score.leaked for score in scores) else []
    said += ["overlap score compares words; no LLM has judged it."] * any(s.metric == "overlap_score" for s in scores)
    return escaped(" ".join(said))


def _label(text: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in text)
