"""The judge beside human raters, and the raters beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from cpbench.errors import UserError
from cpbench.judges.validity import schema
from cpbench.judges.validity.habits import jackknife, mean_number
from cpbench.judges.validity.packs import Pack
from cpbench.judges.validity.table import Array, Bools, Codes, Table, as_number
from cpbench.stats.agreement import cohen_kappa, gwet_ac, krippendorff_alpha
from cpbench.stats.alt_test import alt_test
from cpbench.stats.prediction_powered import ppi_mean

SCALE = (0, 1, 2, 3, 4, 5)
FEWEST_RATERS = 3  # for the alternative annotator test
Chance = Callable[[str, str | None], float | None]
"""(system, question type) -> the probability with which each such answer was drawn to be rated; None: none was."""
FEWEST_LABELS = 10  # a system, for PPI++


class Rating(Protocol):
    """What `cpbench.judges.validity.humans` reads."""

    @property
    def item_id(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def annotator(self) -> str: ...
    @property
    def score(self) -> float | None:
        """0 to 5; None: cannot tell."""
        ...


@dataclass(frozen=True)
class Panel:
    """Human ratings of the answers of a table."""

    annotators: tuple[str, ...]
    ratings: Array  # (annotators, N), 0 to 5, NaN where there is none
    cannot_tell: int

    @property
    def rated(self) -> Array:
        """How many ratings each answer has (N,)."""
        found: Array = (~np.isnan(self.ratings)).sum(axis=0)
        return found


def check_ratings(ratings: Sequence[Rating], pack: Pack) -> None:
    """Hold ratings against a pack. Raises UserError for unknown items or systems, doubled ratings, strange scores."""
    items = {item.id for item in pack.items}
    systems = {system.name for system in pack.systems}
    seen: set[tuple[str, str, str]] = set()
    for one in ratings:
        if one.item_id not in items:
            raise UserError("the ratings name an item that the pack does not hold:", value=one.item_id)
        if one.system not in systems:
            raise UserError(
                "the ratings name a system that the pack does not hold:", value=one.system, allowed=sorted(systems)
            )
        key = (one.item_id, one.system, one.annotator)
        if key in seen:
            raise UserError(f"{one.annotator} rated {one.system}'s answer twice, to the item", value=one.item_id)
        seen.add(key)
        if one.score is not None and not SCALE[0] <= one.score <= SCALE[-1]:
            raise UserError(f"a rating is {SCALE[0]} to {SCALE[-1]}, or empty, and not", value=one.score)


def panel(ratings: Sequence[Rating], table: Table) -> Panel | None:
    """The ratings of this table's answers; None where there is none (they may be of the pack's other half)."""
    place: dict[tuple[str, str], int] = {}
    for row, (system, item) in enumerate(zip(table.system, table.item, strict=True)):
        place[table.items[item].id, table.systems[system].name] = row
    here = [(one, place[one.item_id, one.system]) for one in ratings if (one.item_id, one.system) in place]
    annotators = tuple(sorted({one.annotator for one, _ in here}))
    if not any(one.score is not None for one, _ in here):
        return None
    found = np.full((len(annotators), len(table)), np.nan)
    for one, row in here:
        if one.score is not None:
            found[annotators.index(one.annotator), row] = one.score
    return Panel(annotators, found, sum(one.score is None for one, _ in here))


def humans(held: Panel, table: Table, *, epsilon: float, chance: Chance | None = None) -> schema.Humans:
    """Agreement of the judge with the humans and of the humans with each other, and what follows."""
    return {
        "annotators": list(held.annotators),
        "ratings": int(held.rated.sum()),
        "cannot_tell": held.cannot_tell,
        "judge": _with_judge(held, table),
        "among": among(held, table.recording.tolist()),
        "couples": couples(held, table.recording.tolist()),
        "alt_test": _alt_test(held, table, epsilon),
        "ppi": [] if chance is None else _ppi_all(held, table, chance),
    }


def _with_judge(held: Panel, table: Table) -> schema.Between | None:
    """Over all labels: each pair of a human's rating and the judge's score of the same answer."""
    rater, answer = np.nonzero(~np.isnan(held.ratings) & table.scored)
    if not len(answer):
        return None
    judge, human = table.score[answer] / 20, held.ratings[rater, answer]
    found = _between(np.stack([judge, human]), table.recording[answer].tolist())
    found["bias"] = mean_number(judge - human, table.recording[answer].tolist(), (-5.0, 5.0))
    return found


def among(held: Panel, recordings: Sequence[object]) -> schema.Between | None:
    """The annotators with each other; `recordings` (N,) of the answers. None where no answer was rated by two.

    Kappa is over all pairs of annotators and the answers that both rated, AC2 and alpha over all ratings at once.
    """
    first, second = np.triu_indices(len(held.annotators), 1)
    pair, answer = np.nonzero(_both(held, first, second))
    if not len(answer):
        return None
    pairs = np.stack([held.ratings[first[pair], answer], held.ratings[second[pair], answer]])
    found = _between(pairs, [recordings[int(at)] for at in answer])
    rated = np.flatnonzero(held.rated)
    given, owners = held.ratings[:, rated], [recordings[int(at)] for at in rated]
    return {**found, "ac2": _ac2(given, owners), "alpha": _alpha(given, owners)}


def couples(held: Panel, recordings: Sequence[object]) -> list[schema.Couple]:
    """Each two annotators on the answers that both rated."""
    return [_couple(held, recordings, a, b) for a, b in combinations(range(len(held.annotators)), 2)]


def _couple(held: Panel, recordings: Sequence[object], a: int, b: int) -> schema.Couple:
    (shared,) = np.nonzero(_both(held, a, b))
    one, other = held.ratings[a, shared], held.ratings[b, shared]
    return {
        "annotators": (held.annotators[a], held.annotators[b]),
        "answers": len(shared),
        "quadratic_kappa": _kappa(np.stack([one, other]), [recordings[int(at)] for at in shared])
        if len(shared)
        else None,
        "equal": float((one == other).mean()) if len(shared) else None,
        "bias": float((one - other).mean()) if len(shared) else None,
    }


def _both(held: Panel, first: Codes | int, second: Codes | int) -> Bools:
    """Where both of two annotators, or of each two, have rated."""
    return np.asarray(~np.isnan(held.ratings[first]) & ~np.isnan(held.ratings[second]))


def _between(pairs: Array, recordings: Sequence[object]) -> schema.Between:
    """Of two rows of ratings, (2, labels), 0 to 5."""
    whole = np.clip(np.round(pairs), SCALE[0], SCALE[-1])
    return {
        "labels": pairs.shape[1],
        "quadratic_kappa": _kappa(whole, recordings),
        "ac2": _ac2(whole, recordings),
        "alpha": _alpha(pairs, recordings),
        "bias": None,
    }


def _kappa(pairs: Array, recordings: Sequence[object]) -> schema.Number | None:
    def of(kept: Codes) -> float | None:
        a, b = pairs[:, kept].astype(int).tolist()
        return cohen_kappa(a, b, weights="quadratic", scale=SCALE)

    return jackknife(of, recordings)


def _ac2(ratings: Array, recordings: Sequence[object]) -> schema.Number | None:
    return jackknife(lambda kept: gwet_ac(ratings[:, kept], weights="quadratic", scale=SCALE), recordings)


def _alpha(ratings: Array, recordings: Sequence[object]) -> schema.Number | None:
    return jackknife(lambda kept: krippendorff_alpha(ratings[:, kept]), recordings)


def _alt_test(held: Panel, table: Table, epsilon: float) -> schema.AltTest | None:
    rated = table.scored & (held.rated > 0)
    if len(held.annotators) < FEWEST_RATERS or not rated.any():
        return None
    found = alt_test(held.ratings[:, rated], table.score[rated] / 20, table.recording[rated].tolist(), epsilon=epsilon)
    raters = [
        {
            "annotator": held.annotators[one.rater],
            "items": one.items,
            "judge": one.judge,
            "human": one.human,
            "p": one.p,
            "won": one.won,
        }
        for one in found.raters
    ]
    return {
        "epsilon": epsilon,
        "winning_rate": found.winning_rate,
        "advantage": found.advantage,
        "passes": found.passes,
        "raters": raters,
    }


def _ppi_all(held: Panel, table: Table, chance: Chance) -> list[dict[str, Any]]:
    found = (_ppi(held, table, at, chance) for at in range(len(table.systems)))
    return [one for one in found if one is not None]


def _ppi(held: Panel, table: Table, system: int, chance: Chance) -> dict[str, Any] | None:
    """One system's mean human score, 0 to 5, from the rated answers and the judge's scores of all."""
    name = table.systems[system].name
    drawn = np.array([chance(name, item.type) or np.nan for item in table.items])[table.item]
    mine = table.scored & (table.system == system) & ~np.isnan(drawn)
    rated = mine & (held.rated > 0)
    if rated.sum() < FEWEST_LABELS:
        return None
    human = np.full(len(table), np.nan)
    human[rated] = np.nanmean(held.ratings[:, rated], axis=0)
    judge = table.score[mine] / 20
    estimate = ppi_mean(judge, human[mine], table.recording[mine].tolist(), chance=drawn[mine])
    return {"system": name, "raw": float(judge.mean()), **as_number(estimate, (0.0, 5.0))}
