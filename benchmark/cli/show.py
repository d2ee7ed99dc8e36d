"""Results on stdout: tables for a person, results.json for a program."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from cpbench.cli.listening import show_listening
from cpbench.records import QTYPES, Results, Score

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cpbench.runfolder import Run


def show_results(run: Run, results: Results, *, as_json: bool) -> None:
    """Print a scored run: one table a task, the other conditions beside the main one, and what must be said of them."""
    if as_json:
        click.echo((run.folder / "results.json").read_text(encoding="utf-8"), nl=False)
        return
    console = _console()
    names = {judge: about["name"] for judge, about in run.manifest.get("judges", {}).items()}
    report = json.loads((run.folder / "results.json").read_text(encoding="utf-8"))["listening"]
    for (task, condition), scores in _by_table(results.scores).items():
        if report is not None and condition != report["main"]:
            continue  # beside the main one in the listening report, and metric by metric in results.json
        title = f"{results.model.name} on {task} ({condition})"
        console.print(_table(title, [score for score in scores if score.judge_id is None], names))
        if judged := [score for score in scores if score.judge_id is not None]:
            console.print(_table(f"{title}: LLM judges", judged, names))
        console.print(_floor(task, condition, results))
    console.print("In brackets: the 95 % interval, clustered by recording.", style="dim", markup=False)
    if report is not None or results.model.kind != "null":  # a null baseline has nothing to hear
        show_listening(console, report)
    for judge, card in results.judges.items():
        console.print(f"judge {names.get(judge, '?')} ({judge[:8]}): {card}", markup=False)
    for warning in results.warnings:
        console.print(f"! {warning}", style="yellow", markup=False)
    answers = sum(each.status != "error" for each in run.predictions)
    if answers and not results.judges:
        console.print(
            f"To have these {answers} answers judged: cpbench judge run {run.folder} --judge openai/NAME "
            "(with --dry-run --prices FILE first, to see what it costs)",
            style="dim",
            markup=False,
        )
    if seconds := results.usage.get("wall_s"):
        rate = results.usage.get("items_per_second")
        took = f"{seconds:.1f} s in all shards" if rate is None else f"{seconds:.1f} s, {rate:.1f} items a second"
        console.print(f"{took}; {run.folder}", style="dim", markup=False)


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)


def _by_table(scores: Iterable[Score]) -> Mapping[tuple[str, str], list[Score]]:
    found: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        found.setdefault((score.task, score.condition), []).append(score)
    return found


def _table(title: str, scores: Sequence[Score], names: Mapping[str, str]) -> Table:
    """A row a question type, a column a metric."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    metrics = list(dict.fromkeys((score.metric, score.judge_id) for score in scores))
    table.add_column("type")
    table.add_column("items", justify="right")
    table.add_column("recordings", justify="right")
    for metric, judge in metrics:
        table.add_column(metric if judge is None else f"{metric}\n{names.get(judge, judge[:8])}", justify="right")
    cells = {(score.slice, score.metric, score.judge_id): score for score in scores}
    for row in _slices(scores):
        found = [cells.get((row, *metric)) for metric in metrics]
        if (most := max((score for score in found if score), key=lambda score: score.estimate.n, default=None)) is None:
            continue
        n, recordings = str(most.estimate.n), str(most.estimate.clusters)
        leaked = " (leaked)" if any(score.leaked for score in found if score) else ""
        table.add_row(row + leaked, n, recordings, *(_cell(score) for score in found), end_section=row == "all")
    return table


def _slices(scores: Iterable[Score]) -> list[str]:
    """All, then each question type; a task of one type has nothing to tell apart."""
    found = {score.slice for score in scores}
    types = [row for row in QTYPES if row in found]
    return ["all", *types] if len(types) > 1 or "all" not in found else ["all"]


def _floor(task: str, condition: str, results: Results) -> Table:
    """The model beside the null baselines, by type: what each score has to be held against."""
    from rich.table import Table

    systems = {results.model.name: results.scores, **{f"{name} (null)": s for name, s in results.baselines.items()}}
    metric = next(score.metric for score in results.scores if score.task == task and score.judge_id is None)
    for score in results.scores:  # a task with open questions has one metric that counts them all
        metric = "overlap_score" if (score.task, score.metric, score.slice) == (task, "overlap_score", "C") else metric
    table = Table(title=f"{metric}, beside the null baselines", title_justify="left", title_style="dim")
    slices = _slices(score for score in results.scores if score.task == task)
    table.add_column("system")
    for row in slices:
        table.add_column(row, justify="right")
    for name, scores in systems.items():
        found = {
            score.slice: score
            for score in scores
            if score.task == task and score.metric == metric and score.condition in (condition, "audio")
        }
        values = [found[row].estimate.value if row in found else None for row in slices]
        digits = 1 if "score" in metric else 3
        table.add_row(name, *("-" if value is None else f"{value:.{digits}f}" for value in values))
    return table


def _cell(score: Score | None) -> str:
    if score is None:
        return "-"
    estimate, digits = score.estimate, 1 if "score" in score.metric else 3
    text = f"{estimate.value:.{digits}f}"
    if estimate.low is not None and estimate.high is not None:
        text += f"\n\\[{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"
    return text if score.coverage == 1.0 else f"{text}\n{score.coverage:.0%} covered"
