"""A run's answers to one task and one judge's judgements of them, as the lines of a submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pydantic

from cpbench.errors import UserError
from cpbench.fingerprint import judgement_key
from cpbench.leaderboard.binding import COVERAGE
from cpbench.leaderboard.schema import ANSWER_LIMIT, TEXT_LIMIT, JudgementLine, PredictionLine
from cpbench.records import Call, Item, Judgement, Prediction, Task
from cpbench.runfolder import Run, case_of

BESIDE = ("silence", "shuffled", "transcript")
"""Conditions that go into a submission where the run has all of them: a board shows the listening gain from them."""


@dataclass(frozen=True)
class Gathered:
    """What a submission is made of."""

    task: Task
    items: tuple[Item, ...]
    answers: Mapping[str, tuple[Prediction, ...]]  # by condition, the ranked one first
    judgements: Mapping[tuple[str, str, int], Judgement]  # by condition, item and repeat

    @property
    def condition(self) -> str:
        return next(iter(self.answers))

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(self.answers)[1:]

    @property
    def calls(self) -> list[Call]:
        """The judge's calls, each once: rows of one key share them."""
        return [call for one in {one.key: one for one in self.judgements.values()}.values() for call in one.calls]

    def answer_lines(self) -> list[PredictionLine]:
        """The lines of predictions.jsonl, in order. Raises UserError for an answer that does not fit into one."""
        texts = self.task.rights.text_in_report
        made = [_answer_line(one, texts) for answers in self.answers.values() for one in answers]
        return sorted(made, key=lambda line: line.key)

    def judgement_lines(self) -> list[JudgementLine]:
        """The lines of judgements.jsonl, in order."""
        texts = self.task.rights.text_in_report
        made = [_judgement_line(place, one, texts) for place, one in self.judgements.items()]
        return sorted(made, key=lambda line: line.key)


def gather(run: Run, task: Task, judge_id: str | None) -> Gathered:
    """Gather what a run has of one task.

    Raises UserError where answers or judgements are missing, or more than one in a hundred failed.
    """
    items = {item.id: item for item in run.items if item.task == task.name}
    there: dict[str, list[Prediction]] = {}
    for prediction in run.predictions:
        if prediction.task == task.name and prediction.item_id in items:
            there.setdefault(prediction.condition, []).append(prediction)
    main = run.main_condition
    _check_answers(task, main, there.get(main, []), len(items))
    beside = [name for name in BESIDE if name != main and _is_whole(there.get(name, []), len(items))]
    answers = {name: tuple(there[name]) for name in (main, *beside)}
    judgements = {} if judge_id is None else _judgements(run, judge_id, answers, items)
    return Gathered(task, tuple(items.values()), answers, judgements)


def _is_whole(answers: list[Prediction], items: int) -> bool:
    failed = sum(one.status == "error" for one in answers)
    return len(answers) == items and failed <= (1 - COVERAGE) * items


def _check_answers(task: Task, condition: str, answers: list[Prediction], items: int) -> None:
    again = "the same cpbench run again: it asks what is left"
    if len(answers) < items:
        raise UserError(f"{items - len(answers)} of {items} items of {task.name} are not answered", mend=again)
    if not _is_whole(answers, items):
        failed = [one for one in answers if one.status == "error"]
        raise UserError(
            f"{len(failed)} of {items} answers to {task.name} under {condition} failed, and a board takes one in a "
            f"hundred; the first, {failed[0].item_id}: {failed[0].error}",
            mend=again,
        )


def _judgements(
    run: Run, judge_id: str, answers: Mapping[str, tuple[Prediction, ...]], items: Mapping[str, Item]
) -> dict[tuple[str, str, int], Judgement]:
    """The judge's judgements, of every condition that it has judged whole. Raises UserError for the ranked one."""
    about = run.manifest["judges"][judge_id]
    wanted: dict[tuple[str, str, int], str] = {}
    for condition, predictions in answers.items():
        for one in predictions:
            for repeat in range((about["repeats"] or 1) if one.status != "error" else 0):
                key = judgement_key(judge_id, case_of(items[one.item_id], one, repeat))
                wanted[condition, one.item_id, repeat] = key
    keys = set(wanted.values())
    said = {one.key: one for one in run.judgements if one.judge_id == judge_id and one.key in keys}
    kept: dict[tuple[str, str, int], Judgement] = {}
    for condition, predictions in answers.items():
        mine = {place: key for place, key in wanted.items() if place[0] == condition}
        why = _unjudged(mine, said, len(predictions))
        if why is None:
            kept |= {place: said[key] for place, key in mine.items()}
        elif condition == next(iter(answers)):
            raise UserError(
                f"{about['name']}: {why} under {condition}", mend=f"cpbench judge run {run.folder} --judge SPEC"
            )
    return kept


def _unjudged(mine: Mapping[tuple[str, str, int], str], said: Mapping[str, Judgement], answers: int) -> str | None:
    """Why a condition cannot be ranked by its judgements; None: it can."""
    if missing := sum(key not in said for key in mine.values()):
        return f"{missing} of {len(mine)} judgements are missing"
    scored = {item for (_, item, _), key in mine.items() if said[key].score is not None}
    if len(scored) < COVERAGE * answers:
        return f"{len(scored)} of {answers} answers have a score, and a board wants 99 of 100,"
    return None


def _answer_line(one: Prediction, texts: bool) -> PredictionLine:
    """A line; where the rights forbid text, or it is too long, without what is not scored."""
    answer = one.answer if one.status == "ok" else one.answer[:ANSWER_LIMIT]
    if one.status in ("empty", "error"):
        answer = ""
    raw = one.raw if texts and one.raw != answer and len(one.raw) <= TEXT_LIMIT else None
    reasoning = one.reasoning[:TEXT_LIMIT] if texts and one.reasoning else None
    try:
        return PredictionLine(
            item_id=one.item_id,
            condition=one.condition,
            answer=_writable(answer),
            status=one.status,
            raw=None if raw is None else _writable(raw),
            reasoning=None if reasoning is None else _writable(reasoning),
            finish_reason=one.finish_reason or None,
            input_tokens=one.input_tokens,
            output_tokens=one.output_tokens,
            audio_seconds=one.audio_seconds,
            audio_seconds_heard=one.audio_seconds_heard,
            flags=one.flags,
        )
    except pydantic.ValidationError as error:
        raise _unfit(one.item_id, error) from None


def _judgement_line(place: tuple[str, str, int], one: Judgement, texts: bool) -> JudgementLine:
    condition, item_id, repeat = place
    try:
        return JudgementLine(
            item_id=item_id,
            condition=condition,
            repeat=repeat,
            key_sha256=one.key,
            answer_sha256=one.answer_sha256,
            status=one.status,
            score=one.score,
            raw=_writable(one.raw[:TEXT_LIMIT]) if texts and one.raw is not None else None,
            reason=_writable(one.reason[:TEXT_LIMIT]) if texts and one.reason is not None else None,
            members=dict(one.members),
        )
    except pydantic.ValidationError as error:
        raise _unfit(item_id, error) from None


def _unfit(item_id: str, error: pydantic.ValidationError) -> UserError:
    first = error.errors(include_url=False, include_input=False)[0]
    return UserError(f"{item_id} does not fit into a submission: {'.'.join(map(str, first['loc']))}: {first['msg']}")


def _writable(text: str) -> str:
    """Half a character, which JSON can spell, cannot be written as UTF-8: it becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
