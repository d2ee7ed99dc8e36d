"""From a run to submissions: one folder of three files for each of its tasks, or the reason why it cannot be ranked."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import canonical
from cpbench.flow.ledger import write_whole
from cpbench.judges import cards_folder
from cpbench.leaderboard.binding import Identity
from cpbench.leaderboard.check import Checked, against, claimed
from cpbench.leaderboard.codes import Refused
from cpbench.leaderboard.datasets import DatasetCard, describe
from cpbench.leaderboard.gathering import Gathered, gather
from cpbench.leaderboard.parsing import facts_of, parse
from cpbench.leaderboard.reading import JUDGEMENTS, LIMITS, PREDICTIONS, SIGNATURE, SUBMISSION
from cpbench.leaderboard.rescored import join, rescore
from cpbench.leaderboard.schema import (
    SCHEMA_VERSION,
    ClaimedScore,
    Dataset,
    Environment,
    Generation,
    JudgeFacts,
    JudgementLine,
    Kind,
    PredictionLine,
    Submission,
    System,
    TrainedOnEval,
    Usage,
)
from cpbench.records import Call, ModelCard, Task
from cpbench.runfolder import Run

NO_JUDGE = "none"
_PATH = re.compile(r"^(?:[/~\\]|\.{1,2}(?:/|$)|[A-Za-z]:[\\/])|://|\\|^hf//")


@dataclass(frozen=True, kw_only=True)
class About:
    """What only a person knows of a system, and which of a run's tasks and judges are meant."""

    name: str | None = None  # None: the model's own
    organisation: str | None = None
    url: str | None = None
    license: str | None = None
    revision: str | None = None  # None: the checkpoint's own
    trained_on_eval: TrainedOnEval = "unknown"
    backbone: str | None = None  # None: the family that the checkpoint says
    selection_rule: str = "the only run"
    attempted_runs: int = 1
    note: str | None = None
    judge: str | None = None  # its name or the beginning of its judge_id; NO_JUDGE; None: the run's only one
    tasks: tuple[str, ...] = ()  # (): all of the run


def submit(run: Run, out: Path, *, about: About) -> list[Path]:
    """Write one submission a task below `out`, and return their folders: `out/TASK`.

    What was written was checked as a board checks it. Raises UserError for a run, or a task of it, that cannot be
    ranked, and says why; nothing is written then.
    """
    _check_run(run)
    judge_id = _judge_of(run, about.judge)
    made = {task.name: _made(run, task, judge_id, about) for task in _tasks_of(run, about.tasks)}
    folders = [out / re.sub(r"[^A-Za-z0-9._-]+", "-", name) for name in made]
    for folder in folders:
        _check_place(folder)
    for folder, files in zip(folders, made.values(), strict=True):
        (folder / SIGNATURE).unlink(missing_ok=True)
        for name, data in files.items():
            write_whole(folder / name, data)
    return folders


