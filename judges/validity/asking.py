"""What a judge is asked of a pack, and its answers in one ledger: nothing is ever paid for twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile

import numpy as np

from cpbench.fingerprint import judgement_key
from cpbench.flow.ledger import Ledger
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watching
from cpbench.judges import LoadedJudge, reordered
from cpbench.judges.validity.packs import Pack, Part, System
from cpbench.judges.validity.probes import Probe, probes
from cpbench.judges.validity.probing import Probed
from cpbench.judges.validity.table import Array, Table, make_table
from cpbench.records import Case, Item, Judgement, Outcome
from cpbench.runfolder import case_of

FIELD_ORDER = "FIELD_ORDER"
UNPAID = frozenset({"api_error", "expired"})  # failed without having been paid for: asked again


@dataclass(frozen=True)
class Question:
    """One case and which of a validation's judges it is put to."""

    case: Case
    reordered: bool = False


@dataclass(frozen=True)
class Hearing:
    """A judge at one part of a pack."""

    pack: Pack
    part: Part
    judge: LoadedJudge
    _keys: dict[tuple[int, str, int, bool], str] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        return self.pack.part(self.part)

    @cached_property
    def outcomes(self) -> dict[str, list[Outcome]]:
        """Each system's answers to these items, those of systems that do not count too: they are shown."""
        return {system.name: self.pack.outcomes(system.name, self.items) for system in self.pack.systems}

    @cached_property
    def twisted(self) -> LoadedJudge | None:
        """The same judge with its prompt's data in another order; None where it has no such order."""
        return reordered(self.judge)

    @cached_property
    def probes(self) -> tuple[Probe, ...]:
        return tuple(probes(self.items, seed=self.pack.seed, hears=self.judge.hears))

    @cached_property
    def turned(self) -> tuple[Probe, ...]:
        """The probes of FIELD_ORDER: the plain right answers, put in another order of fields."""
        if self.twisted is None:
            return ()
        return tuple(replace(probe, kind=FIELD_ORDER, expects="same") for probe in self.probes if probe.kind == "GOLD")

    @cached_property
    def repeated(self) -> list[Outcome]:
        """The answers that are judged several times: drawn by the pack's seed from the counted systems' ones."""
        drawn = [
            (hashlib.sha256(f"{self.pack.seed}/{one.item.task}/{one.item.id}/{system.name}".encode()).digest(), one)
            for system in self.pack.counted
            for one in self.outcomes[system.name]
            if one.prediction.status == "ok"
        ]
        drawn.sort(key=lambda pair: pair[0])
        return [one for _, one in drawn[: self.pack.thresholds.repeated]]

    def questions(self) -> Iterator[Question]:
        """Everything that is asked: answers, repeats, probes."""
        times = self.pack.thresholds.repeats
        for outcomes in self.outcomes.values():
            yield from (Question(case_of(one.item, one.prediction)) for one in outcomes)
        for one in self.repeated:
            yield from (Question(case_of(one.item, one.prediction, repeat)) for repeat in range(1, times))
        yield from (Question(probe.case) for probe in self.probes)
        yield from (Question(probe.case, reordered=True) for probe in self.turned)

    def todo(self, done: Callable[[str], bool]) -> Iterator[tuple[LoadedJudge, Iterator[Case]]]:
        """Each judge with its cases whose key is not done yet, asked at the moment at which they are needed."""
        for judge, turned in ((self.judge, False), (self.twisted, True)):
            if judge is not None:
                yield judge, self._left(turned, done)

    def _left(self, turned: bool, done: Callable[[str], bool]) -> Iterator[Case]:
        for question in self.questions():
            if question.reordered == turned and not done(self.key(question)):
                yield question.case

    def key(self, question: Question) -> str:
        """The judgement's key; kept, since it hashes the item, and items and probes live as long as the hearing."""
        case = question.case
        known = (id(case.item), case.answer, case.repeat, question.reordered)
        if known not in self._keys:
            judge = self.twisted if question.reordered and self.twisted is not None else self.judge
            self._keys[known] = judgement_key(judge.judge_id, case)
        return self._keys[known]


