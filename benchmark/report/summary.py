"""results.json as the page shows it. Numbers are chosen, put side by side and put in words here; none is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cpbench.metrics import find_metrics
from cpbench.records import QTYPES
from cpbench.results import ResultsFile

Entry = Mapping[str, Any]
SENTENCES: Mapping[str, str] = {
    "gaps": "Each condition against the main one",
    "needs": "Which items need their clip",
    "followed": "What the answers follow",
    "told": "With tags and without",
    "agreements": "How alike the answers are",
    "changed": "Between conditions with tags",
}


@dataclass(frozen=True)
class Metric:
    """A metric with who made it, as results.json has it: "accuracy,none"."""

    key: str

    @property
    def name(self) -> str:
        return self.key.partition(",")[0]

    @property
    def judge(self) -> str | None:
        by = self.key.partition(",")[2]
        return None if by == "none" else by

    @property
    def words(self) -> str:
        """`judge_score by openai/gpt`; the offline scorer is called what it is."""
        if self.judge is not None:
            return f"{self.name} by {self.judge}"
        return f"{self.name} (no LLM judge)" if self.name == "overlap_score" else self.name

    @property
    def bounds(self) -> tuple[float, float]:
        return find_metrics([self.name])[0].bounds

    @property
    def digits(self) -> int:
        return 1 if self.bounds[1] > 1 else 3

    @property
    def higher_is_better(self) -> bool:
        return find_metrics([self.name])[0].higher_is_better

    @property
    def ticks(self) -> list[float]:
        low, high = self.bounds
        return [low + (high - low) * part / 4 for part in range(5)]

    def at(self, value: float) -> float:
        """Where a value lies between the metric's bounds, in percent."""
        low, high = self.bounds
        return round(min(max(100 * (value - low) / (high - low), 0.0), 100.0), 2)


@dataclass(frozen=True)
class Line:
    """A value with its interval in a row of a plot."""

    label: str
    detail: Entry
    kind: str = ""  # "null": a null baseline; "main"


@dataclass(frozen=True)
class Plot:
    """Values of one metric below each other."""

    title: str
    metric: Metric
    lines: Sequence[Line]
    first: str = ""  # what the rows are


def summary(results: ResultsFile, manifest: Entry) -> dict[str, Any]:
    """Return what the template needs of results.json and manifest.json."""
    main = results["condition"]
    shown = results["intervals"].get(main, {})
    chosen = {task: _main_metric(metrics, results["judges"]) for task, metrics in shown.items()}
    return {
        "results": results,
        "main": main,
        "hearing": manifest.get("hearing_check"),
        "headlines": [_headline(results, task, metric) for task, metric in chosen.items()],
        "scores": {task: _table(metrics) for task, metrics in shown.items()},
        "plots": {task: list(_plots(results, task, metric)) for task, metric in chosen.items()},
        "confusions": _by_task(results["breakdown"]["confusions"]),
        "listening": _listening(results),
        "offline": any("overlap_score" in metrics for metrics in results["higher_is_better"].values()),
        "tallies": [each for each in results["tallies"] if each["condition"] == main],
    }


def _main_metric(metrics: Mapping[str, Any], judges: Mapping[str, Any]) -> Metric:
    """judge_score by the first judge that has scored the task, else the metric that counts the most items."""
    for judge in judges:
        if f"judge_score,{judge}" in metrics:
            return Metric(f"judge_score,{judge}")
    return Metric(max(metrics, key=lambda key: _whole(metrics[key])["n"]))


def _whole(slices: Mapping[str, Entry]) -> Entry:
    """A metric over all items; of a type where it has no number over all."""
    return slices.get("all") or next(iter(slices.values()))


def _headline(results: ResultsFile, task: str, metric: Metric) -> dict[str, Any]:
    slices = results["intervals"][results["condition"]][task][metric.key]
    nulls = [(line.label, line.detail) for line in _nulls(results, task, metric)]
    best = None
    if nulls:
        pick = max if metric.higher_is_better else min
        best = pick(nulls, key=lambda each: each[1]["value"])
    return {"task": task, "about": results["tasks"][task], "metric": metric, "detail": _whole(slices), "null": best}


