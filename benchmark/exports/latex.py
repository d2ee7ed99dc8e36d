r"""LaTeX: one table a task, for a paper. Needs booktabs: `\usepackage{booktabs}`, then `\input{scores.tex}`.

A row a metric (and judge) under each condition, with the null baselines below; a column for all items and one a
question type; under each value its 95 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cpbench.exports._tables import judge_name, model_name
from cpbench.flow.ledger import write_whole
from cpbench.metrics import find_metrics
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
}
Line = tuple[str, str, Mapping[str, Score]]
"""Who (a condition, or a baseline's name), the metric in words, and its scores by slice."""


def write(results: Results, path: Path) -> list[Path]:
    """One table a task that has scores."""
    names = list(dict.fromkeys(score.task for score in results.scores))
    tasks = {task.name: task for task in results.tasks}
    text = "\n".join(_table(tasks[name], results) for name in names)
    write_whole(
        path,
        f"% Needs \\usepackage{{booktabs}}. Made by cpbench from the run {_comment(results.run)}.\n{text}".encode(),
    )
    return [path]


def escaped(text: str) -> str:
    r"""Text that LaTeX sets as it stands.

    >>> print(escaped("demo_cpqa: 95 % of {x}"))
    demo\_cpqa: 95 \% of \{x\}
    """
    return "".join(SIGNS.get(sign, sign) for sign in text)


def _comment(text: str) -> str:
    return " ".join(text.split())


def _table(task: Task, results: Results) -> str:
    own = [score for score in results.scores if score.task == task.name]
    lines = _lines(own, results)
    nulls = [
        (name, metric, by_slice)
        for name, scores in results.baselines.items()
        for _, metric, by_slice in _lines([score for score in scores if score.task == task.name], results)
    ]
    slices = [one for one in ("all", *QTYPES) if any(one in by_slice for _, _, by_slice in lines)]
    rows = [*_rows(lines, slices), *([r"\midrule", *_rows(nulls, slices)] if nulls else [])]
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{_caption(task, own, results)}}}",
            rf"\label{{tab:{_label(results.run)}-{_label(task.name)}}}",
            rf"\begin{{tabular}}{{ll{'r' * len(slices)}}}",
            r"\toprule",
            rf"Condition & Metric & {' & '.join('All' if one == 'all' else one for one in slices)} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _lines(scores: Iterable[Score], results: Results) -> list[Line]:
    """The scores by condition, metric and judge, each in the order of the results."""
    found: dict[tuple[str, str], dict[str, Score]] = {}
    for score in scores:
        judge = "" if score.judge_id is None else f" ({judge_name(results, score.judge_id)})"
        metric = f"{score.metric.replace('_', ' ')}{judge}"
        found.setdefault((score.condition, metric), {})[score.slice] = score
    order = list(dict.fromkeys(condition for condition, _ in found))
    lines = [(condition, metric, by_slice) for (condition, metric), by_slice in found.items()]
    return sorted(lines, key=lambda line: order.index(line[0]))


def _rows(lines: Sequence[Line], slices: Sequence[str]) -> list[str]:
    rows, before = [], None
    for who, metric, by_slice in lines:
        values = [_value(by_slice.get(one)) for one in slices]
        rows.append(rf"{escaped(who) if who != before else ''} & {escaped(metric)} & {' & '.join(values)} \\")
        if any(intervals := [_interval(by_slice.get(one)) for one in slices]):
            rows.append(rf" & & {' & '.join(intervals)} \\")
        before = who
    return rows


def _digits(score: Score) -> int:
    return 1 if find_metrics([score.metric])[0].bounds[1] > 1 else 3


def _value(score: Score | None) -> str:
    if score is None or not math.isfinite(score.estimate.value):
        return "--"
    leaked = r"$^{\dagger}$" if score.leaked else ""
    return f"{score.estimate.value:.{_digits(score)}f}{leaked}"


def _interval(score: Score | None) -> str:
    if score is None or score.estimate.low is None or score.estimate.high is None:
        return ""
    digits = _digits(score)
    # Braces: a bracket after \\ would be read as its argument.
    return rf"{{\scriptsize [{score.estimate.low:.{digits}f}, {score.estimate.high:.{digits}f}]}}"


def _caption(task: Task, scores: Sequence[Score], results: Results) -> str:
    """What a reader must know: how many items and recordings, who judged, what the data are."""
    over_all = [score for score in scores if score.slice == "all"] or list(scores)
    items, recordings = (max(getattr(score.estimate, key) for score in over_all) for key in ("n", "clusters"))
    said = [
        f"{model_name(results.model)} on {task.name} (version {task.version}):",
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