def pack(folder: Path) -> Path:
    """Write a submission's zip beside its folder: the same bytes for the same files."""
    path = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in LIMITS:
            if (folder / name).is_file():
                info = zipfile.ZipInfo(name)  # of the year 1980
                info.external_attr = 0o100644 << 16
                archive.writestr(info, (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)
    return path


def suggested_name(card: ModelCard) -> str:
    """A model's name without the place where it lies."""
    return card.name if _PATH.search(card.name) is None else Path(card.name).name


def _check_run(run: Run) -> None:
    if run.config.limit is not None:
        raise UserError("a partial run (--limit) cannot be ranked", mend="the same cpbench run without --limit")
    if run.config.shard != (0, 1):
        raise UserError("one shard of a run cannot be ranked", mend="cpbench merge DIR... --out DIR")
    if run.main_condition != run.card.condition:
        raise UserError(
            f"the run has no answers under {run.card.condition!r}, which is ranked, but under",
            value=run.main_condition,
            mend=f"the same cpbench run with --condition {run.card.condition}",
        )


def _tasks_of(run: Run, names: Sequence[str]) -> list[Task]:
    known = {task.name: task for task in run.tasks}
    for name in names:
        if name not in known:
            raise UsageError("the run has no such task", value=name, allowed=known)
    return [task for task in run.tasks if not names or task.name in names]


def _judge_of(run: Run, wanted: str | None) -> str | None:
    """The judge_id that is meant; None: label metrics alone."""
    judges: Mapping[str, Mapping[str, Any]] = run.manifest.get("judges", {})
    if wanted == "overlap":
        raise UsageError("overlap compares words and is no judge; boards refuse it", mend=f"--judge {NO_JUDGE}")
    if wanted == NO_JUDGE or (wanted is None and not judges):
        return None
    found = [key for key, about in judges.items() if wanted in (None, about["name"]) or key.startswith(str(wanted))]
    if len(found) == 1:
        return found[0]
    names = [f"{about['name']} ({key[:12]})" for key, about in judges.items()]
    if wanted is not None and not found:
        raise UsageError("the run was not judged by", value=wanted, allowed=names, mend="cpbench judge run RUN")
    raise UsageError(
        "the run has several judges, and a submission one; say which by its name or judge_id:",
        value=wanted,
        allowed=names,
        mend="--judge NAME",
    )


def _check_place(folder: Path) -> None:
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if (folder.exists() and not folder.is_dir()) or held - set(LIMITS):
        raise UserError("this holds something else than a submission:", value=str(folder), mend="another --out")


def _made(run: Run, task: Task, judge_id: str | None, about: About) -> dict[str, bytes]:
    """The three files of one task, checked as a board checks them."""
    found = gather(run, task, judge_id)
    dataset = describe(task, found.items)
    answers, judged = found.answer_lines(), found.judgement_lines()
    files = {PREDICTIONS: _dumped(answers), JUDGEMENTS: _dumped(judged)}
    try:
        draft = Submission(
            schema_version=SCHEMA_VERSION,
            system=_system(run.card, about),
            dataset=_dataset(dataset),
            generation=_generation(run, dataset, about, found.others),
            predictions=facts_of(files[PREDICTIONS]),
            judgements=facts_of(files[JUDGEMENTS]),
            judge=None if judge_id is None else _judge(judge_id, run.manifest["judges"][judge_id], found.calls),
            scores=(),
            environment=_environment(run.manifest.get("environment", {})),
            usage=_usage(run, found, judge_id),
            note=about.note,
        )
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}:", value=first["input"]) from None
    scores = rescore(join(draft, dataset, answers, judged), dataset, judge_id)
    whole = draft.model_copy(update={"scores": tuple(sorted(map(claimed, scores), key=_order))})
    files[SUBMISSION] = canonical(whole.model_dump(mode="json")) + b"\n"
    _check_made(files, dataset)
    return files


def _dumped(lines: Sequence[PredictionLine] | Sequence[JudgementLine]) -> bytes:
    """Each line without what it leaves open."""
    return b"".join(canonical(line.model_dump(mode="json", exclude_defaults=True)) + b"\n" for line in lines)


def _order(score: ClaimedScore) -> tuple[str, str, bool, str]:
    return score.condition, score.metric, score.judged, score.slice


def _check_made(files: Mapping[str, bytes], dataset: DatasetCard) -> None:
    """Raise UserError where a board would refuse what is to be written."""
    try:
        checked = against(Checked(()), parse(files), dataset)
    except Refused as refused:
        raise UserError(f"a board would refuse this, {refused.finding.code}: {refused.finding.what}") from None
    for one in checked.findings:
        if one.code == "nothing_ranked":
            raise UserError(
                f"{dataset.task.name} has no label metric, overlap_score is no judge, and no judge was asked: there is "
                "nothing to rank by",
                mend="cpbench judge run RUN --judge SPEC, then submit",
            )
        if one.fatal:
            raise UserError(f"a board would refuse this, {one.code}: {one.what}", mend=one.mend)


