"""Judging a run: as its answers come in, or afterwards from its folder; what was paid for is never paid for again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from typing import Any

from cpbench.chat import Chat
from cpbench.chat.paying import Paying
from cpbench.chat.prices import cost_of
from cpbench.fingerprint import judgement_key
from cpbench.flow.ledger import adapter
from cpbench.flow.streams import Background
from cpbench.flow.watch import Watching
from cpbench.judges import LoadedJudge, agreement, card_line, identity_of, load_judge, same_family, sheet
from cpbench.records import SCORED, Case, Judgement, JudgeSheet, Outcome, Prediction, Score
from cpbench.results import compute, noise
from cpbench.runfolder import Run, case_of
from cpbench.tasks import check_rights

NOISE_ITEMS, NOISE_REPEATS = 200, 5
"""So many items are judged so many times, which measures the judge's own noise at a fraction of repeating all."""


@dataclass(frozen=True)
class Judging:
    """One judge, and how it is asked."""

    spec: str
    prompt: str | None = None  # None: the tasks' own, or the packaged `cpqa`
    options: Mapping[str, str] = field(default_factory=dict)
    repeats: int | None = None  # of every item; None: one, and NOISE_REPEATS on NOISE_ITEMS of them
    third_party_ok: bool = False
    paying: Paying = field(default_factory=Paying)


@dataclass(frozen=True)
class Bench:
    """A judge at a run's answers."""

    run: Run
    judge: LoadedJudge
    judging: Judging

    @property
    def noisy(self) -> frozenset[tuple[str, str]]:
        """The items that are judged several times: drawn by the run's seed."""
        seed = self.run.config.seed
        drawn = sorted((item.task, item.id) for item in self.run.items)
        drawn.sort(key=lambda one: hashlib.sha256(f"{seed}/{one[0]}/{one[1]}".encode()).digest())
        return frozenset(drawn[:NOISE_ITEMS])

    def cases(self, predictions: Iterable[Prediction]) -> Iterator[Case]:
        """What is to be judged of these predictions: all but the failed ones, each as often as is asked."""
        items = {(item.task, item.id): item for item in self.run.items}
        noisy, main = self.noisy, self.run.main_condition
        for prediction in predictions:
            item = items.get((prediction.task, prediction.item_id))
            if item is None or prediction.status == "error":
                continue
            again = (prediction.task, prediction.item_id) in noisy and prediction.condition == main
            times = self.judging.repeats or (NOISE_REPEATS if again else 1)
            for repeat in range(times):
                yield case_of(item, prediction, repeat)

    def todo(self, predictions: Iterable[Prediction]) -> Iterator[Case]:
        """The cases that have no judgement yet."""
        for case in self.cases(predictions):
            if judgement_key(self.judge.judge_id, case) not in self.run.judgements:
                yield case

    def judge_all(self, predictions: Iterable[Prediction], watching: Watching) -> None:
        """Judge what is not judged yet. Once `watching.stop` says so, what is in flight is finished and no more."""
        todo = takewhile(lambda case: not watching.stop(), self.todo(predictions))
        for judgement in self.judge.judge(todo):
            if judgement.key not in self.run.judgements:  # cases of one key share a judgement
                self.run.judgements.append(judgement)
            watching.watch.advance()

    def beside(self, stop: Callable[[], bool]) -> Background[Prediction]:
        """Judge predictions as they come, in a thread of its own."""
        return Background(lambda coming: self.judge_all(coming, Watching(stop=stop)))


def open_bench(run: Run, judging: Judging, *, wrap: Callable[[Chat], Chat] | None = None) -> Bench:
    """Load the judge for a run. Raises UserError where the rights forbid to send what it reads."""
    prompts = {task.judge_prompt for task in run.tasks if task.judge_prompt}
    otherwise = prompts.pop() if len(prompts) == 1 else None
    judge = load_judge(judging.spec, judging.options, prompt=judging.prompt, otherwise=otherwise, wrap=wrap)
    check_rights(
        judge.name, run.tasks, third_party=judge.third_party, ok=judging.third_party_ok, flag="--third-party-ok"
    )
    return Bench(run, judge, judging)


