"""Answers on which the judge and the label disagree, with their texts where the data's rights allow it."""

from __future__ import annotations

from collections.abc import Iterator

from cpbench.judges.validity import schema
from cpbench.judges.validity.asking import FIELD_ORDER, Heard
from cpbench.judges.validity.probing import CONTROL, fails
from cpbench.metrics.classification import predicted
from cpbench.records import Case
from cpbench.runfolder import case_of

EACH = 5  # examples of a kind of error
LONGEST = 600  # characters of a text


def examples(heard: Heard) -> list[schema.Example]:
    """The first few of each kind of error, systems in turn."""
    kinds: dict[str, list[schema.Example]] = {}
    for one in (*_of_answers(heard), *_of_probes(heard)):
        kinds.setdefault(one["error"], []).append(one)
    return [one for found in kinds.values() for one in found[:EACH]]


def _of_answers(heard: Heard) -> Iterator[schema.Example]:
    hearing = heard.hearing
    for system in hearing.pack.counted:
        seen: set[str] = set()  # one of a kind a system, so that no system fills the page
        for one in hearing.outcomes[system.name]:
            case = case_of(one.item, one.prediction)
            score, label = heard.score(case), predicted(one)
            if score is None:
                continue
            accepted = score >= hearing.judge.correct_score
            error = _error(None if label is None else label == one.item.label, accepted)
            if error is not None and error not in seen:
                seen.add(error)
                yield _example(heard, case, error, system.name)


def _error(right: bool | None, accepted: bool) -> str | None:
    if right is None:
        return "no label, accepted" if accepted else None
    if right == accepted:
        return None
    return "right answer rejected" if right else "wrong answer accepted"


def _of_probes(heard: Heard) -> Iterator[schema.Example]:
    probed, limits = heard.probed, heard.hearing.pack.thresholds
    plain = {one.probe.item_id: one.score for one in probed if one.probe.kind == CONTROL}
    for one in probed:
        failed = fails(one, plain, limits.half_marks, heard.hearing.judge.correct_score)
        if one.probe.expects == "capped" and one.score is not None:
            failed = one.score > limits.hedge_marks
        if failed:
            turned = one.probe.kind == FIELD_ORDER
            yield _example(heard, one.probe.case, f"probe {one.probe.kind}", "", turned=turned)


def _example(heard: Heard, case: Case, error: str, system: str, *, turned: bool = False) -> schema.Example:
    item, said = case.item, heard.judgement(case, reordered=turned)
    allowed = any(task.name == item.task and task.rights.text_in_report for task in heard.hearing.pack.tasks)
    reference = item.references[0] if item.references else None
    return {
        "error": error,
        "system": system,
        "item_id": item.id,
        "score": 0.0 if said is None or said.score is None else said.score,
        "label": item.label,
        "question": _short(item.question, allowed),
        "reference": _short(reference, allowed),
        "answer": _short(case.answer, allowed),
        "reason": None if said is None else _short(said.reason, allowed),
    }


def _short(text: str | None, allowed: bool) -> str | None:
    if text is None or not allowed:
        return None
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
