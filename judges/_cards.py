"""The validity card of a judge: what was measured about it, in the one line that stands beside its scores.

A card is a file `<judge_id>.json`, written by `cpbench judge validate`; it holds for exactly that judge, and for the
question types and languages that it was measured on. A judge without one is "not validated".
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cpbench.errors import UserError
from cpbench.flow.ledger import write_whole

NOT_VALIDATED = "not validated"
Verdict = Literal["PASS", "FAIL", "INSUFFICIENT"]


@dataclass(frozen=True)
class Card:
    """What a validation found."""

    judge_id: str
    verdict: Verdict
    types: tuple[str, ...]  # the question types that it covers
    languages: tuple[str, ...]
    simulated: bool = False
    synthetic: bool = False  # whether it was measured on answers about synthetic speech

    @property
    def line(self) -> str:
        """ "PASS: DE, DG; en": the verdict and what it covers; all else is not validated."""
        said = f"{self.verdict}: {', '.join(self.types) or 'no type'}; {', '.join(self.languages) or 'no language'}"
        said = f"{said} (on synthetic speech)" if self.synthetic else said
        return f"simulated, {said}" if self.simulated else said

    def covers(self, type: str | None, language: str | None) -> bool:
        """Whether the verdict says something about such items."""
        return type in self.types and language in self.languages


def read_card(judge_id: str, folders: Iterable[Path]) -> Card | None:
    """The judge's card from the first of the folders that has it. Raises UserError for a file that is no card of it."""
    import pydantic

    for folder in folders:
        path = folder / f"{judge_id}.json"
        if not path.is_file():
            continue
        try:
            card: Card = pydantic.TypeAdapter(Card).validate_json(path.read_bytes())
        except pydantic.ValidationError as error:
            raise UserError(f"{path} is no validity card: {error.errors()[0]['msg']}") from None
        if card.judge_id != judge_id:
            raise UserError(f"{path} is the card of another judge:", value=card.judge_id)
        return card
    return None


def write_card(card: Card, folder: Path) -> Path:
    """Write a card beside others, under its judge's id."""
    import pydantic

    path = folder / f"{card.judge_id}.json"
    write_whole(path, pydantic.TypeAdapter(Card).dump_json(card, indent=2) + b"\n")
    return path


def cards_folder() -> Path:
    """Where cards are kept: `cards/` in the working folder, beside `runs/`; or what $CPBENCH_CARDS names."""
    return Path(os.environ.get("CPBENCH_CARDS") or "cards")


def card_line(judge_id: str, folders: Iterable[Path] | None = None) -> str:
    """What stands beside this judge's scores: its card's line, or "not validated". None: of `cards_folder()`."""
    card = read_card(judge_id, (cards_folder(),) if folders is None else folders)
    return NOT_VALIDATED if card is None else card.line
