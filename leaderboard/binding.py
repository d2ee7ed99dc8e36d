"""Judgements held against what they judge: the judge by its digest, each line by its answer's and its key's digest."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cpbench.fingerprint import digest, text_sha256
from cpbench.judges import ASPECT, BOTTOM
from cpbench.leaderboard.codes import Finding, finding
from cpbench.leaderboard.datasets import DatasetCard
from cpbench.leaderboard.parsing import Parsed
from cpbench.leaderboard.schema import JudgeFacts, JudgementLine, PredictionLine

CLOSE = 1e-6
COVERAGE = 0.99  # of the answers; below, nothing enters a board (JUDGE, 1)


def judge_findings(parsed: Parsed) -> Iterator[Finding]:
    """What is wrong with who judged: whether there is one, and whether its judge_id is its own."""
    judge = parsed.submission.judge
    if (judge is None) != (not parsed.judged):
        yield finding("judge_absent", f"{len(parsed.judged)} judgements, and {'no' if judge is None else 'a'} judge")
    if judge is None:
        return
    if judge.identity is not None and digest(judge.identity) != judge.judge_id:
        yield finding(
            "judge_differs", f"judge_id {judge.judge_id[:12]}, and its identity has {digest(judge.identity)[:12]}"
        )
    said = Identity.of(judge.identity)
    if judge.prompt_sha256 != said.prompt:
        yield finding("judge_differs", "prompt_sha256 is not that of its identity")
    if judge.members != said.members:
        yield finding("judge_differs", "members are not those of its identity")
    if judge.identity is not None and judge.simulated != said.simulated:
        yield finding("judge_differs", f"simulated is {judge.simulated}, and its identity says otherwise")


def judgement_findings(parsed: Parsed, dataset: DatasetCard) -> Iterator[Finding]:
    """What is wrong with the judgements: each against its answer, then whether they are whole."""
    judge = parsed.submission.judge
    if judge is None:
        return
    answers = {line.key: line for line in parsed.answers}
    own = _Bound(judge, Identity.of(judge.identity), dataset)
    for line in parsed.judged:
        answer = answers.get((line.condition, line.item_id))
        if answer is None or answer.status == "error" or line.repeat >= judge.repeats:
            yield finding("judgement_unknown", f"{_named(line)}, repeat {line.repeat}")
        elif (wrong := own.wrong(line, answer)) is not None:
            yield wrong
    yield from _incomplete(parsed, judge)


@dataclass(frozen=True)
class _Bound:
    """What every judgement of a submission has to agree with."""

    judge: JudgeFacts
    said: Identity
    dataset: DatasetCard

    def wrong(self, line: JudgementLine, answer: PredictionLine) -> Finding | None:
        text = put(answer)
        sha256 = text_sha256(text)
        if line.answer_sha256 != sha256:
            return finding("judgement_unbound", f"{_named(line)}: judged was another answer")
        if line.key_sha256 != key_of(self.judge.judge_id, self.dataset.lines[line.item_id], sha256, line.repeat):
            return finding("judgement_unbound", f"{_named(line)}: the key is of another judge, item or repeat")
        if (line.status == "rule_empty") != (not text.strip()):
            return finding(
                "judgement_impossible", f"{_named(line)}: {line.status} for an answer of {len(text)} letters"
            )
        if line.status == "rule_empty":
            return None if line.score == BOTTOM else finding("judgement_impossible", f"{_named(line)}: empty, scored")
        why = self.said.impossible(line)
        return None if why is None else finding("judgement_impossible", f"{_named(line)}: {why}")


def put(answer: PredictionLine) -> str:
    """What a judge is asked of an answer: one that was refused or cut off is put to it as an empty one."""
    return answer.answer if answer.status == "ok" else ""


def key_of(judge_id: str, line_sha256: str, answer_sha256: str, repeat: int) -> str:
    """`fingerprint.judgement_key`, from digests: a board may not hold the item's text."""
    return digest(judge_id, line_sha256, answer_sha256, repeat)


def _incomplete(parsed: Parsed, judge: JudgeFacts) -> Iterator[Finding]:
    """Judgements that are not there, or have no score; every condition that was judged at all is judged whole."""
    conditions = {parsed.submission.generation.condition, *(line.condition for line in parsed.judged)}
    there = Counter((line.condition, line.item_id) for line in parsed.judged)
    scored = {(line.condition, line.item_id) for line in parsed.judged if line.score is not None}
    for condition in sorted(conditions):
        mine = [line for line in parsed.answers if line.condition == condition]
        short = [line for line in mine if line.status != "error" and there[line.key] < judge.repeats]
        if short:
            yield finding(
                "judgement_missing", f"{len(short)} answers under {condition}; the first: {short[0].item_id!a}"
            )
        covered = sum(line.key in scored for line in mine) / max(len(mine), 1)
        if covered < COVERAGE:
            yield finding("judge_coverage", f"{covered:.2%} of the answers under {condition} have a score")


