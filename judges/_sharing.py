"""What all judges have in common: an empty answer costs nothing, and equal questions are asked once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from cpbench.fingerprint import judgement_key, text_sha256
from cpbench.records import Call, Case, Judgement, JudgeStatus

BOTTOM = 0.0


@dataclass(frozen=True)
class Opinion:
    """What a judge says of a case, before it is bound to it."""

    status: JudgeStatus
    score: float | None = None  # 0 to 100
    raw: str | None = None
    reason: str | None = None  # the judge's, or why there is no score
    members: Mapping[str, float | None] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()


def each_once(
    judge_id: str, cases: Iterable[Case], ask: Callable[[Iterable[Case]], Iterator[Judgement]]
) -> Iterator[Judgement]:
    """Yield one judgement a case, and `ask` only for those that are not empty and not asked already.

    Cases of one key (the same item, answer and repeat, under another condition) share one paid call, and all of their
    judgements hold it: costs are to be counted by key. What was judged is kept until the stream ends, about 2 kB each.
    """
    judged: dict[str, Judgement] = {}
    waiting: dict[str, list[Case]] = {}
    free: deque[Judgement] = deque()  # needs no call

    def to_ask() -> Iterator[Case]:
        for case in cases:
            key = judgement_key(judge_id, case)
            if not case.answer.strip():
                free.append(empty(judge_id, case))
            elif key in judged:
                free.append(_for(case, judged[key]))
            elif key in waiting:
                waiting[key].append(case)
            else:
                waiting[key] = []
                yield case

    for judgement in ask(to_ask()):
        yield judgement
        judged[judgement.key] = judgement
        for case in waiting.pop(judgement.key, ()):
            yield _for(case, judged[judgement.key])
        while free:
            yield free.popleft()
    yield from free


def empty(judge_id: str, case: Case) -> Judgement:
    """An empty answer, or a refused one (which reaches a judge as an empty one): the bottom, without a call."""
    return made(judge_id, case, Opinion("rule_empty", BOTTOM, reason="an empty answer"))


def made(judge_id: str, case: Case, opinion: Opinion) -> Judgement:
    """A judgement of a case; no key is built elsewhere. Raises ValueError for a failure with a score."""
    return Judgement(
        key=judgement_key(judge_id, case),
        item_id=case.item.id,
        task=case.item.task,
        condition=case.condition,
        answer_sha256=text_sha256(case.answer),
        judge_id=judge_id,
        status=opinion.status,
        score=opinion.score,
        raw=_writable(opinion.raw),
        reason=_writable(opinion.reason),
        repeat=case.repeat,
        members=opinion.members,
        calls=opinion.calls,
    )


def _for(case: Case, judgement: Judgement) -> Judgement:
    return replace(judgement, item_id=case.item.id, task=case.item.task, condition=case.condition)


def _writable(text: str | None) -> str | None:
    """A lone surrogate, which JSON can spell, cannot be written as UTF-8: it becomes U+FFFD."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