def noted(benches: Iterable[Bench]) -> None:
    """Write into the manifest who judges; several judges stand side by side, those of earlier starts too."""
    for bench in benches:
        judge, judging = bench.judge, bench.judging
        about = {
            "spec": judging.spec,
            "name": judge.name,
            "prompt": judging.prompt,
            "families": sorted(judge.families),
            "correct_score": judge.correct_score,
            "repeats": judging.repeats,
            "same_family": same_family(judge, bench.run.card.family),
            "third_party_ok": judging.third_party_ok,
            "sheet": asdict(sheet(judge)),
            "identity": identity_of(judge),
        }
        before = bench.run.manifest.get("judges", {})
        known = before.get(judge.judge_id, {})
        bench.run.note(judges={**before, judge.judge_id: {**known, **about}})


def note_cost(bench: Bench) -> None:
    """Write into the manifest what this judge's calls have cost so far, by the price table that was given."""
    prices, judges = bench.judging.paying.prices, bench.run.manifest["judges"]
    if prices is None:
        return
    own = (one for one in bench.run.judgements if one.judge_id == bench.judge.judge_id)
    money = sum(cost_of(call, prices) for one in own for call in one.calls)
    about = {**judges[bench.judge.judge_id], "cost": {"money": money, "currency": prices.currency}}
    bench.run.note(judges={**judges, bench.judge.judge_id: about})


@dataclass(frozen=True)
class Verdicts:
    """What one judge said of a run."""

    judge_id: str
    about: Mapping[str, Any]  # the manifest's entry
    outcomes: Sequence[Outcome]  # every answer, with this judge's judgements of it
    scores: tuple[Score, ...]
    facts: Mapping[str, Any]  # statuses, noise, agreement of a jury's members
    usage: Mapping[str, float]

    @property
    def sheet(self) -> JudgeSheet:
        """Who the judge is; of a run that was judged before this was kept, its name alone."""
        read: JudgeSheet = adapter(JudgeSheet).validate_python(self.about.get("sheet", {"name": self.about["name"]}))
        return read

    @property
    def warnings(self) -> list[str]:
        """What must be said beside this judge's scores."""
        name, missing = self.about["name"], {k: n for k, n in self.facts["statuses"].items() if k not in SCORED}
        found = []
        if self.about["same_family"]:
            found.append(f"{name} and the model are of one family: it may favour its own kind")
        if str(name).startswith("simulated:"):
            found.append(f"{name}: simulated, no LLM has judged anything")
        if missing:
            words = ", ".join(f"{count} {status}" for status, count in sorted(missing.items()))
            found.append(f"{name} gave no score: {words}; these are in no score, and the bounds stand in results.json")
        return found


def verdicts(run: Run) -> list[Verdicts]:
    """What each judge of a run's manifest said, from the run's folder alone."""
    return [_verdicts(run, judge_id, about) for judge_id, about in run.manifest.get("judges", {}).items()]


def _verdicts(run: Run, judge_id: str, about: Mapping[str, Any]) -> Verdicts:
    statuses: Counter[str] = Counter()
    usage: Counter[str] = Counter()
    said: dict[str, Judgement] = {}
    for judgement in run.judgements:
        if judgement.judge_id != judge_id:
            continue
        statuses[judgement.status] += 1
        for call in judgement.calls:
            usage["judge_calls"] += 1
            usage.update({f"judge_{kind}": count for kind, count in call.usage.items()})
        said[judgement.key] = replace(judgement, raw=None, reason=None, calls=())  # long texts stay on disk
    outcomes = list(run.outcomes(judge_id=judge_id))
    repeated = run.outcomes(judge_id=judge_id, repeats=max(NOISE_REPEATS, about["repeats"] or 1))
    noisy = noise((outcome.judgements for outcome in repeated), about["correct_score"])
    facts: dict[str, Any] = {"statuses": dict(statuses), "card": card_line(judge_id)}
    if noisy is not None:
        facts["noise"] = asdict(noisy)
    if members := agreement(said.values()):
        facts["agreement"] = [asdict(pair) for pair in members]
    return Verdicts(judge_id, about, outcomes, compute(outcomes, run.tasks, judge_id=judge_id), facts, usage)
