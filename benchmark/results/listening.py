"""The listening report in `results.json`, key by key; docs/listening.md says how to read it.

Every entry has a `sentence` that says what its numbers mean, and no more. Conditions are those of the run; `a` and `b`
are two of them, and every difference is a minus b.
"""

from __future__ import annotations

from typing import Any, TypedDict


class ConditionEntry(TypedDict):
    """A condition of the run."""

    name: str
    """As the run has it: silence, noise:10db, ..."""
    kind: str
    """What of the item the model still gets: silent, words, other (another clip), told (tags beside the voice), part,
    changed, plain."""
    meaning: str
    """What a difference to it says."""


class VerdictEntry(TypedDict):
    """What is shown of one question type of a task."""

    task: str
    """The task."""
    type: str
    """The question type; "all" where the items have none."""
    metric: str
    """balanced_accuracy (or accuracy) where there are labels, overlap_score without a judge, judge_score."""
    judge: str | None
    """The judge's name; null without."""
    hearing: str
    """listens, not shown, cannot be shown (too few recordings), not asked."""
    words: str
    """words suffice, above the words (the clip gives more), not shown, cannot be shown, not asked."""
    against: str | None
    """The kind of condition that decided the hearing: other, or silent."""
    floor: list[dict[str, Any]]
    """The words alone against the conditions in which they are not said: gaps without a sentence."""
    sentence: str
    """All of it in words, with the evidence."""


class GapEntry(TypedDict):
    """Two conditions in one question type."""

    task: str
    """The task."""
    type: str
    """The question type."""
    metric: str
    """What counts."""
    judge: str | None
    """The judge's name."""
    a: str
    """The condition that is held against b: the main one, or where tags stand in one prompt only, the one like it."""
    b: str
    """The other one."""
    kind: str
    """What b leaves to the model."""
    shown: str
    """above, below, not_shown, cannot_be_shown (so few recordings allow no significant test), no_number."""
    value_a: float | None
    """On the items that both have."""
    value_b: float | None
    """On the same items."""
    difference: float | None
    """value_a - value_b."""
    low: float | None
    """Of its 95 % interval, clustered by recording (two ways where words recur)."""
    high: float | None
    """Its upper end."""
    p: float | None
    """Two-sided: sign flips of the recordings; where words cross them, the larger of that and the interval's t."""
    p_holm: float | None
    """Corrected (Holm) for the conditions of this type: this one decides."""
    p_least: float | None
    """The smallest p of sign flips that so many recordings allow."""
    smallest: float | None
    """The smallest true difference that such a set shows with a power of 80 %, corrected; null where it shows none."""
    n: int
    """Items."""
    recordings: int
    """Where they come from."""
    lost: int
    """Items without a usable answer on both sides."""
    tests: int
    """Differences that are corrected for each other."""
    method: str
    """How the interval was made."""
    leaked: bool
    """Whether a prompt gave the answer away."""
    why: str | None
    """Why there is no number."""
    confounded: bool
    """Tags stand in one prompt and not in the other: the difference says nothing of the clip."""
    points: bool
    """Whether the metric runs to 100, or to 1."""
    sentence: str
    """What it means, with the evidence."""


class ExampleEntry(TypedDict):
    """An item; its words only where the task's rights allow them."""

    id: str
    """The item's."""
    question: str | None
    """As asked."""
    reference: str | None
    """The right answer."""
    answers: dict[str, str]
    """The model's, by condition."""


class NeedEntry(TypedDict):
    """Which items need their clip."""

    task: str
    """The task."""
    type: str
    """The question type."""
    judge: str | None
    """By whose scores an answer is right; null: by its label, or half of the overlap."""
    main: str
    """The main condition."""
    conditions: list[str]
    """Those under which the clip is not played."""
    n: int
    """Items with a usable answer under all of these."""
    always: list[str]
    """Ids of the items that are right under all of them."""
    always_by_chance: float
    """How many there would be, were the conditions' answers right independently of each other."""
    only: list[str]
    """Ids of the items that are right under the main condition and under none of the others."""
    only_by_chance: float
    """How many there would be."""
    examples: list[ExampleEntry]
    """The first few of `only`."""
    sentence: str
    """The counts in words."""


class AgreementEntry(TypedDict):
    """How often items are answered alike under two conditions."""

    task: str
    """The task."""
    type: str
    """The question type."""
    a: str
    """A condition."""
    b: str
    """Another."""
    by: str
    """label, or text (case and punctuation aside)."""
    n: int
    """Items answered under both."""
    equal: float | None
    """The share of equal answers."""
    kappa: float | None
    """Cohen's, of labels."""
    one_label: bool
    """Both always say the same one thing."""
    sentence: str
    """In words."""


class FollowedEntry(TypedDict):
    """What answers follow where something suggests another label than the item's own."""

    task: str
    """The task."""
    type: str
    """The question type."""
    condition: str
    """Under which."""
    by: str
    """What suggests the label: clip (another is played), tags (in the prompt), words (that contradict the voice)."""
    n: int
    """Items whose own label is another."""
    recordings: int
    """Where they come from."""
    follow: float
    """The share of answers that give the suggested label."""
    follow_low: float | None
    """Of its 95 % interval; by clip two ways: the item's recording, and the one that is played."""
    follow_high: float | None
    """Its upper end."""
    own: float
    """The share that gives the item's own label."""
    neither: float
    """The rest."""
    expected: float
    """The share that would give the suggested label, were answers independent of it: from their frequencies."""
    excess: float
    """follow - expected."""
    excess_low: float | None
    """Of its 95 % interval."""
    excess_high: float | None
    """Its upper end."""
    shown: str
    """above (they follow it), below (they avoid it), not_shown, cannot_be_shown."""
    one_in: float
    """1 / the number of options."""
    method: str
    """How the interval was made."""
    left_out: dict[str, int]
    """Items that are not counted, by reason: no_donor, no_label, same_label, several_tags, failed."""
    untold: dict[str, Any] | None
    """By tags: the same items under the condition that is like this one without them: condition, follow, own, and lift,
    an estimate of how much more often the tags' label is given with the tags."""
    leaked: bool
    """The tags name what is asked (DE)."""
    sentence: str
    """In words."""


class ListeningEntry(TypedDict):
    """The listening report."""

    main: str
    """The condition that the others are held against."""
    conditions: list[ConditionEntry]
    """All of the run's, the main one first."""
    verdicts: list[VerdictEntry]
    """One a question type (and judge)."""
    gaps: list[GapEntry]
    """The main condition minus each other one, but for those that differ from it in their tags only."""
    needs: list[NeedEntry]
    """Which items need their clip."""
    agreements: list[AgreementEntry]
    """Of the main condition's answers with each other one's."""
    followed: list[FollowedEntry]
    """The follow rates: played clips, tags, words."""
    told: list[GapEntry]
    """With tags minus without."""
    changed: list[AgreementEntry]
    """Between two conditions with tags."""
