"""cpbench from Python: `cpbench.run`, `cpbench.load_run`, `cpbench.compare`; see docs/python.md.

What the command line prints as an error is raised here as a UserError, with the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from cpbench.errors import UsageError, UserError
from cpbench.records import Item, Judgement, ModelCard, Outcome, Prediction, Results, RunConfig, Score, Task

if TYPE_CHECKING:
    import pandas

    from cpbench.comparison import Comparison
    from cpbench.exports import Table
    from cpbench.flow.watch import Watch
    from cpbench.runfolder import Run

Progress = Literal["quiet", "bar"]


@dataclass(frozen=True)
class OpenRun:
    """A run that lies in its folder, to be read: what was asked, answered and judged, and what was made of it.

    Opening one reads the items and indexes the answers; scores are computed when they are first asked for, from what
    lies in the folder, and nothing is written.
    """

    on_disk: Run

    @property
    def folder(self) -> Path:
        return self.on_disk.folder

    @property
    def name(self) -> str:
        return self.on_disk.name

    @property
    def config(self) -> RunConfig:
        return self.on_disk.config

    @property
    def manifest(self) -> Mapping[str, Any]:
        """manifest.json: versions, hardware, prompts, hearing check."""
        return self.on_disk.manifest

    @property
    def model(self) -> ModelCard:
        return self.on_disk.card

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.on_disk.tasks

    @property
    def items(self) -> tuple[Item, ...]:
        return self.on_disk.items

    @property
    def judges(self) -> dict[str, str]:
        """Who judged: name -> judge_id."""
        return {about["name"]: judge_id for judge_id, about in self.manifest.get("judges", {}).items()}

    @cached_property
    def predictions(self) -> tuple[Prediction, ...]:
        return tuple(self.on_disk.predictions)

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        return tuple(self.on_disk.judgements)

    @cached_property
    def results(self) -> Results:
        """Every score with its interval, and what must be said beside them."""
        from cpbench.evaluate import scored

        return scored(self.on_disk)[0]

    def outcomes(self, *, condition: str | None = None, judge: str | None = None) -> list[Outcome]:
        """Every prediction (of one condition) with its item and, with a judge's name, its judgements.

        Raises UserError for a judge that has not judged this run.
        """
        judge_id = None if judge is None else self._judge_id(judge)
        return list(self.on_disk.outcomes(condition=condition, judge_id=judge_id))

    def judged(self) -> dict[str, list[Outcome]]:
        """The outcomes of every judge, by its name."""
        return {name: self.outcomes(judge=name) for name in self.judges}

    def score(
        self,
        metric: str,
        *,
        task: str | None = None,
        condition: str | None = None,
        type: str = "all",
        judge: str | None = None,
    ) -> Score:
        """The one score of this name; task and judge may be left out where only one is possible.

        `condition` left out is the run's main one; `type` is a question type. Raises UserError where there is no such
        score, or several.
        """
        wanted = condition or self.on_disk.main_condition
        here = [one for one in self.results.scores if one.condition == wanted and one.slice == type]
        named = [one for one in here if one.metric == metric]
        if not named:
            raise UserError("no such score", value=metric, allowed=sorted({one.metric for one in here}))
        judge_id = None if judge is None else self._judge_id(judge)
        fit = [one for one in named if task in (None, one.task) and judge_id in (None, one.judge_id)]
        if len(fit) != 1:
            say = "say task= or judge=" if fit else "another task= or judge="
            raise UserError(f"{len(fit)} scores are called", value=metric, allowed=_places(named, self), mend=say)
        return fit[0]

    def to_pandas(self) -> pandas.DataFrame:
        """One row a prediction: item, answer, the label read from it, and each judge's score and status.

        Texts are included whatever the data's rights: the table stays on this machine. `cpbench export` leaves out
        what may not be shown.
        """
        from cpbench.exports import answer_table

        return _frame(answer_table(self.outcomes(), self.tasks, judged=self.judged(), own=True))

    def scores_to_pandas(self) -> pandas.DataFrame:
        """One row a score, those of the null baselines too."""
        from cpbench.exports import score_table

        return _frame(score_table(self.results))

    def _judge_id(self, name: str) -> str:
        if name not in self.judges:
            raise UserError("no such judge of this run:", value=name, allowed=sorted(self.judges))
        return self.judges[name]


def run(
    model: str,
    *,
    tasks: str | Path | Sequence[str] | None = None,
    judge: str | Sequence[str] = (),
    condition: str | Sequence[str] = (),
    limit: int | None = None,
    out: str | Path | None = None,
    model_options: Mapping[str, object] | None = None,
    judge_options: Mapping[str, object] | None = None,
    judge_prompt: str | Path | None = None,
    data_dir: str | Path | Mapping[str, str | Path] | None = None,
    asr: str | None = None,
    paraphrases: str | Path | None = None,
    seed: int = 0,
    strict: bool = False,
    hearing_check: bool = True,
    third_party_ok: bool = False,
    progress: Progress = "bar",
) -> OpenRun:
    """Run a model on some tasks, or go on with a run, as `cpbench run` does; the keywords are its flags.

    `model` is a SPEC, `tasks` names or items.jsonl files, `judge` and `condition` one or several, `data_dir` a folder
    for all tasks or one a task. `progress="bar"` draws on stderr, "quiet" says nothing. Raises UserError with the
    command's words, and TypeError for a keyword that is none.
    """
    from cpbench.evaluate import evaluate
    from cpbench.flow.watch import Watching
    from cpbench.tasks import default_tasks

    config = RunConfig(
        model=str(model),
        tasks=_words(tasks) if tasks is not None else default_tasks(str(model)),
        judges=_words(judge),
        judge_prompt=_word(judge_prompt),
        conditions=_words(condition),
        model_options=_texts(model_options),
        judge_options=_texts(judge_options),
        data_dirs=_texts(data_dir if isinstance(data_dir, Mapping) else {"": data_dir} if data_dir else {}),
        out=_word(out),
        limit=_count(limit),
        asr=asr,
        paraphrases=_word(paraphrases),
        seed=seed,
        strict=strict,
        hearing_check=hearing_check,
        third_party_ok=third_party_ok,
    )
    with _shown(progress) as watch:
        done = evaluate(config, Watching(watch))
    return OpenRun(done)


def load_run(path: str | Path) -> OpenRun:
    """Open a run's folder for reading. Needs neither its data, nor its audio, nor its model.

    Raises UserError for a folder that holds no run.
    """
    from cpbench.runfolder import load_run as opened

    return OpenRun(opened(Path(path)))


def compare(
    runs: Iterable[str | Path | OpenRun],
    *,
    condition: str | None = None,
    metrics: Sequence[str] = (),
    judge: str | None = None,
) -> Comparison:
    """Compare runs on the items that they share; see docs/compare.md. Raises UserError as `cpbench compare`."""
    from cpbench.comparison import Choice
    from cpbench.comparison import compare as compared

    opened = [one if isinstance(one, OpenRun) else load_run(one) for one in runs]
    return compared([one.on_disk for one in opened], Choice(condition=condition, metrics=tuple(metrics), judge=judge))


@contextmanager
def _shown(progress: Progress) -> Iterator[Watch]:
    from cpbench.flow.progress import Bar
    from cpbench.flow.watch import Unwatched

    if progress not in get_args(Progress):
        raise UsageError("progress is shown as", value=progress, allowed=get_args(Progress))
    if progress == "quiet":
        yield Unwatched()
        return
    with Bar() as bar:
        yield bar


def _words(given: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """One word or several; a text may hold several with commas, as on the command line."""
    several = str(given).split(",") if isinstance(given, str | Path) else map(str, given)
    return tuple(dict.fromkeys(word.strip() for word in several if word.strip()))


def _word(given: str | Path | None) -> str | None:
    return None if given is None else str(given)


def _texts(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Options as the command line has them: text."""
    return {key: "none" if value is None else str(value) for key, value in (given or {}).items()}


def _count(limit: int | None) -> int | None:
    if limit is not None and limit < 1:
        raise UsageError("limit is a number of items from 1 on, not", value=limit)
    return limit


def _places(scores: Iterable[Score], run: OpenRun) -> list[str]:
    """Which scores these are, by task and judge."""
    names = {judge_id: name for name, judge_id in run.judges.items()}
    return [f"{one.task} by {names[one.judge_id]}" if one.judge_id else one.task for one in scores]


def _frame(table: Table) -> pandas.DataFrame:
    """A table with the types of its columns, also where a column is empty."""
    import pandas

    kinds = {str: "string", int: "Int64", float: "float64", bool: "boolean"}
    frame = pandas.DataFrame([dict(row) for row in table.rows], columns=list(table.columns))
    return frame.astype({name: kinds[kind] for name, kind in table.columns.items()})