@dataclass(frozen=True)
class Heard:
    """What a judge said of one part of a pack."""

    hearing: Hearing
    said: Mapping[str, Judgement] = field(repr=False)  # by key

    def judgement(self, case: Case, *, reordered: bool = False) -> Judgement | None:
        return self.said.get(self.hearing.key(Question(case, reordered)))

    def score(self, case: Case, *, reordered: bool = False) -> float | None:
        found = self.judgement(case, reordered=reordered)
        return None if found is None else found.score

    @property
    def table(self) -> Table:
        """All systems' answers with their scores, as columns."""
        hearing = self.hearing
        scores = {
            name: [self.score(case_of(one.item, one.prediction)) for one in outcomes]
            for name, outcomes in hearing.outcomes.items()
        }
        systems: Sequence[System] = hearing.pack.systems
        correct = hearing.judge.correct_score
        return make_table(systems, hearing.items, hearing.outcomes, scores, correct_score=correct)

    @property
    def repeated(self) -> tuple[Array, list[str]]:
        """The scores of the repeated answers (answers, repeats), NaN where there is none, and their recordings."""
        hearing = self.hearing
        rows = [
            [self.score(case_of(one.item, one.prediction, repeat)) for repeat in range(hearing.pack.thresholds.repeats)]
            for one in hearing.repeated
        ]
        scores = np.array(rows, dtype=float).reshape(len(rows), hearing.pack.thresholds.repeats)
        return scores, [one.item.recording for one in hearing.repeated]

    @property
    def probed(self) -> list[Probed]:
        plain = [Probed(probe, self.score(probe.case)) for probe in self.hearing.probes]
        return plain + [Probed(probe, self.score(probe.case, reordered=True)) for probe in self.hearing.turned]

    @property
    def statuses(self) -> dict[str, int]:
        """How many judgements have each status; one that several answers share counts once."""
        return dict(sorted(Counter(str(one.status) for one in self.said.values()).items()))

    @property
    def coverage(self) -> float:
        """The share of all answers and probes, repeats included, with a score."""
        asked = list(self.hearing.questions())
        known = (self.said.get(self.hearing.key(question)) for question in asked)
        return sum(one is not None and one.score is not None for one in known) / max(len(asked), 1)


def hear(hearing: Hearing, ledger: Ledger[Judgement], watching: Watching, known: Iterable[Judgement] = ()) -> Heard:
    """Ask what the ledger does not hold yet, and return all of it.

    `known`: judgements that were paid for elsewhere (in the runs that the pack was made of). Raises Stopped where
    `watching.stop` ended it early; what was judged is in the ledger.
    """
    wanted = dict.fromkeys(hearing.key(question) for question in hearing.questions())
    for one in known:
        if one.key in wanted and one.key not in ledger and one.status not in UNPAID:
            ledger.append(one)
    left = sum(key not in ledger for key in wanted)
    if left:
        watching.watch.stage(f"judging by {hearing.judge.name}", total=left)
        _ask(hearing, ledger, watching)
    if watching.stop() and (left := sum(key not in ledger for key in wanted)):
        raise Stopped(f"stopped with {left} of {len(wanted)} judgements to go; the same command goes on")
    said = {one.key: replace(one, raw=None, calls=()) for one in ledger if one.key in wanted}
    return Heard(hearing, said)


def _ask(hearing: Hearing, ledger: Ledger[Judgement], watching: Watching) -> None:
    for judge, todo in hearing.todo(lambda key: key in ledger):
        for judgement in judge.judge(takewhile(lambda case: not watching.stop(), todo)):
            if judgement.key not in ledger:  # cases of one key share a judgement
                ledger.append(judgement)
                watching.watch.advance()


def priced(hearings: Iterable[Hearing], ledger: Ledger[Judgement], known: Iterable[Judgement] = ()) -> None:
    """Put what is not judged yet to judges whose chats only count (`Paying.counting`). Nothing is sent or written."""
    paid = {one.key for one in known if one.status not in UNPAID}
    for hearing in hearings:
        for judge, todo in hearing.todo(lambda key: key in ledger or key in paid):
            for _ in judge.judge(todo):
                pass  # the empty answers, which need no call
