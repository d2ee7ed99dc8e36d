"""Several judges with one rubric, and the mean or the median of their scores."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from cpbench.chat import ChatRequest
from cpbench.errors import UserError
from cpbench.fingerprint import digest, judgement_key
from cpbench.judges._sharing import Opinion, each_once, made
from cpbench.judges.llm import ASPECT, LLMJudge, identity_of
from cpbench.records import Case, Judgement

Aggregate = Literal["mean", "median"]
_AGGREGATE: Mapping[str, Callable[[Sequence[float]], float]] = {"mean": statistics.fmean, "median": statistics.median}


@dataclass
class _OnTheWay:
    """What is known of the cases that not all members have judged yet."""

    asked: dict[str, Case] = field(default_factory=dict)  # by the members' keys
    heard: dict[str, dict[str, Judgement]] = field(default_factory=dict)  # by the jury's keys, then by member
    failure: UserError | None = None


@dataclass
class Jury:
    """Members judge side by side; `members` of a judgement holds each one's score, None where it has none.

    A judgement needs the scores of `min_members` members, by default of all: a mean over whoever happened to answer
    would be another judge from item to item. With fewer it has none, and the status of the first member that failed.
    """

    members: Mapping[str, LLMJudge]  # by name
    aggregate: Aggregate
    min_members: int
    name: str

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the judge_id is the digest of."""
        first, *_ = self.members.values()
        how = {"how": self.aggregate, "min_members": self.min_members}
        return identity_of(first.rubric, [member.asking for member in self.members.values()], how)

    @cached_property
    def judge_id(self) -> str:
        return digest(self.identity)

    @property
    def families(self) -> frozenset[str]:
        return frozenset().union(*(member.families for member in self.members.values()))

    @property
    def third_party(self) -> bool:
        return any(member.third_party for member in self.members.values())

    @property
    def hears(self) -> bool:
        return any(member.hears for member in self.members.values())

    @property
    def correct_score(self) -> float:
        return next(iter(self.members.values())).correct_score

    def judge(self, cases: Iterable[Case]) -> Iterator[Judgement]:
        """Yield one judgement a case, as they finish, in any order."""
        return each_once(self.judge_id, cases, self._opinions)

    def requests_for(self, case: Case) -> list[ChatRequest]:
        """What judging this case would send, to all members."""
        return [request for member in self.members.values() for request in member.requests_for(case)]

    def reordered(self) -> Jury | None:
        """The same jury, whose members are shown the prompt's fields in another order; None where one cannot be."""
        turned = {name: other for name, member in self.members.items() if (other := member.reordered()) is not None}
        return replace(self, members=turned) if len(turned) == len(self.members) else None

    def _opinions(self, cases: Iterable[Case]) -> Iterator[Judgement]:
        """Each member's stream is read in turn, one judgement at a time; their calls in flight go on meanwhile.

        Where one member's chat gives up, no new case is begun, what the others have under way is still heard, and then
        its UserError is raised.
        """
        on_the_way = _OnTheWay()
        copies = itertools.tee(self._noted(cases, on_the_way), len(self.members))
        pairs = zip(self.members.items(), copies, strict=True)
        streams = {name: member.opinions(copy) for (name, member), copy in pairs}
        while streams:
            for name in list(streams):
                try:
                    judgement = next(streams[name], None)
                except UserError as error:
                    on_the_way.failure, judgement = on_the_way.failure or error, None
                if judgement is None:
                    del streams[name]
                    continue
                case = on_the_way.asked.pop(judgement.key)
                key = judgement_key(self.judge_id, case)
                heard = on_the_way.heard.setdefault(key, {})
                heard[name] = judgement
                if len(heard) == len(self.members):
                    yield made(self.judge_id, case, self._together(on_the_way.heard.pop(key)))
        if on_the_way.failure is not None:
            raise on_the_way.failure

    def _noted(self, cases: Iterable[Case], on_the_way: _OnTheWay) -> Iterator[Case]:
        for case in cases:
            if on_the_way.failure is not None:
                return
            for member in self.members.values():
                on_the_way.asked[judgement_key(member.judge_id, case)] = case
            yield case

    def _together(self, heard: Mapping[str, Judgement]) -> Opinion:
        """The members' judgements of one case as one opinion."""
        opinions = {name: heard[name] for name in self.members}
        scores = {name: opinion.score for name, opinion in opinions.items()}
        scored = [score for score in scores.values() if score is not None]
        failed = next((opinion for opinion in opinions.values() if opinion.score is None), None)
        enough = failed is None or len(scored) >= self.min_members
        return Opinion(
            "ok" if enough or failed is None else failed.status,
            _AGGREGATE[self.aggregate](scored) if enough else None,
            raw=json.dumps({name: opinion.raw for name, opinion in opinions.items()}, ensure_ascii=False),
            reason="\n".join(f"{name}: {opinion.reason}" for name, opinion in opinions.items() if opinion.reason),
            members={**scores, **(self._aspects(opinions) if enough else {})},
            calls=tuple(call for opinion in opinions.values() for call in opinion.calls),
        )

    def _aspects(self, opinions: Mapping[str, Judgement]) -> dict[str, float | None]:
        found: dict[str, list[float]] = {}
        for opinion in opinions.values():
            for name, score in opinion.members.items():
                if score is not None:
                    found.setdefault(name, []).append(score)
        return {name: _AGGREGATE[self.aggregate](scores) for name, scores in found.items()}


@dataclass(frozen=True)
class Agreement:
    """How two members of a jury agree on the cases that both of them scored."""

    a: str
    b: str
    n: int
    exact: float | None  # share of equal scores
    mean_difference: float | None  # a minus b, -100 to 100
    mean_absolute_difference: float | None  # 0 to 100
    kappa: float | None  # quadratically weighted; None where both always give the same one score


def agreement(judgements: Iterable[Judgement]) -> list[Agreement]:
    """The pairwise agreement of the members, over judgements of one jury; empty for any other judge.

    Rows that share a paid call count once.
    """
    rows = {judgement.key: judgement.members for judgement in judgements}.values()
    names = dict.fromkeys(name for row in rows for name in row if not name.startswith(ASPECT))
    return [_agreement(a, b, rows) for a, b in itertools.combinations(names, 2)]


def _agreement(a: str, b: str, rows: Iterable[Mapping[str, float | None]]) -> Agreement:
    pairs = [(x, y) for row in rows if (x := row.get(a)) is not None and (y := row.get(b)) is not None]
    if not pairs:
        return Agreement(a, b, 0, None, None, None, None)
    differences = [x - y for x, y in pairs]
    return Agreement(
        a,
        b,
        len(pairs),
        exact=sum(x == y for x, y in pairs) / len(pairs),
        mean_difference=statistics.fmean(differences),
        mean_absolute_difference=statistics.fmean(map(abs, differences)),
        kappa=_quadratic_kappa([x for x, _ in pairs], [y for _, y in pairs]),
    )


def _quadratic_kappa(a: Sequence[float], b: Sequence[float]) -> float | None:
    """1 - E[(a - b)^2] / E[(a' - b')^2] with a' and b' independent (Cohen 1968); needs no bins."""
    observed = statistics.fmean((x - y) ** 2 for x, y in zip(a, b, strict=True))
    by_chance = statistics.pvariance(a) + statistics.pvariance(b) + (statistics.fmean(a) - statistics.fmean(b)) ** 2
    return 1 - observed / by_chance if by_chance > 0 else None