def _system(card: ModelCard, about: About) -> System:
    kinds: dict[str, Kind] = {"null": "null", "cascade": "cascade"}
    return System(
        name=about.name or suggested_name(card),
        organisation=about.organisation,
        url=about.url,
        kind=kinds.get(card.kind, "api" if card.third_party else "end_to_end"),
        revision=about.revision or _portable(card.revision),
        license=about.license,
        trained_on_eval=about.trained_on_eval,
        backbone=about.backbone or _portable(card.family),
    )


def _dataset(card: DatasetCard) -> Dataset:
    return Dataset(
        name=card.task.name,
        version=card.task.version,
        split=card.split,
        fingerprint=card.fingerprint,
        items=len(card.items),
        recordings=card.recordings,
    )


def _generation(run: Run, dataset: DatasetCard, about: About, others: tuple[str, ...]) -> Generation:
    asked = dataset.task.generation
    details = {key: value for key, value in run.card.details.items() if _is_simple(value)}
    parameters = {"max_new_tokens": asked.max_new_tokens, "temperature": asked.temperature, **details}
    return Generation(
        condition=run.main_condition,
        others=others,
        prompt_sha256=dataset.prompts_sha256,
        tag_template=run.card.tag_template,
        parameters=parameters,
        seeds=(run.config.seed,),
        attempted_runs=about.attempted_runs,
        selection_rule=about.selection_rule,
    )


def _judge(judge_id: str, about: Mapping[str, Any], calls: list[Call]) -> JudgeFacts:
    """Who judged, without where. An identity that names a place is left out: then nobody can check the judge_id."""
    identity = about.get("identity")
    if identity is not None and any(_PATH.search(model) for model in Identity.of(identity).members):
        identity = None
    said = Identity.of(identity)
    name = str(about["name"])
    return JudgeFacts(
        judge_id=judge_id,
        name=name if _PATH.search(name) is None else Path(name).name,
        identity=identity,
        prompt_sha256=said.prompt,
        members=said.members,
        resolved=tuple(sorted({call.model_resolved for call in calls if call.model_resolved})),
        repeats=about["repeats"] or 1,
        correct_score=about["correct_score"],
        same_family=about["same_family"],
        simulated=said.simulated or name.startswith("simulated:"),
        validity_sha256=_sha256_of(cards_folder() / f"{judge_id}.json"),
    )


def _sha256_of(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _environment(facts: Mapping[str, Any]) -> Environment:
    return Environment(
        python=facts.get("python"),
        platform=facts.get("platform"),
        cpus=facts.get("cpus"),
        gpus=tuple(facts.get("gpus", ())),
        packages=facts.get("packages", {}),
    )


def _usage(run: Run, found: Gathered, judge_id: str | None) -> Usage:
    """What the ranked condition took, and its judge. Times and money are known of a whole run only."""
    answers = found.answers[found.condition]
    alone = len(run.tasks) == 1 and len({one.condition for one in run.predictions}) == 1
    cost = run.manifest.get("judges", {}).get(judge_id, {}).get("cost") if alone else None
    spent = Counter[str]()
    for call in found.calls:
        spent.update(call.usage)
    tokens = {
        key: sum(counts) if (counts := [n for one in answers if (n := getattr(one, key)) is not None]) else None
        for key in ("input_tokens", "output_tokens")
    }
    return Usage(
        **tokens,
        wall_s=run.manifest.get("wall_s") if alone else None,
        items_per_second=run.manifest.get("items_per_second"),
        audio_seconds=sum(one.audio_seconds for one in answers),
        audio_seconds_heard=sum(one.audio_seconds_heard for one in answers),
        judge_calls=len(found.calls),
        judge_input_tokens=spent.get("input_tokens"),
        judge_output_tokens=spent.get("output_tokens"),
        money=cost["money"] if cost else None,
        currency=cost["currency"] if cost else None,
    )


def _is_simple(value: object) -> bool:
    """Whether a detail of a model may be told: a number, or a word that is no place."""
    return (
        value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and _portable(value) == value)
    )


def _portable(word: str | None) -> str | None:
    """A word that names no place; None for one that does."""
    return None if not word or _PATH.search(word) or len(word) > 200 else word
