"""Is a submission what it says? Cheapest first; each finding has a code, and nothing that it claims is believed.

    files → JSON → schema → hashes → set → items → judge → judgements → every score → flags

The board is only read. What a stage refuses is found whole, and no later stage is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cpbench.errors import UserError
from cpbench.leaderboard import flags, signing
from cpbench.leaderboard.binding import COVERAGE, judge_findings, judgement_findings
from cpbench.leaderboard.codes import Finding, Refused, finding
from cpbench.leaderboard.datasets import DatasetCard, known, load_dataset
from cpbench.leaderboard.parsing import Parsed, parse
from cpbench.leaderboard.reading import SIGNATURE, SUBMISSION, held
from cpbench.leaderboard.rescored import join, rescore
from cpbench.leaderboard.schema import ClaimedScore, Submission
from cpbench.metrics import find_metrics
from cpbench.records import Outcome, Score

TOLERANCE = 1e-6
SHOWN = 5  # findings of one code


@dataclass(frozen=True)
class Checked:
    """What was found in a submission, and what was computed from it."""

    findings: tuple[Finding, ...]
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # as they were read and checked
    submission: Submission | None = None
    dataset: DatasetCard | None = None
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False)  # of all its conditions, the ranked one first
    scores: tuple[Score, ...] = field(default=(), repr=False)  # computed here; none where it is refused
    signer: str | None = None  # who of the board's signers has signed it

    @property
    def accepted(self) -> bool:
        """Whether nothing refuses it."""
        return not any(one.fatal for one in self.findings)

    @property
    def ranked(self) -> tuple[Outcome, ...]:
        """The outcomes of the condition that is ranked."""
        condition = self.submission.generation.condition if self.submission else None
        return tuple(one for one in self.outcomes if one.prediction.condition == condition)


def check(path: Path, board: Path | None = None) -> Checked:
    """Check a submission's folder or zip, against a board where there is one, and beside the board's entries.

    Raises UserError for a board that cannot be read; whatever is wrong with the submission is a finding.
    """
    checked = examine(path, board)
    if board is None or checked.submission is None or not checked.accepted:
        return checked
    found = _few(flags.beside(checked.submission, checked.ranked, board))
    return replace(checked, findings=(*checked.findings, *found))


def examine(path: Path, board: Path | None = None) -> Checked:
    """The same by itself, without a look at the board's other entries: what `build` asks of each of them."""
    try:
        files = held(path)
    except Refused as refused:
        return Checked((refused.finding,))
    try:
        parsed = parse(files)
    except Refused as refused:
        return Checked((refused.finding,), files)
    return _examined(Checked((), files, parsed.submission), parsed, board)


def _examined(checked: Checked, parsed: Parsed, board: Path | None) -> Checked:
    if found := _few((*_condition(parsed), *judge_findings(parsed))):
        return replace(checked, findings=found)
    if board is None:
        return replace(checked, findings=(finding("no_board", "its set and its scores were not looked at"),))
    fingerprint = parsed.submission.dataset.fingerprint
    if fingerprint not in known(board):
        return replace(checked, findings=(finding("dataset_unknown", fingerprint),))
    checked = against(checked, parsed, load_dataset(board, fingerprint))
    if checked.accepted:
        checked = replace(checked, findings=(*checked.findings, *flags.validity(parsed.submission, board)))
    return _signed(checked, board) if checked.accepted else checked


def against(checked: Checked, parsed: Parsed, dataset: DatasetCard) -> Checked:
    """Check what was parsed against its set: items, judgements, scores, and then the flags."""
    checked = replace(checked, dataset=dataset)
    for stage in (_set, _items, judgement_findings):
        if found := _few(stage(parsed, dataset)):
            return replace(checked, findings=found)
    submission = parsed.submission
    outcomes = join(submission, dataset, parsed.answers, parsed.judged)
    scores = rescore(outcomes, dataset, submission.judge.judge_id if submission.judge else None)
    if found := _few(_scores(submission, scores)):
        return replace(checked, findings=found)
    checked = replace(checked, outcomes=outcomes, scores=scores)
    return replace(checked, findings=_few(flags.flags_of(submission, dataset, checked.ranked)))


def _signed(checked: Checked, board: Path) -> Checked:
    """Where the board knows signers: who of them has signed."""
    signers = _signers(board)
    if signers is None:
        return checked
    if SIGNATURE not in checked.files:
        said = finding("unsigned", f"{board.name} has a file of signers")
        return replace(checked, findings=(*checked.findings, said))
    try:
        return replace(checked, signer=signing.signer(checked.files[SUBMISSION], checked.files[SIGNATURE], signers))
    except Refused as refused:
        return replace(checked, findings=(refused.finding,), scores=())