def _nulls(results: ResultsFile, task: str, metric: Metric, part: str = "all") -> Iterator[Line]:
    """What the null baselines reach: nobody judges them, so a judge's score has none."""
    for name, tasks in results["baselines"].items():
        if (found := tasks.get(task, {}).get(metric.key, {}).get(part)) is not None:
            yield Line(f"{name} (null)", found, "null")


def _table(metrics: Mapping[str, Mapping[str, Entry]]) -> dict[str, Any]:
    """A row a question type, a column a metric; a task of one type has nothing to tell apart."""
    found = {part for slices in metrics.values() for part in slices}
    types = [part for part in QTYPES if part in found]
    rows = ["all", *types] if len(types) > 1 or "all" not in found else ["all"]
    columns = [Metric(key) for key in metrics]
    cells = {row: [metrics[column.key].get(row) for column in columns] for row in rows}
    sizes = {row: max((cell for cell in cells[row] if cell), key=lambda cell: cell["n"]) for row in rows}
    return {"metrics": columns, "rows": rows, "cells": cells, "sizes": sizes}


def _plots(results: ResultsFile, task: str, metric: Metric) -> Iterator[Plot]:
    """A task's plots in its main metric: by type, beside the null baselines, by part, by condition."""
    main = results["condition"]
    slices = results["intervals"][main][task][metric.key]
    types = [Line(part, slices[part]) for part in QTYPES if part in slices]
    if len(types) > 1:
        yield Plot("By question type", metric, types, "type")
    floor = _floor(results, task, metric)
    own = results["intervals"][main][task].get(floor.key, {}).get("all")
    if own is not None and (nulls := list(_nulls(results, task, floor))):
        yield Plot("Beside the null baselines", floor, [Line(results["model"]["name"], own, "main"), *nulls], "system")
    for by, title, first in (("seconds", "By duration", "clip"), ("heard", "By share heard", "heard")):
        parts = [part for part in results["breakdown"]["parts"] if part["task"] == task and part["by"] == by]
        lines = [Line(_ends(part), part["scores"][metric.key]) for part in parts if metric.key in part["scores"]]
        if lines:
            yield Plot(title, metric, lines, first)
    under = [
        Line(name, found["all"], "main" if name == main else "")
        for name in [main, *results["conditions"]]
        if "all" in (found := results["intervals"].get(name, {}).get(task, {}).get(metric.key, {}))
    ]
    if len(under) > 1:
        yield Plot("By condition", metric, under, "condition")


def _floor(results: ResultsFile, task: str, metric: Metric) -> Metric:
    """What the null baselines are measured in: the main metric, or without its judge the one that counts the most."""
    if metric.judge is None:
        return metric
    own = results["intervals"][results["condition"]][task]
    offline = {key: slices for key, slices in own.items() if Metric(key).judge is None}
    return _main_metric(offline, {}) if offline else metric


def _ends(part: Entry) -> str:
    if part["by"] == "seconds":
        return f"{part['low']:.1f}–{part['high']:.1f} s"
    low, high = f"{part['low']:.0%}", f"{part['high']:.0%}"
    return low if low == high else f"{low}–{high}"


def _by_task(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for one in entries:
        found.setdefault(one["task"], []).append(one)
    return found


def _listening(results: ResultsFile) -> dict[str, Any] | None:
    """The listening report: the verdicts, then every other sentence, each once, with the types that it holds for."""
    report = results["listening"]
    if report is None:
        return None
    entries: Mapping[str, Any] = report
    return {
        "verdicts": _said(report["verdicts"]),
        "more": {title: said for key, title in SENTENCES.items() if (said := _said(entries[key]))},
        "meanings": [one for one in report["conditions"] if one["name"] != report["main"]],
    }


def _said(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """(the task and the types that a sentence holds for, the sentence), each sentence once."""
    names: dict[str, dict[str, list[str]]] = {}
    for one in entries:
        judge = "" if one.get("judge") is None else f" ({one['judge']})"
        names.setdefault(one["sentence"], {}).setdefault(one["task"], []).append(f"{one['type']}{judge}")
    return [
        ("; ".join(f"{task}: {', '.join(dict.fromkeys(types))}" for task, types in whose.items()), sentence)
        for sentence, whose in names.items()
    ]
