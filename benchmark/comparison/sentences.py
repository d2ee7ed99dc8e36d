"""What numbers mean in plain words, and no more: never a claim from a difference that chance alone could make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpbench.comparison.answers import Agreement, Need
from cpbench.comparison.follow import Followed, Left
from cpbench.comparison.gaps import Gap
from cpbench.comparison.verdicts import Verdict, margin
from cpbench.conditions import Kind

ABOVE: Mapping[Kind, str] = {
    "silent": "the model does better with the sound than with none; by itself this does not show that it matters "
    "which clip is played",
    "other": "the model does better with its own clip than with another: it uses what is in the clip",
    "words": "the model does better with the clip than with its words alone; that the words cannot suffice is not "
    "shown by it, since a model may read worse than it listens",
    "part": "what {b} takes away is of use to the model",
    "changed": "{b} costs the model this much",
    "told": "the model does worse under {b}",
    "plain": "the model does worse under {b}",
}
BELOW: Mapping[Kind, str] = {
    "silent": "the model does better with no sound: what it hears leads it astray",
    "other": "the model does better with another clip: nothing shows that it uses what is in its own as it should",
    "words": "the model does better with the words alone than with the clip",
    "part": "the model does better without what {b} takes away",
    "changed": "the model does better under {b}",
    "told": "the model does better under {b}",
    "plain": "the model does better under {b}",
}
NOT_SHOWN: Mapping[Kind, str] = {
    "silent": "nothing shows that this model uses the sound for these questions",
    "other": "nothing shows that this model uses what is in the clip for these questions",
    "words": "nothing shows that the clip gives this model more than its words, or less",
    "part": "nothing shows that the model needs what {b} takes away",
    "changed": "no effect of {b} is shown",
    "told": "no effect of {b} is shown",
    "plain": "no difference to {b} is shown",
}
LEFT: Mapping[Left, str] = {
    "no_donor": "without a donor",
    "no_label": "where no label is suggested",
    "failed": "failed",
    "several_tags": "whose tags name several emotions (which one the question is about is not known)",
    "same_label": "where the item's own label is suggested",
}


def number(value: float | None, *, points: bool, signed: bool = False) -> str:
    """A metric's value: two digits of a share, one of a score to 100.

    >>> number(0.6512, points=False, signed=True), number(-3.0, points=True)
    ('+0.65', '-3.0')
    """
    if value is None:
        return "-"
    digits = 1 if points else 2
    value = round(value, digits) + 0.0  # no negative zero
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def of_gap(gap: Gap) -> str:
    """What a difference means, with the evidence for it."""
    if gap.shown == "no_number":
        return f"{gap.a} against {gap.b}: no number: {gap.why}."
    if gap.confounded:
        return f"{_evidence(gap)}: tags stand in one prompt and not in the other, so it says nothing of the clip."
    if gap.shown == "cannot_be_shown":
        return f"{_evidence(gap)}: {_too_few(gap)}."
    words = {"above": ABOVE, "below": BELOW, "not_shown": NOT_SHOWN}[gap.shown][gap.kind]
    said = words.format(b=gap.b)
    return f"{_evidence(gap)}: {said}{_found(gap) if gap.shown == 'not_shown' else ''}."


def _evidence(gap: Gap) -> str:
    """`audio - silence +0.65 [+0.55, +0.76], p < 0.001`."""
    interval = "no interval"
    if gap.low is not None:
        ends = [number(end, points=gap.points, signed=True) for end in (gap.low, gap.high)]
        interval = f"[{ends[0]}, {ends[1]}]"
    by = number(gap.difference, points=gap.points, signed=True)
    p = "" if gap.shown == "cannot_be_shown" else f", {p_value(gap.p_holm)}"  # a t from four speakers is no evidence
    return f"{gap.a} - {gap.b} {by} {interval}{p}"


def p_value(p: float | None) -> str:
    """A corrected p.

    >>> p_value(0.0003), p_value(0.0312), p_value(None)
    ('p < 0.001', 'p = 0.031', 'no p')
    """
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _too_few(gap: Gap) -> str:
    if gap.recordings == 1:
        return "1 recording allows no test: nothing can be shown, however large the difference"
    if gap.p is None or gap.p_least is None:
        return "there is no spread between the recordings, so no test: nothing can be shown"
    p, tests = gap.p_least, f", {min(1.0, gap.p_least * gap.tests):.3g} corrected for {gap.tests} conditions"
    return (
        f"{gap.recordings} recordings allow no significant test (the smallest two-sided sign-flip p is {p:.3g}"
        f"{tests if gap.tests > 1 else ''}), however large the difference"
    )


def _found(gap: Gap) -> str:
    """How large a difference would have been found."""
    if gap.smallest is None:
        return ""
    if gap.smallest > (100 if gap.points else 1):
        return "; this set is too small to show any difference four times in five"
    return f" (four times in five this set shows a true difference of {number(gap.smallest, points=gap.points)})"


def of_told(gap: Gap) -> str:
    """What the tags of `a` do to the score, beside `b`, which is like it without them."""
    if gap.shown == "no_number":
        return f"{gap.a} against {gap.b}: no number: {gap.why}."
    said = {
        "above": "with these tags the model does better",
        "below": "with these tags the model does worse",
        "not_shown": f"no effect of these tags on the score is shown{_found(gap)}",
        "cannot_be_shown": _too_few(gap),
    }[gap.shown]
    return f"{_evidence(gap)}: {said}.{' Leaked: the tags name what is asked.' if gap.leaked else ''}"


def of_verdict(verdict: Verdict, gaps: Sequence[Gap], same: Sequence[str] = ()) -> str:
    """A type in one line: does the model listen, and do the words suffice, with the evidence.

    `same`: the conditions without the clip under which every answer is the main condition's.
    """
    decided = [gap for gap in gaps if gap.kind == verdict.against and not gap.confounded]
    found = [_hearing(verdict, decided, gaps)]
    if same and decided:
        found.append(
            f"Every answer under {decided[0].a} is the one under {' and '.join(same)}: the clip changes nothing."
        )
    spoken = [gap for gap in gaps if gap.kind == "words" and not gap.confounded]
    if verdict.words != "not asked":
        found.append(_words(verdict, spoken))
    if any(gap.leaked for gap in (*decided, *spoken)):
        found.append("Leaked: the prompts give answers away.")
    return " ".join(found)


def _hearing(verdict: Verdict, decided: Sequence[Gap], gaps: Sequence[Gap]) -> str:
    evidence = "; ".join(_evidence(gap) for gap in decided)
    if verdict.hearing == "not asked":
        return "Not asked: it takes a condition with another clip, or with none."
    if verdict.hearing == "cannot be shown":
        return f"Cannot be shown: {_too_few(decided[0])}."
    if verdict.hearing == "listens":
        if verdict.against == "silent":
            return f"Listens: {evidence}. Whether it matters which clip is played takes another clip in its place."
        return f"Listens to what is in the clip: {evidence}."
    beside = [gap for gap in gaps if gap.kind == "silent" and gap.shown == "above" and verdict.against == "other"]
    also = f" It does better with sound than with none ({_evidence(beside[0])}), but any will do." if beside else ""
    weakest = next(gap for gap in decided if gap.shown != "above")
    meant = (BELOW if weakest.shown == "below" else NOT_SHOWN)[weakest.kind].format(b=weakest.b)
    return f"Not shown: {meant}: {evidence}{_found(weakest)}.{also}"


def _words(verdict: Verdict, spoken: Sequence[Gap]) -> str:
    evidence = "; ".join(_evidence(gap) for gap in spoken)
    if verdict.words == "above the words":
        return f"The clip gives more than its words: {evidence}; a low score on words by itself proves nothing."
    floor = "; ".join(_evidence(gap) for gap in verdict.floor)
    if verdict.words == "words suffice":
        little = number(margin(verdict.floor), points=spoken[0].points)
        return f"The words suffice for this model ({floor}): the clip adds less than {little} to them ({evidence})."
    if verdict.words == "cannot be shown":
        return "Nor can it be shown whether the words suffice."
    if floor and all(gap.shown == "above" for gap in verdict.floor):
        return f"The words alone help ({floor}); whether they suffice is not shown ({evidence})."
    return f"That the words suffice is not shown ({evidence}); a low score on words proves nothing."


def of_followed(one: Followed) -> str:
    """What the answers follow, beside what they would if they followed nothing."""
    what = {
        "clip": "fit the clip that was played",
        "tags": "give what the tags say",
        "words": "give what the words suggest",
    }[one.by]
    rate = f"{one.follow:.0%}" + ("" if one.follow_low is None else f" [{one.follow_low:.0%}, {one.follow_high:.0%}]")
    said = f"{one.condition}: {rate} of {one.n} answers {what}, {one.own:.0%} the item's own label"
    said += f"; {one.expected:.0%} would by chance"
    if one.untold is not None:
        lift = one.untold.lift
        interval = "" if lift.low is None else f" [{lift.low:+.0%}, {lift.high:+.0%}]"
        said += (
            f"; under {one.untold.condition} the same items get the tags' label {one.untold.follow:.0%} and their own "
            f"{one.untold.own:.0%} of the time, so the tags move {lift.value:+.0%}{interval}"
        )
    return f"{said}. {_follows(one)}{_left(one)}{' Leaked: the tags name what is asked.' if one.leaked else ''}"


def _follows(one: Followed) -> str:
    whom = {"clip": "what is played", "tags": "the tags", "words": "the words against the voice"}[one.by]
    if one.shown == "above":
        return f"The answers follow {whom}."
    if one.shown == "below":
        return f"The answers do not follow {whom}: they avoid it."
    if one.shown == "cannot_be_shown":
        return f"{one.recordings} recordings: whether they follow {whom} cannot be shown."
    return f"Nothing shows that they follow {whom}."


def _left(one: Followed) -> str:
    if not one.left_out:
        return ""
    return " Left out: " + ", ".join(f"{count} {LEFT[why]}" for why, count in one.left_out.items()) + "."


def of_need(need: Need) -> str:
    """How many items need the clip."""
    if not need.n:
        return "No item has a usable answer under all of these conditions."
    conditions = ", ".join(need.conditions)
    return (
        f"{len(need.always)} of {need.n} items ({len(need.always) / need.n:.0%}) are right under {need.main} and under "
        f"{conditions} alike (were these independent: {need.always_by_chance:.0f}): their clip is not needed, or a "
        f"habit is right. {len(need.only)} ({len(need.only) / need.n:.0%}) are right under {need.main} only "
        f"({need.only_by_chance:.0f})."
    )


def of_agreement(one: Agreement) -> str:
    """How far a condition changes what is said."""
    if one.equal is None:
        return f"{one.a} and {one.b}: no item is answered under both."
    if one.one_label:
        return f"{one.a} and {one.b}: every answer is the same one label, whatever is played."
    kappa = "" if one.kappa is None else f", kappa {one.kappa:.2f}"
    return f"{one.a} and {one.b}: {one.equal:.0%} of {one.n} answers are the same {one.by}{kappa}."
