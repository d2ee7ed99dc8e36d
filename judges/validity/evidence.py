"""All the evidence about one judge on one part of a pack, and the verdict that it supports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cpbench.flow.ledger import adapter
from cpbench.judges import LoadedJudge, same_family
from cpbench.judges.validity import schema
from cpbench.judges.validity.accuracy import (
    accuracy,
    auc,
    balanced_accuracy,
    both,
    confusion_rows,
    kappa,
    phi,
    rising,
    sensitivity,
    slices,
    specificity,
)
from cpbench.judges.validity.asking import Heard, Hearing
from cpbench.judges.validity.examples import examples
from cpbench.judges.validity.habits import corrected, length, repeats
from cpbench.judges.validity.habits import same_family as kin_bias
from cpbench.judges.validity.packs import Pack
from cpbench.judges.validity.people import Chance, Panel, Rating, humans, panel
from cpbench.judges.validity.probing import probe_results
from cpbench.judges.validity.ranks import Standings, ranks, standings
from cpbench.judges.validity.strictness import spread
from cpbench.judges.validity.table import Table, as_number, kind, language, mean
from cpbench.judges.validity.verdict import covers, criteria, overall, with_verdict
from cpbench.stats import rows_difference

SIMULATED = "simulated:"


@dataclass(frozen=True)
class Candidate:
    """A judge as it is asked for."""

    spec: str
    prompt: str | None = None  # asked for; None: the judge's own, or `otherwise`
    options: Mapping[str, str] = field(default_factory=dict)
    otherwise: str | None = None  # None: the pack's tasks' own, or the packaged default


@dataclass(frozen=True)
class People:
    """Human ratings, and the chance with which each answer was drawn to be rated; None: not a random sample."""

    ratings: Sequence[Rating] = ()
    chance: Chance | None = None


def measured(heard: Heard, candidate: Candidate, people: People, *, draws: int) -> schema.Validity:
    """All the evidence about one judge, without a verdict."""
    hearing, table = heard.hearing, heard.table
    pack, judge = hearing.pack, hearing.judge
    outcomes = [hearing.outcomes[system.name] for system in pack.systems]
    held = standings(table, outcomes)
    scores, recordings = heard.repeated
    kin = [system.family for system in pack.systems if same_family(judge, system.family)]
    rated = panel(people.ratings, table)
    return {
        "schema": schema.SCHEMA,
        "verdict": "INSUFFICIENT",
        "covers": {"types": [], "languages": [], "scale": ""},
        "criteria": [],
        "judge": _judge_facts(judge, candidate),
        "pack": _pack_facts(hearing, table),
        "looks": 0,
        "coverage": heard.coverage,
        "statuses": heard.statuses,
        "overall": accuracy(table, table.counted, "all"),
        "by_system": [accuracy(table, table.system == at, one.name) for at, one in enumerate(table.systems)],
        "by_type": slices(table, table.of_items(kind)),
        "by_language": slices(table, table.of_items(language)),
        "rising": rising(table),
        "auc": auc(table),
        "kappa": kappa(table),
        "phi": phi(table),
        "systems": _systems(table, held),
        "ranks": [] if held is None else ranks(held, draws=draws, seed=pack.seed),
        "spread": spread(table, pack.thresholds.specificity_sd),
        "repeats": repeats(scores, recordings, correct_score=judge.correct_score) if recordings else None,
        "same_family": kin_bias(table, kin) if kin else None,
        "length": length(table),
        "probes": probe_results(heard.probed, pack.thresholds, correct_score=judge.correct_score),
        "humans": None
        if rated is None
        else humans(rated, table, epsilon=pack.thresholds.epsilon, chance=people.chance),
        "baseline": None,
        "examples": examples(heard),
        "notes": list(_notes(heard, table, people, rated)),
    }


def concluded(found: schema.Validity, pack: Pack) -> schema.Validity:
    """The same evidence with the verdict that it supports."""
    thresholds = pack.thresholds
    slices = {key: [with_verdict(one, thresholds) for one in found[key]] for key in ("by_type", "by_language")}
    made = criteria(found, thresholds)
    verdict, balanced = overall(made), next(one for one in made if one["name"] == "balanced_accuracy")
    found = {
        **found,
        "by_type": slices["by_type"],
        "by_language": slices["by_language"],
        "overall": {**found["overall"], "verdict": balanced["outcome"]},
    }
    scope = covers(verdict, found["by_type"], found["by_language"])
    if verdict == "PASS" and not (scope["types"] and scope["languages"]):
        made = [*made, _nothing_covered()]
        verdict = overall(made)
        scope = covers(verdict, found["by_type"], found["by_language"])
    return {**found, "verdict": verdict, "criteria": made, "covers": scope}


def _nothing_covered() -> schema.CriterionFacts:
    return {
        "name": "types and languages",
        "outcome": "INSUFFICIENT",
        "reason": "no question type, or no language, passes by itself",
        "needs": "more answers of one type and one language",
    }


def _judge_facts(judge: LoadedJudge, candidate: Candidate) -> schema.JudgeFacts:
    return {
        "name": judge.name,
        "spec": candidate.spec,
        "prompt": candidate.prompt,
        "judge_id": judge.judge_id,
        "simulated": candidate.spec.startswith(SIMULATED),
        "correct_score": judge.correct_score,
        "card": None,
    }


def _pack_facts(hearing: Hearing, table: Table) -> schema.PackFacts:
    pack, items = hearing.pack, hearing.items
    return {
        "pack_id": pack.pack_id,
        "part": "dev" if hearing.part == "dev" else "gate",
        "items": len(items),
        "recordings": len({item.recording for item in items}),
        "answers": len(table),
        "systems": len(pack.counted),
        "families": len({system.family for system in pack.counted}),
        "synthetic": any(task.synthetic for task in pack.tasks),
        "warnings": pack.warnings(items),
        "thresholds": adapter(type(pack.thresholds)).dump_python(pack.thresholds, mode="json"),
    }


def _systems(table: Table, held: Standings | None) -> list[schema.SystemFacts]:
    macro: dict[str, float] = {}
    if held is not None:
        counted = [system.name for system in table.systems if system.counted]
        macro = dict(zip(counted, held.macro_f1(held.rows.sum(axis=1)).tolist(), strict=True))
    return [_system(table, at, macro.get(system.name)) for at, system in enumerate(table.systems)]


def _system(table: Table, at: int, macro_f1: float | None) -> schema.SystemFacts:
    system, mine = table.systems[at], table.system == at
    scored = mine & table.scored
    rows = np.stack([table.score[scored], np.ones(int(scored.sum()))], axis=1)
    score = table.number(rows, mean, scored, bounds=(0.0, 100.0)) if scored.any() else None
    return {
        "name": system.name,
        "family": system.family,
        "kind": system.kind,
        "counted": system.counted,
        "why_not": system.why_not,
        "answers": int(mine.sum()),
        "wrong": int((table.truth[mine] == 0).sum()),
        "judge_score": score,
        "accuracy": table.share(table.truth == 1, mine),
        "macro_f1": macro_f1,
        "rogan_gladen": corrected(table, at) if system.counted else None,
    }


def beside(heard: Sequence[Heard], theirs: schema.Validity) -> schema.BaselineFacts:
    """The judge against the baseline, on the answers that both scored."""
    tables = [each.table for each in heard]
    where = tables[0].told & tables[1].told
    paired: list[schema.Paired] = []
    if both(tables[0], where):
        rows = (confusion_rows(tables[0], where), confusion_rows(tables[1], where))
        for name, value in (
            ("balanced_accuracy", balanced_accuracy),
            ("sensitivity", sensitivity),
            ("specificity", specificity),
        ):
            found = rows_difference(rows, value, *tables[0].ids(where))
            difference = as_number(found.estimate, (-1.0, 1.0))
            one: schema.Paired = {
                "metric": name,
                "judge": found.value_a,
                "baseline": found.value_b,
                "difference": difference,
                "p": found.p,
            }
            paired.append(one)
    facts = theirs["judge"]
    return {"name": facts["name"], "judge_id": facts["judge_id"], "verdict": theirs["verdict"], "paired": paired}


def _notes(heard: Heard, table: Table, people: People, rated: Panel | None) -> Iterator[str]:
    """What must be said beside the numbers: which measurements do not exist, and why."""
    hearing = heard.hearing
    thresholds = hearing.pack.thresholds
    if shown := [f"{one.name} ({one.why_not})" for one in table.systems if not one.counted]:
        yield f"shown and not counted: {', '.join(shown)}"
    truths = set(table.truth[table.told].tolist())
    if truths == {1}:
        yield "every answer is right: there is no specificity"
    if truths == {0}:
        yield "every answer is wrong: there is no sensitivity"
    if not truths:
        yield "no answer of a counted system has both a label and a score"
    if len(np.unique(table.score[table.told])) == 1:
        yield "the judge gives one score to every answer: no correlation, kappa or rise exists"
    if len(hearing.pack.counted) < 3:
        yield f"{len(hearing.pack.counted)} systems count: correlations over systems need three"
    recordings = len({item.recording for item in hearing.items})
    if thresholds.recordings <= recordings < 30:
        yield f"{recordings} recordings: bootstrap intervals over systems are too narrow under thirty"
    if hearing.twisted is None:
        yield "FIELD_ORDER: this judge's prompt has no data object whose order could be changed"
    yield from _of_people(people, rated)
    if any(task.synthetic for task in hearing.pack.tasks):
        yield "synthetic speech: never comparable with the paper"
    if hearing.part == "dev":
        yield "the dev part: to improve a prompt by; it makes no card"


def _of_people(people: People, rated: Panel | None) -> Iterator[str]:
    if people.ratings and rated is None:
        yield "none of the human ratings is of an answer in this part of the pack"
    if rated is not None and len(rated.annotators) > 1 and rated.rated.max() < 2:
        yield "no answer was rated by two people: nothing shows how far they agree"
    if rated is not None and people.chance is None:
        yield "the human ratings are not known to be a random sample (sample.json): no PPI++"