def _condition(parsed: Parsed) -> Iterator[Finding]:
    """A board ranks what a model hears of a clip, or with the tags of an annotator; gold tags hold the answer."""
    generation = parsed.submission.generation
    for step in generation.condition.split("+"):
        name, _, argument = step.partition(":")
        if name not in ("audio", "tags") or (name == "tags" and argument in ("gold", "wrong", "")):
            yield finding("condition_unranked", generation.condition)
            return
    if len(set(parsed.submission.conditions)) < len(parsed.submission.conditions):
        yield finding("condition_unranked", "a condition stands twice")


def _set(parsed: Parsed, dataset: DatasetCard) -> Iterator[Finding]:
    """Whether the set is said to be what the board knows, and the questions were worded as the task words them."""
    said, generation = parsed.submission.dataset, parsed.submission.generation
    own = {
        "name": dataset.task.name,
        "version": dataset.task.version,
        "split": dataset.split,
        "items": len(dataset.items),
        "recordings": dataset.recordings,
    }
    for key, value in own.items():
        if getattr(said, key) != value:
            yield finding("dataset_differs", f"{key} is {getattr(said, key)!a}, and the board has {value!r}")
    if generation.prompt_sha256 != dataset.prompts_sha256:
        own_prompts = dataset.prompts_sha256[:12]
        yield finding("prompt_differs", f"they are {generation.prompt_sha256[:12]}, and the task's {own_prompts}")
    try:
        find_metrics(dataset.task.metrics)
    except UserError as error:
        yield finding("metric_unknown", f"{error.value}")


def _items(parsed: Parsed, dataset: DatasetCard) -> Iterator[Finding]:
    """Whether every condition has one answer to each item of the set, and to no other."""
    ids: dict[str, set[str]] = {condition: set() for condition in parsed.submission.conditions}
    failed: Counter[str] = Counter()
    for line in parsed.answers:
        if line.condition not in ids or line.item_id not in dataset.by_id:
            yield finding("item_unknown", f"{line.item_id!a} under {line.condition!a}")
        else:
            ids[line.condition].add(line.item_id)
            failed[line.condition] += line.status == "error"
    for condition, have in ids.items():
        if missing := sorted(dataset.by_id.keys() - have):
            yield finding("item_missing", f"{len(missing)} under {condition}; the first: {missing[0]!r}")
        elif failed[condition] > (1 - COVERAGE) * len(dataset.items):
            yield finding("answers_failed", f"{failed[condition]} of {len(dataset.items)} under {condition}")


def _scores(submission: Submission, scores: Sequence[Score]) -> Iterator[Finding]:
    """Every score that is claimed against the same one computed here."""
    main = submission.generation.condition
    if not any(score.condition == main and score.metric != "unextractable" for score in scores):
        yield finding("nothing_ranked", submission.dataset.name)
    own = {_place(score): score for score in map(claimed, scores)}
    theirs = {_place(score): score for score in submission.scores}
    if len(theirs) < len(submission.scores):
        yield finding("score_set", "a score is claimed twice")
    for place in sorted(own.keys() ^ theirs.keys()):
        yield finding("score_set", f"{' '.join(map(ascii, place))} {'is missing' if place in own else 'is too many'}")
    for place in sorted(own.keys() & theirs.keys()):
        if (wrong := _mismatch(theirs[place], own[place])) is not None:
            yield finding("score_mismatch", f"{' '.join(map(str, place))}: {wrong}")


def claimed(score: Score) -> ClaimedScore:
    """A score as submission.json has it."""
    estimate = score.estimate
    return ClaimedScore(
        condition=score.condition,
        slice=score.slice,
        metric=score.metric,
        judged=score.judge_id is not None,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=estimate.n,
        recordings=estimate.clusters,
        coverage=score.coverage,
    )


def _place(score: ClaimedScore) -> tuple[str, str, str, bool]:
    return score.condition, score.slice, score.metric, score.judged


def _mismatch(said: ClaimedScore, own: ClaimedScore) -> str | None:
    """The first number in which they differ, in words."""
    for key in ("value", "low", "high", "n", "recordings", "coverage"):
        a, b = getattr(said, key), getattr(own, key)
        if (a is None) != (b is None) or (a is not None and not abs(a - b) <= TOLERANCE):
            return f"{key} is claimed to be {a}, and is {b}"
    return None


def _signers(board: Path) -> Path | None:
    """The board's file of allowed signers. Raises UserError where board.yaml names one that is not there."""
    from cpbench.flow.yaml_lines import read_yaml
    from cpbench.leaderboard.board import Rules  # which itself asks what is found here

    if not (board / "board.yaml").is_file():
        return None
    name = read_yaml(board / "board.yaml").read(Rules).signers
    if name is None:
        return None
    if not (board / name).is_file():
        raise UserError(f"{board / 'board.yaml'} names signers that are not there:", value=name)
    return board / name


def _few(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The first of each code, and how many more there are."""
    kept: list[Finding] = []
    times: Counter[str] = Counter()
    for one in found:
        times[one.code] += 1
        if times[one.code] <= SHOWN:
            kept.append(one)
    more = {code: count - SHOWN for code, count in times.items() if count > SHOWN}
    return (*kept, *(finding(code, f"and {count} more of these") for code, count in more.items()))
