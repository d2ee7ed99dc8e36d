"""Does the model listen? What a run under several conditions shows of it, in numbers and in sentences.

Per task and question type: the main condition against each other one; what that adds up to; which items need the clip;
how far the answers agree; and what they follow where a clip, a tag or the words suggest another label.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from cpbench.comparison import sentences
from cpbench.comparison.answers import Agreement, Need, agreement, agreements, need
from cpbench.comparison.follow import Followed, followed, told, untold
from cpbench.comparison.gaps import Gap, gaps
from cpbench.comparison.sheets import Judged, Sheet, sheets
from cpbench.comparison.verdicts import Verdict, verdict
from cpbench.conditions import Kind, kind, meaning
from cpbench.records import Item, Outcome, Task


@dataclass(frozen=True)
class Condition:
    """A column of the report."""

    name: str
    kind: Kind
    meaning: str  # what a difference to it says, and no more


@dataclass(frozen=True)
class Listening:
    """The listening report of a run."""

    main: str
    conditions: tuple[Condition, ...]
    gaps: tuple[Gap, ...]  # main minus each other condition
    verdicts: tuple[Verdict, ...]
    needs: tuple[Need, ...]
    agreements: tuple[Agreement, ...]  # of the main condition's answers with each other one's
    followed: tuple[Followed, ...]
    told: tuple[Gap, ...]  # with tags minus without
    changed: tuple[Agreement, ...]  # between two conditions whose tags differ

    def plain(self) -> dict[str, Any]:
        """The report as results.json has it: every record with its sentence, null for what is not a number."""
        made = {
            "main": self.main,
            "conditions": [dataclasses.asdict(each) for each in self.conditions],
            "verdicts": [self._with_sentence(one) for one in self.verdicts],
            "gaps": [_said(one, sentences.of_gap(one)) for one in self.gaps],
            "needs": [_said(one, sentences.of_need(one)) for one in self.needs],
            "agreements": [_said(one, sentences.of_agreement(one)) for one in self.agreements],
            "followed": [_said(one, sentences.of_followed(one)) for one in self.followed],
            "told": [_said(one, sentences.of_told(one)) for one in self.told],
            "changed": [_said(one, sentences.of_agreement(one)) for one in self.changed],
        }
        return made

    def _with_sentence(self, one: Verdict) -> dict[str, Any]:
        wanted = (one.task, one.type, one.metric, one.judge)
        own = [gap for gap in self.gaps if (gap.task, gap.type, gap.metric, gap.judge) == wanted]
        here = [
            each for each in self.agreements if (each.task, each.type) == (one.task, one.type) and each.equal == 1.0
        ]
        same = [each.b for each in here if kind(each.b) in ("silent", "other")]
        return _said(one, sentences.of_verdict(one, own, same))


def listening(
    outcomes: Sequence[Outcome],
    tasks: Sequence[Task],
    items: Sequence[Item],
    *,
    main: str,
    judged: Sequence[Judged] = (),
) -> Listening | None:
    """Return the listening report of a run's outcomes; None for a run with one condition.

    `main`: the condition that the others are held against. `items`: all of the run's, where the labels of played clips
    are looked up.
    """
    names = list(dict.fromkeys(outcome.prediction.condition for outcome in outcomes))
    if len(names) < 2 or main not in names:
        return None
    names = [main, *sorted((name for name in names if name != main), key=_place)]
    every = list(sheets(outcomes, tasks, names, judged))
    once = list({(sheet.task.name, sheet.type): sheet for sheet in reversed(every)}.values())[::-1]  # by any judge
    found = [(sheet, gaps(sheet)) for sheet in every]
    of_task = {task.name: [item for item in items if item.task == task.name] for task in tasks}
    return Listening(
        main,
        tuple(Condition(name, kind(name), meaning(name)) for name in names),
        tuple(gap for _, each in found for gap in each),
        tuple(verdict(sheet, each) for sheet, each in found if each),
        tuple(one for sheet in every if (one := need(sheet)) is not None),
        tuple(one for sheet in once for one in agreements(sheet)),
        tuple(one for sheet in every for one in followed(sheet, of_task[sheet.task.name])),
        tuple(gap for sheet in every for gap in gaps(sheet, _with_and_without(sheet))),
        tuple(agreement(sheet, a, b) for sheet in once for a, b in combinations(told(sheet), 2)),
    )


def _place(condition: str) -> tuple[int, str]:
    """The report's order of conditions: from those without the clip to those with all of it."""
    order: tuple[Kind, ...] = ("other", "silent", "words", "part", "told", "changed", "plain")
    return order.index(kind(condition)), condition


def _with_and_without(sheet: Sheet) -> list[tuple[str, str]]:
    """Each condition with tags, and the one like it without."""
    pairs = [(condition, untold(sheet, condition)) for condition in told(sheet)]
    return [(a, b) for a, b in pairs if b is not None]


def _said(record: Any, sentence: str) -> dict[str, Any]:
    return {**dataclasses.asdict(record), "sentence": sentence}