def _named(line: JudgementLine) -> str:
    return f"{line.item_id!a} under {line.condition}"


@dataclass(frozen=True)
class Identity:
    """What a judge's identity says of the scores that it can give; read without trust, for anybody wrote it."""

    prompt: str | None = None
    members: tuple[str, ...] = ()
    simulated: bool = False
    scores: tuple[float, ...] | None = None  # what one question of it can give; None: any from 0 to 100
    aspects: Mapping[str, float] | None = None
    how: str | None = None  # of a jury: mean or median
    fewest: int = 1  # members that have to have a score

    @classmethod
    def of(cls, identity: Mapping[str, Any] | None) -> Identity:
        """Read it: what has another form than our own judges' says nothing."""
        said = identity or {}
        prompt, members, aggregate = said.get("prompt"), said.get("members"), said.get("aggregate")
        rows = members if isinstance(members, list) else []
        models = [row.get("model") for row in rows if isinstance(row, dict)]
        aspects = said.get("aspects")
        jury = aggregate if isinstance(aggregate, dict) else {}
        fewest = jury.get("min_members")
        return cls(
            prompt if isinstance(prompt, str) else None,
            tuple(model for model in models if isinstance(model, str)),
            str(said.get("cpbench")).startswith("simulated"),
            _scores(said) if said.get("score_mode") == "parsed" else None,
            aspects if isinstance(aspects, dict) and aspects and _weights(aspects) else None,
            jury.get("how") if jury.get("how") in ("mean", "median") else None,
            fewest if isinstance(fewest, int) else 1,
        )

    def impossible(self, line: JudgementLine) -> str | None:
        """Why this judge cannot have given this line's score; None: it can."""
        if line.score is None:
            return None
        if self.how is not None:
            return self._of_jury(line, self.how)
        if self.aspects is not None:
            parts = {name: line.members.get(f"{ASPECT}{name}") for name in self.aspects}
            return self._of_aspects(line.score, parts, self.aspects)
        return self._off_scale(line.score)

    def _of_aspects(self, score: float, parts: Mapping[str, float | None], weights: Mapping[str, float]) -> str | None:
        known = {name: part for name, part in parts.items() if part is not None}
        if len(known) < len(parts):
            return "an aspect has no score"
        total = sum(weights[name] * part for name, part in known.items()) / sum(weights.values())
        if abs(total - score) > CLOSE:
            return f"{score} is not the mean of its aspects, {total}"
        return next((why for part in known.values() if (why := self._off_scale(part)) is not None), None)

    def _of_jury(self, line: JudgementLine, how: str) -> str | None:
        given = [score for name, score in line.members.items() if score is not None and not name.startswith(ASPECT)]
        if len(given) < max(self.fewest, 1) or line.score is None:
            return f"{len(given)} members have a score"
        total = statistics.fmean(given) if how == "mean" else statistics.median(given)
        if abs(total - line.score) > CLOSE:
            return f"{line.score} is not the {how} of its members, {total}"
        if self.aspects is not None:
            return None
        return next((why for score in given if (why := self._off_scale(score)) is not None), None)

    def _off_scale(self, score: float) -> str | None:
        if self.scores is None or any(abs(score - each) <= CLOSE for each in self.scores):
            return None
        return f"{score} is not on the judge's scale"


def _scores(said: Mapping[str, Any]) -> tuple[float, ...] | None:
    """The scores from 0 to 100 that the judge's output schema allows; None where it does not list them."""
    schema = said.get("schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return None
    listed = [each.get("enum") for each in properties.values() if isinstance(each, dict) and "enum" in each]
    values = listed[0] if listed and isinstance(listed[0], list) else []
    numbers = [float(value) for value in values if isinstance(value, int | float) and abs(value) < 1e9]
    if len(numbers) < 2 or numbers[0] == numbers[-1]:
        return None
    return tuple(100.0 * (value - numbers[0]) / (numbers[-1] - numbers[0]) for value in numbers)


def _weights(aspects: Mapping[str, Any]) -> bool:
    values: Sequence[Any] = list(aspects.values())
    return all(isinstance(value, int | float) and 0 < value < 1e9 for value in values)
