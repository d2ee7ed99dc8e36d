"""Answers on a board judged again by the judge that judged them: what `rejudge` and drift are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpbench.chat.paying import Paying
from cpbench.errors import UserError
from cpbench.fingerprint import dataset_fingerprint, judgement_key
from cpbench.flow.ledger import Ledger
from cpbench.judges import LoadedJudge, load_judge
from cpbench.leaderboard.board import Board, Entry
from cpbench.leaderboard.check import examine
from cpbench.leaderboard.datasets import DatasetCard
from cpbench.records import Case, Item, Judgement, Outcome, Task
from cpbench.runfolder import case_of
from cpbench.tasks import check_rights


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The judge that is asked, and what it may be given."""

    spec: str
    prompt: str | None = None  # None: the task's own
    options: Mapping[str, str] = field(default_factory=dict)
    items: Sequence[Item] = ()  # with their texts (and clips), where the board may not hold them
    third_party_ok: bool = False
    paying: Paying = field(default_factory=Paying)
    log: Path | None = None  # where judgements are kept, so that none is paid for twice; not in the board


@dataclass(frozen=True)
class Pair:
    """One answer, and what was said of it twice."""

    outcome: Outcome
    before: float  # points
    after: float | None  # None: the judge gave no score this time


def answers_of(board: Board, entry: Entry) -> tuple[DatasetCard, list[Outcome]]:
    """An entry's judged answers under its main condition. Raises UserError where it has none, or cannot be read."""
    checked = examine(entry.folder, board.folder)
    if checked.submission is None or checked.dataset is None or not checked.outcomes:
        first = next((one for one in checked.findings if one.fatal), None)
        raise UserError(f"{entry.id} cannot be read: {first.what if first else 'it has no answers'}")
    judged = [one for one in checked.ranked if one.score is not None]
    if not judged:
        raise UserError(
            "no judge has scored this entry; its label metrics are computed anew in every build:", value=entry.id
        )
    return checked.dataset, judged


def open_judge(asking: Asking, judge_id: str, task: Task) -> LoadedJudge:
    """Load the judge. Raises UserError where it is another one, or the rights forbid to send what it reads."""
    judge = load_judge(
        asking.spec,
        asking.options,
        prompt=asking.prompt,
        otherwise=task.judge_prompt,
        wrap=asking.paying.wrap(Path(), lambda said: None),  # no batches, so no folder
    )
    if judge.judge_id != judge_id:
        raise UserError(
            f"{judge.name} has the judge_id {judge.judge_id[:12]}, and the entry was judged by {judge_id[:12]}: "
            "another judge can confirm nothing",
            mend="--judge and --judge-prompt as in the entry's submission.json (judge.name, judge.identity)",
        )
    check_rights(judge.name, [task], third_party=judge.third_party, ok=asking.third_party_ok, flag="--third-party-ok")
    return judge


def items_with_texts(card: DatasetCard, judge: LoadedJudge, items: Sequence[Item]) -> Mapping[str, Item]:
    """The set's items as the judge must see them. Raises UserError where the board lacks their texts or clips."""
    own = [item for item in items if item.task == card.task.name]
    if not own:
        if card.has_texts and not judge.hears:
            return card.by_id
        lacking = "hears the clips" if judge.hears else "reads questions and references, which this board may not hold"
        raise UserError(
            f"{judge.name} {lacking}", mend="--run RUN: a run of yours on the same set, whose items have them"
        )
    if dataset_fingerprint(own) != card.fingerprint:
        raise UserError(
            f"these are not the items of {card.task.name} on this board", mend="a run of the whole set, as it is"
        )
    return {item.id: item for item in own}


def judged_again(
    judge: LoadedJudge, outcomes: Sequence[Outcome], items: Mapping[str, Item], log: Path | None = None
) -> list[Pair]:
    """Ask the judge of each answer once more, in one stream. Judgements that `log` holds are not asked for again."""
    cases = {place: case_of(items[one.item.id], one.prediction) for place, one in enumerate(outcomes)}
    keys = {place: judgement_key(judge.judge_id, case) for place, case in cases.items()}
    said = {one.key: one for one in _asked(judge, dict(zip(keys.values(), cases.values(), strict=True)), log)}
    return [Pair(one, float(one.score or 0.0), said[keys[place]].score) for place, one in enumerate(outcomes)]


def _asked(judge: LoadedJudge, cases: Mapping[str, Case], log: Path | None) -> Iterator[Judgement]:
    if log is None:
        yield from judge.judge(cases.values())
        return
    with Ledger(log, Judgement, again=lambda one: one.score is None) as ledger:
        for one in judge.judge([case for key, case in cases.items() if key not in ledger]):
            ledger.append(one)
        kept = (ledger.get(key) for key in cases)
        yield from (one for one in kept if one is not None)
