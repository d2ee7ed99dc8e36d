"""Which answers people rate: a random sample of what several systems said, with the chance that each had to be drawn.

    sample = draw(runs, Plan(200, raters=2, overlap=50))
    write_key(sample, out / "sample.json");  load_key(out / "sample.json") == sample

Strata are a system and a question type. Each gives the same number of answers, or all it has where it has fewer: rare
types and small runs are seen as often as large ones, and an estimate over all answers weighs each by 1 / chance
(Horvitz and Thompson 1952), which is what `stats.prediction_powered.ppi_mean` takes. Within a stratum every answer has
the same chance. The part that all raters share is spread over the strata, and so is each rater's own.

What is rated is what a judge is given: a refused or a cut-off answer is an empty one. Answers that could not be made
(`error`) are never a score, and null baselines are not systems: neither is drawn, and the sample says how many.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cpbench.errors import UserError
from cpbench.fingerprint import digest, text_sha256
from cpbench.flow.ledger import adapter
from cpbench.records import Item
from cpbench.runfolder import Run, case_of, write_json

VERSION = 1  # of sample.json
KEY = "sample.json"
Reference = Literal["on-demand", "shown", "never"]


@dataclass(frozen=True)
class Plan:
    """What is to be drawn."""

    n: int = 200  # answers, over all systems
    raters: int = 2
    overlap: int | None = None  # answers that all raters are given; None: 50, or all there are
    seed: int = 0
    types: tuple[str, ...] = ()  # question types; (): all


@dataclass(frozen=True)
class Stratum:
    """The answers of one system to questions of one type."""

    system: str
    type: str  # "none" where the data name none
    answers: int  # that there are
    drawn: int

    @property
    def chance(self) -> float:
        """The probability with which each of its answers was drawn."""
        return self.drawn / self.answers


@dataclass(frozen=True)
class Drawn:
    """One answer of the sample: the blinded id that raters see, and what it is."""

    id: str
    system: str
    task: str
    item_id: str
    condition: str
    type: str
    chance: float
    answer_sha256: str  # of the answer as it is rated
    raters: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """What sample.json holds: the key to the blinded ids, and how they were drawn."""

    id: str
    seed: int
    systems: Mapping[str, str]  # name -> model
    data: Mapping[str, str | None]  # task -> fingerprint
    raters: tuple[str, ...]
    overlap: int
    strata: tuple[Stratum, ...]
    drawn: tuple[Drawn, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)  # system -> what of it was not drawn from, and why
    version: int = VERSION

    def chance(self, system: str, type_: str | None) -> float | None:
        """The probability with which each answer of this system to a question of this type was drawn, if any was."""
        found = (one.chance for one in self.strata if (one.system, one.type) == (system, type_ or "none"))
        return next(found, None)


@dataclass(frozen=True)
class Answered:
    """One answer that may be drawn."""

    system: str
    item: Item
    condition: str
    text: str

    @property
    def type(self) -> str:
        return self.item.type or "none"


def draw(runs: Sequence[Run], plan: Plan) -> tuple[Sample, Mapping[str, Answered]]:
    """Draw the sample; the same runs and plan give the same one. Also returns the answers by their blinded ids.

    Each run is taken under its main condition. Where there are fewer answers than asked for, all are drawn. Raises
    UserError for a run given twice, runs of different data, no answers, a type that none has, and an `n` under the
    number of strata: a stratum that cannot be drawn from would make the sample say nothing about all answers.
    """
    systems, left_out = _systems(runs)
    answers, failed = _answers(systems, plan.types)
    strata: dict[tuple[str, str], list[Answered]] = {}
    for one in answers:
        strata.setdefault((one.system, one.type), []).append(one)
    if plan.n < len(strata):
        raise UserError(
            f"{plan.n} answers of {len(strata)} strata (systems x question types): each must give one or more",
            mend=f"--n {len(strata)} or more, or fewer types with --type",
        )
    rng = random.Random(digest("sample", plan.seed, plan.n))
    wanted = shares({key: len(members) for key, members in strata.items()}, plan.n, rng)
    chosen = {key: rng.sample(members, wanted[key]) for key, members in strata.items()}
    ordered = _interleaved(list(chosen.values()), rng)
    identity = digest(plan.seed, plan.n, [[one.system, one.item.task, one.item.id, one.text] for one in ordered])
    counted = tuple(Stratum(*key, len(members), wanted[key]) for key, members in strata.items())
    chances = {(one.system, one.type): one.chance for one in counted}
    raters = tuple(f"rater-{number}" for number in range(1, plan.raters + 1))
    overlap = _overlap(plan, len(ordered))
    ordered[overlap:] = sorted(
        ordered[overlap:], key=lambda one: (one.system, one.type)
    )  # dealt out stratum by stratum
    given = [raters if at < overlap else (raters[at % len(raters)],) for at in range(len(ordered))]
    drawn = [_drawn(one, identity, chances[one.system, one.type], who) for one, who in zip(ordered, given, strict=True)]
    sample = Sample(
        id=identity[:12],
        seed=plan.seed,
        systems={name: run.card.name for name, run in systems.items()},
        data=_data(runs[0]),
        raters=raters,
        overlap=overlap,
        strata=counted,
        drawn=tuple(sorted(drawn, key=lambda one: one.id)),
        left_out={**left_out, **failed},
    )
    return sample, {each.id: one for each, one in zip(drawn, ordered, strict=True)}


def shares(sizes: Mapping[tuple[str, str], int], n: int, rng: random.Random) -> dict[tuple[str, str], int]:
    """Divide `n` answers equally among strata of these sizes; what a small one cannot give, the others do.

    Where it does not come out even, chance says who gives one more.

    >>> shares({("a", "C"): 2, ("a", "DE"): 50, ("b", "DE"): 50}, 20, random.Random(0)) == {
    ...     ("a", "C"): 2, ("a", "DE"): 9, ("b", "DE"): 9}
    True
    """
    order = sorted(sizes)
    rng.shuffle(order)
    found, left = {}, min(n, sum(sizes.values()))
    for done, key in enumerate(sorted(order, key=lambda key: sizes[key])):  # stable: equal sizes stay shuffled
        found[key] = min(sizes[key], left // (len(sizes) - done))
        left -= found[key]
    return found


def write_key(sample: Sample, path: Path) -> None:
    """Write sample.json: what each blinded id is. It is not for the raters."""
    write_json(path, adapter(Sample).dump_python(sample, mode="json"))


def load_key(path: Path) -> Sample:
    """Read a sample.json. Raises UserError where there is none, or where it is something else."""
    import pydantic

    mend = f"the {KEY} that cpbench judge sample wrote beside the raters' pages"
    try:
        sample = adapter(Sample).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}", mend=mend) from None
    except (json.JSONDecodeError, pydantic.ValidationError):
        raise UserError("not the key of a sample:", value=str(path), mend=mend) from None
    if sample.version != VERSION:
        raise UserError(f"{path} is of version {sample.version}, and this cpbench reads {VERSION}", mend=mend)
    return sample


def _systems(runs: Sequence[Run]) -> tuple[dict[str, Run], dict[str, str]]:
    """The runs by the names that they are told apart by, without null baselines; and which those are."""
    folders = [run.folder.resolve() for run in runs]
    if doubled := next((folder for at, folder in enumerate(folders) if folder in folders[:at]), None):
        raise UserError("the same run is given twice:", value=str(doubled))
    for run in runs[1:]:
        if _data(run) != _data(runs[0]):
            raise UserError(
                f"{run.folder} and {runs[0].folder} are runs of different data",
                mend="runs of the same tasks, data and --limit; one sample for each data set",
            )
    named = Counter(run.name for run in runs)
    systems = {
        run.name if named[run.name] == 1 else f"{folder.parent.name}/{run.name}": run
        for run, folder in zip(runs, folders, strict=True)
    }
    if len(systems) < len(runs):
        raise UserError(f"two runs' folders are named alike, and the folders around them too: {sorted(named)}")
    null = {name: "a null baseline is no system" for name, run in systems.items() if run.card.kind == "null"}
    if len(null) == len(systems):
        raise UserError("only null baselines, which are no systems:", value=", ".join(null), mend="a model's run too")
    return {name: run for name, run in systems.items() if name not in null}, null


def _answers(systems: Mapping[str, Run], types: Sequence[str]) -> tuple[list[Answered], dict[str, str]]:
    """Every answer that may be drawn, in an order that does not depend on who finished first."""
    found: list[Answered] = []
    failed: Counter[str] = Counter()
    for name, run in systems.items():
        mine = list(run.outcomes(condition=run.main_condition))
        if not mine:
            raise UserError(f"{run.folder} has no answers under its condition {run.main_condition}", mend="cpbench run")
        failed[name] += sum(one.prediction.status == "error" for one in mine)
        for one in mine:
            if one.prediction.status != "error":
                text = case_of(one.item, one.prediction).answer
                found.append(Answered(name, one.item, one.prediction.condition, text))
    known = {one.type for one in found}
    if missing := next((one for one in types if one not in known), None):
        raise UserError("no question is of the type", value=missing, allowed=sorted(known))
    found = [one for one in found if not types or one.type in types]
    if not found:
        raise UserError("nothing to rate: every answer of these runs is an error", mend="cpbench run, again")
    found.sort(key=lambda one: (one.system, one.item.task, one.item.id))
    return found, {name: f"{count} answers that could not be made" for name, count in failed.items() if count}


def _drawn(one: Answered, identity: str, chance: float, raters: tuple[str, ...]) -> Drawn:
    """An answer under an id that does not say what it is."""
    return Drawn(
        digest(identity, one.system, one.item.task, one.item.id)[:10],
        one.system,
        one.item.task,
        one.item.id,
        one.condition,
        one.type,
        chance,
        text_sha256(one.text),
        raters,
    )


def _interleaved(strata: Sequence[list[Answered]], rng: random.Random) -> list[Answered]:
    """All drawn answers in an order of which every beginning is spread over the strata."""
    placed = [
        ((rank + rng.random()) / len(members), one)
        for members in strata
        for rank, one in enumerate(members)  # members are in random order already
    ]
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])]


def _overlap(plan: Plan, drawn: int) -> int:
    """How many answers all raters are given."""
    if plan.raters == 1:
        return 0
    if plan.overlap is not None and plan.overlap > drawn:
        raise UserError(f"{drawn} answers are drawn, and the raters cannot share", value=plan.overlap, mend="--overlap")
    return min(50, drawn) if plan.overlap is None else plan.overlap


def _data(run: Run) -> dict[str, str | None]:
    return {task.name: task.fingerprint for task in run.tasks}
