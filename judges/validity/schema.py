"""validity.json: what `cpbench judge validate` found, key by key. The page and the terminal show the same object.

There is no NaN: a number that does not exist is null, and where a whole measurement does not exist its key is null and
`notes` says why. Shares are 0 to 1, judge scores 0 to 100, human scores 0 to 5.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

SCHEMA = "cpbench-validity-1"
Outcome = Literal["PASS", "FAIL", "INSUFFICIENT"]
Verdict = Literal["PASS", "FAIL", "INSUFFICIENT", "NOT A JUDGE"]


class Number(TypedDict):
    """A number with its 95 % interval."""

    value: float  # the estimate
    low: float | None  # null: fewer than two recordings
    high: float | None
    n: int  # answers it is made from
    recordings: int  # the independent units among them
    method: str  # how the interval was made


class Counts(TypedDict):
    """Answers by truth (read from the label) and by what the judge said of them."""

    right_accepted: int  # the answer names the label, and the judge's score is at or above its threshold
    right_rejected: int
    wrong_accepted: int  # the answer names another label
    wrong_rejected: int
    unextractable_accepted: int  # no single label can be read from the answer: in no sensitivity, specificity or bias
    unextractable_rejected: int
    missing: int  # the judge gave no score


class Accuracy(TypedDict):
    """The judge as a diagnostic test on a slice of the answers."""

    name: str  # "all", a system, a question type or a language
    counts: Counts
    sensitivity: Number | None  # share of right answers that it accepts; null: there are none
    specificity: Number | None  # share of wrong answers that it rejects
    balanced_accuracy: Number | None  # the mean of the two
    bias: Number | None  # share accepted minus share right, of the answers with a label: above 0 is generous
    verdict: Outcome | None  # of balanced accuracy on this slice alone; null: systems, which are not judged alone


class SystemFacts(TypedDict):
    """One system, and what judge and labels say of it."""

    name: str
    family: str
    kind: str  # end_to_end, cascade or null
    counted: bool  # false: a null baseline, an echo, or a near-copy of another system: shown only
    why_not: str | None  # why it does not count
    answers: int
    wrong: int  # answers that name another label
    judge_score: Number | None  # the judge's mean, 0 to 100, over all answers
    accuracy: Number | None  # an answer without a label is wrong here, as in a run's results
    macro_f1: float | None
    rogan_gladen: Corrected | None


class Corrected(TypedDict):
    """A sensitivity analysis: on half of the recordings the judge's errors are measured on this system, on the other
    half its share of accepted answers is corrected for them (Rogan and Gladen)."""

    accepted: float  # the raw share, on the second half
    corrected: float | None  # null: the judge tells nothing apart on the first half
    low: float  # 95 %
    high: float
    right: float  # what the labels say, on the second half


class Rank(TypedDict):
    """How far the judge's mean and a label metric agree over the counted systems."""

    target: Literal["accuracy", "macro_f1"]
    statistic: str  # pearson, spearman, kendall_tau_b, pairwise_accuracy, soft_pairwise_accuracy
    value: float | None  # null: one of the two is the same for all systems
    p: float | None  # two-sided, by permutation; correlations only
    exact: bool | None  # all orders were looked at
    systems: int
    over_items: tuple[float, float] | None  # 95 % percentile interval, recordings drawn again
    over_items_and_systems: tuple[float, float] | None  # recordings and systems drawn again


class Spread(TypedDict):
    """Whether the judge is equally strict with all systems."""

    sd: float  # of specificity between systems, beyond sampling error
    lower: float  # 95 % interval (Q-profile)
    upper: float
    bound: float  # the one-sided upper bound that the verdict goes by
    bound_level: float  # its level, .98 to 1, as the pack needs it (see strictness.gate_level)
    raw: float  # the plain SD of the systems' specificities, sampling error included
    systems: int
    families: int


class Rising(TypedDict):
    """P(correct | judge score): the source paper's evidence."""

    verdict: str  # rises, falls somewhere, not shown
    scores: list[float]
    shares: list[Number]  # of right answers at each score
    falls: list[tuple[float, float]]  # steps between neighbouring scores that surely go down


class ProbeResult(TypedDict):
    """One kind of probe."""

    kind: str
    expects: str  # right, wrong, half, capped, same, reported: see cpbench.judges.validity.probes
    n: int  # probes that have a score
    missing: int
    failures: int | None  # null: nothing is expected, or a mean is looked at (capped)
    rate: float | None  # of failures
    upper: float | None  # one-sided 95 % bound of the rate (Clopper-Pearson)
    lower: float | None
    mean: Number  # judge score, 0 to 100
    gated: bool  # whether it is a criterion
    verdict: Outcome | None


