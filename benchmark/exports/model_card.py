"""Hugging Face: a model card with `model-index`, and `.eval_results/*.yaml` for sets that have a page on the Hub.

`model-index` holds every score over all items under the run's main condition, with its interval, judge and coverage as
arguments of the metric. A card that lies in the folder keeps all that it says: other results stay, and those of the
same set and metric are replaced. `.eval_results/TASK.yaml` holds one headline a set and judge: the judge's score where
one has judged, else the set's first metric.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cpbench.errors import UserError
from cpbench.exports._tables import judge_name, main_condition, model_name, written
from cpbench.flow.ledger import write_whole
from cpbench.records import Results, Score, Task

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData

DEFAULT = "model_card"
PIPELINE = "audio-text-to-text"  # the Hub's name for a model that takes audio and words, and answers in words
ON_THE_HUB = {"macro_f1": "f1", "weighted_f1": "f1"}
"""Metrics that the Hub knows by another name."""


@dataclass(frozen=True)
class Options:
    """What a card says and a run does not know."""

    url: str | None = None  # of the report, where it lies for others to see
    source: str = "cpbench"  # what that page is called
    name: str | None = None  # the model's; None: as it calls itself


def write(results: Results, path: Path, options: Options | None = None) -> list[Path]:
    """Write `README.md` and `.eval_results/` into the folder `path`, and return the files.

    Raises UserError for results without a score, and for a README.md whose metadata cannot be read.
    """
    options = options or Options()
    scores = [score for score in _main(results) if score.slice == "all" and math.isfinite(score.estimate.value)]
    if not scores:
        raise UserError(f"{results.run} has no score to write")
    tasks = {task.name: task for task in results.tasks}
    card = _card(path / "README.md", results, options)
    made = [_eval_result(score, tasks[score.task], results, options) for score in scores]
    data: ModelCardData = card.data  # type: ignore[assignment]  # huggingface_hub declares its base class
    data.eval_results = [*_kept(data.eval_results or [], made), *made]
    data.model_name = data.model_name or options.name or model_name(results.model)
    write_whole(path / "README.md", str(card).encode())
    return [path / "README.md", *_entries(results, scores, path, options)]


def _main(results: Results) -> list[Score]:
    """The scores of the condition that the results are about."""
    wanted = main_condition(results)
    return [score for score in results.scores if score.condition == wanted]


def _card(file: Path, results: Results, options: Options) -> ModelCard:
    """The card that lies there, or a new one with the scores as a table."""
    from huggingface_hub import ModelCard, ModelCardData

    if file.is_file():
        try:
            return ModelCard(file.read_text(encoding="utf-8"), ignore_metadata_errors=False)
        except (ValueError, yaml.YAMLError) as error:
            raise UserError(f"{file} has metadata that cannot be read: {error}") from error
    data = ModelCardData(pipeline_tag=PIPELINE, tags=["cpbench"])
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_body(results, options)}")


def _body(results: Results, options: Options) -> str:
    lines = [f"# {options.name or model_name(results.model)}", "", "## Evaluation", ""]
    lines += ["| set | metric | value | 95 % interval | items | recordings |", "|---|---|---|---|---|---|"]
    for score in _main(results):
        if score.slice == "all" and math.isfinite(score.estimate.value):
            cells = (score.task, _metric_name(score, results), _value(score), _interval(score))
            lines.append(f"| {' | '.join(map(_cell, cells))} | {score.estimate.n} | {score.estimate.clusters} |")
    lines += ["", "Measured with cpbench; intervals are clustered by recording.", ""]
    lines += [f"* {_cell(warning)}" for warning in results.warnings]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _value(score: Score) -> str:
    return written(score.estimate.value, score.metric)


def _interval(score: Score) -> str:
    low, high = score.estimate.low, score.estimate.high
    return "-" if low is None or high is None else f"[{written(low, score.metric)}, {written(high, score.metric)}]"


def _metric_name(score: Score, results: Results) -> str:
    condition = "" if score.condition == "audio" else f", {score.condition}"
    judge = "" if score.judge_id is None else f", judge {judge_name(results, score.judge_id)}"
    return f"{score.metric.replace('_', ' ')}{condition}{judge}"


def _eval_result(score: Score, task: Task, results: Results, options: Options) -> EvalResult:
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type=PIPELINE,
        dataset_type=task.repository or task.name,
        dataset_name=task.name,
        dataset_split="test",
        dataset_revision=task.revision,
        metric_type=ON_THE_HUB.get(score.metric, score.metric),
        metric_name=_metric_name(score, results),
        metric_value=score.estimate.value,
        metric_args=_arguments(score, task, results),
        source_name=options.source if options.url else None,
        source_url=options.url,
    )


def _arguments(score: Score, task: Task, results: Results) -> dict[str, Any]:
    """What the value means nothing without."""
    estimate = score.estimate
    made: dict[str, Any] = {
        "metric": score.metric,
        "condition": score.condition,
        "ci95_low": estimate.low,
        "ci95_high": estimate.high,
        "items": estimate.n,
        "recordings": estimate.clusters,
        "coverage": score.coverage,
        "task_version": task.version,
        "fingerprint": task.fingerprint,
    }
    if score.judge_id is not None:
        validity = results.judges.get(score.judge_id, "not validated")
        made |= {"judge_id": score.judge_id, "judge_validity": validity}
    if score.leaked:
        made["leaked"] = True
    return {key: value for key, value in made.items() if value is not None}


def _kept(before: Iterable[EvalResult], made: Iterable[EvalResult]) -> Iterator[EvalResult]:
    """Results of the card that these do not replace."""
    replaced = {(one.dataset_type, one.dataset_name, one.metric_name) for one in made}
    return (one for one in before if (one.dataset_type, one.dataset_name, one.metric_name) not in replaced)


def _entries(results: Results, scores: Iterable[Score], path: Path, options: Options) -> Iterator[Path]:
    """One file a set that the Hub has."""
    from huggingface_hub import eval_result_entries_to_yaml

    scores = list(scores)
    for task in results.tasks:
        headlines = list(_headlines([score for score in scores if score.task == task.name], task))
        if task.repository is None or not headlines:
            continue
        entries = [_entry(score, task, results, options) for score in headlines]
        text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)
        file = path / ".eval_results" / f"{task.name}.yaml"
        write_whole(file, text.encode())
        yield file


def _headlines(scores: list[Score], task: Task) -> Iterator[Score]:
    judged = [score for score in scores if score.metric == "judge_score"]
    first = next((score for name in task.metrics for score in scores if score.metric == name), None)
    yield from judged or ([] if first is None else [first])


def _entry(score: Score, task: Task, results: Results, options: Options) -> EvalResultEntry:
    from huggingface_hub import EvalResultEntry

    said = [_metric_name(score, results), f"95 % interval {_interval(score)}", f"{score.estimate.n} items"]
    if score.judge_id is not None:
        said.append(f"judge: {results.judges.get(score.judge_id, 'not validated')}")
    return EvalResultEntry(
        dataset_id=str(task.repository),
        task_id=task.name,
        value=score.estimate.value,
        dataset_revision=task.revision,
        date=results.time,
        source_url=options.url,
        source_name=options.source if options.url else None,
        notes="; ".join(said),
    )
