"""What is shown beside an entry and refuses nothing: signs that somebody should look at it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic_core import from_json

from cpbench.fingerprint import text_sha256
from cpbench.judges import speaks_to_judge
from cpbench.labels import labels_named
from cpbench.leaderboard.codes import Finding, finding
from cpbench.leaderboard.datasets import DatasetCard, plain
from cpbench.leaderboard.reading import PREDICTIONS, SUBMISSION
from cpbench.leaderboard.schema import Submission
from cpbench.metrics.classification import labelled, predicted
from cpbench.records import Outcome

CARDS, PLAIN = "judges", re.compile(r"[A-Za-z0-9_-]{1,100}")  # a judge_id that may name a file
COPIED = 0.05  # share of the answers of four words or more that are a reference, word for word
HEDGED = 0.10  # share of the answers to questions with labels that name several
EQUAL = 0.95  # share of the answers that are another entry's
EQUAL_WRONG = 0.90  # the same, of the answers that are not right: good systems agree when they are right
FEWEST = 5  # of either, to speak of shares
ENOUGH_WORDS = 4  # shorter answers are a reference by chance


def flags_of(submission: Submission, dataset: DatasetCard, outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """The flags of a submission by itself; `outcomes` are those of the ranked condition."""
    yield from _declared(submission)
    yield from _failed(outcomes)
    yield from _copied(outcomes, dataset)
    yield from _hedged(outcomes)
    if spoken := [one for one in outcomes if speaks_to_judge(one.prediction.answer)]:
        yield finding("injection", f"{len(spoken)} answers; the first: {spoken[0].item.id!a}")
    for name, code, words in (("trained_on", "trained_on", "clips"), ("leaked", "leaked", "prompts")):
        if count := sum(name in one.prediction.flags for one in outcomes):
            yield finding(code, f"{words} of {count} of {len(outcomes)} items, as its run says")


def _declared(submission: Submission) -> Iterator[Finding]:
    judge = submission.judge
    if submission.system.trained_on_eval == "yes":
        yield finding("trained_on", "as its makers say")
    if submission.system.trained_on_eval == "unknown":
        yield finding("trained_on_unknown", "trained_on_eval is unknown")
    if judge is not None and judge.simulated:
        yield finding("simulated_judge", judge.name)
    if judge is not None and judge.same_family:
        yield finding("same_family", f"{judge.name} and {submission.system.backbone or submission.system.name}")
    if judge is not None and judge.identity is None:
        yield finding("judge_unproven", judge.name)


def validity(submission: Submission, board: Path) -> Iterator[Finding]:
    """Whether the judge's validity card is the one that the board has; where either has none, nothing can be said."""
    judge = submission.judge
    if judge is None or judge.validity_sha256 is None or PLAIN.fullmatch(judge.judge_id) is None:
        return
    card = board / CARDS / f"{judge.judge_id}.json"
    if not card.is_file():
        return
    own = hashlib.sha256(card.read_bytes()).hexdigest()
    if own != judge.validity_sha256:
        said = f"sha256 {judge.validity_sha256[:12]}, and that of {CARDS}/{card.name} is {own[:12]}"
        yield finding("validity_differs", said)


def _failed(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    if errors := sum(one.prediction.status == "error" for one in outcomes):
        yield finding("answers_missing", f"{errors} of {len(outcomes)}")
    failed = [each for one in outcomes for each in one.judgements if each.score is None]
    if failed:
        kinds = ", ".join(sorted({each.status for each in failed}))
        yield finding("judgements_failed", f"{len(failed)}: {kinds}")


def _copied(outcomes: Sequence[Outcome], dataset: DatasetCard) -> Iterator[Finding]:
    """Whole references as answers. A reference that is a label or an option, or is short, is no copy but an answer."""
    long = [one for one in outcomes if len(one.prediction.answer.split()) >= ENOUGH_WORDS]
    copies = [one for one in long if _is_copy(one, dataset)]
    if len(copies) >= FEWEST and len(copies) > COPIED * len(long):
        yield finding("gold_copies", f"{len(copies)} of {len(long)} answers; the first: {copies[0].item.id!a}")


def _is_copy(one: Outcome, dataset: DatasetCard) -> bool:
    said = plain(one.prediction.answer)
    offered = {plain(text) for text in (one.item.label or "", *one.item.options)}
    return said not in offered and text_sha256(said) in dataset.references[one.item.id]


def _hedged(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    asked = [one for one in outcomes if labelled(one) and one.prediction.status == "ok" and predicted(one) is None]
    hedges = sum(len(labels_named(one.prediction.answer, one.item.options)) > 1 for one in asked)
    of = sum(map(labelled, outcomes))
    if hedges >= FEWEST and hedges > HEDGED * of:
        yield finding("hedging", f"{hedges} of {of} answers")


def beside(submission: Submission, outcomes: Sequence[Outcome], board: Path) -> Iterator[Finding]:
    """The flags of a submission beside the board's entries of the same set: equal names, nearly equal answers."""
    answers = {one.item.id: plain(one.prediction.answer) for one in outcomes}
    doubtful = {one.item.id for one in outcomes if not labelled(one) or predicted(one) != one.item.label}
    for entry, name, theirs in _entries(board, submission.dataset.fingerprint):
        if name == submission.system.name:
            yield finding("same_name", f"{entry} is of {name}, too")
        shared = [item for item, text in answers.items() if theirs.get(item) == text]
        unsure = [item for item in shared if item in doubtful]
        if len(shared) >= EQUAL * len(answers) and len(unsure) >= max(FEWEST, EQUAL_WRONG * len(doubtful)):
            yield finding("near_duplicate", f"{len(shared)} of {len(answers)} answers are those of {entry}")


def _entries(board: Path, fingerprint: str) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Each entry of a set: its folder's name, its system's, and its answers by item under its ranked condition.

    They were checked when they were added, and are read as they stand. One that cannot be read any more is left out:
    `build` names it, and no submission of others' has to wait until somebody mends it.
    """
    for path in sorted((board / "entries").glob(f"*/{SUBMISSION}")):
        try:
            said = from_json(path.read_bytes())
            if said["dataset"]["fingerprint"] != fingerprint:
                continue
            rows = [from_json(line) for line in (path.parent / PREDICTIONS).read_bytes().split(b"\n")[:-1]]
            condition = said["generation"]["condition"]
            answers = {row["item_id"]: plain(row["answer"]) for row in rows if row["condition"] == condition}
            name = str(said["system"]["name"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        yield path.parent.name, name, answers