class Repeats(TypedDict):
    """The judge's own noise: the same answers judged several times."""

    items: int
    repeats: int
    flips: Number  # share of the pairs of repeats of which one accepts and one rejects
    sd: float  # of one score, in points
    alpha: Number | None  # Krippendorff, interval scale; null: only one score occurs


class Between(TypedDict):
    """Agreement of two kinds of raters over all their common labels, on the scale 0 to 5."""

    labels: int  # pairs of ratings
    quadratic_kappa: Number | None
    ac2: Number | None  # Gwet, quadratic weights
    alpha: Number | None  # Krippendorff, interval
    bias: Number | None  # judge minus human, in points of 5; null among humans


class Couple(TypedDict):
    """Two human raters on the answers that both rated."""

    annotators: tuple[str, str]
    answers: int  # that both rated
    quadratic_kappa: Number | None  # null: nothing was rated by both, or nothing that chance could not explain
    equal: float | None  # share of equal ratings
    bias: float | None  # mean of the first one's ratings minus the second one's, in points of 5


class AltTest(TypedDict):
    """May the judge stand in for a human rater? (Calderon et al. 2025)"""

    epsilon: float  # fixed in the pack
    winning_rate: float  # share of raters that it may stand in for; from .5 it passes
    advantage: float  # probability to be as good as a rater chosen at random
    passes: bool
    raters: list[dict[str, Any]]  # annotator, items, judge, human, p, won


class Humans(TypedDict):
    """Where human ratings were given."""

    annotators: list[str]
    ratings: int
    cannot_tell: int
    judge: Between | None  # judge against humans; null: no common answer
    among: Between | None  # humans against each other, all annotators at once; null: no answer was rated by two
    couples: list[Couple]  # each two of them
    alt_test: AltTest | None  # with three annotators or more
    ppi: list[dict[str, Any]]  # system, raw, mean, low, high (0 to 5): PPI++, from a random sample only


class Paired(TypedDict):
    """The judge minus the baseline, on identical answers."""

    metric: str
    judge: float
    baseline: float
    difference: Number
    p: float | None  # two-sided, sign flips of recordings


class BaselineFacts(TypedDict):
    name: str
    judge_id: str
    verdict: Outcome  # its own, on the same part of the pack
    paired: list[Paired]


class CriterionFacts(TypedDict):
    """One criterion of the verdict."""

    name: str
    outcome: Outcome
    reason: str
    needs: str | None  # the sample that would decide, where it is INSUFFICIENT


class Covers(TypedDict):
    """What the verdict holds for; everything else is not validated."""

    types: list[str]
    languages: list[str]
    scale: str


class Example(TypedDict):
    """An answer on which judge and label disagree."""

    error: str  # "wrong answer accepted", "right answer rejected", "no label, accepted", or a probe's kind
    system: str
    item_id: str
    score: float
    label: str | None
    question: str | None  # texts are null where the data's rights forbid to show them
    reference: str | None
    answer: str | None
    reason: str | None  # the judge's


class JudgeFacts(TypedDict):
    name: str
    spec: str
    prompt: str | None
    judge_id: str
    simulated: bool
    correct_score: float  # from this score on an answer counts as accepted
    card: str | None  # the line that stands beside its scores; null: no card was made (--dev)


class PackFacts(TypedDict):
    pack_id: str
    part: Literal["gate", "dev"]
    items: int  # of the part
    recordings: int  # of the part
    answers: int
    systems: int  # counted
    families: int  # counted
    synthetic: bool  # whether the speech, or some of it, is
    warnings: list[str]
    thresholds: dict[str, Any]


class Validity(TypedDict):
    """validity.json"""

    schema: str
    verdict: Outcome
    covers: Covers
    criteria: list[CriterionFacts]
    judge: JudgeFacts
    pack: PackFacts
    looks: int  # at the gate of this pack, this one included, as --out has logged them; 0: --dev
    coverage: float  # share of all answers and probes that the judge gave a score
    statuses: dict[str, int]  # of its judgements
    overall: Accuracy
    by_system: list[Accuracy]
    by_type: list[Accuracy]
    by_language: list[Accuracy]
    rising: Rising | None
    auc: Number | None  # probability to score a right answer above a wrong one
    kappa: Number | None  # of accepted with right (Cohen)
    phi: Number | None  # the same as Pearson, Spearman, tau-b and MCC on binary data
    systems: list[SystemFacts]
    ranks: list[Rank]
    spread: Spread | None
    repeats: Repeats | None
    same_family: Number | None  # bias on systems of the judge's own family minus that on others
    length: dict[str, Number]  # share accepted of the longer half minus the shorter half, of right and of wrong answers
    probes: list[ProbeResult]
    humans: Humans | None
    baseline: BaselineFacts | None
    examples: list[Example]
    notes: list[str]
