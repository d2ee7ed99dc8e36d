"""What happened on a board, line by line: `history.jsonl`, which only ever grows.

    {"key", "what", "when", "by", "entry", "why", "facts"}

`key` is the digest of the rest, so a line that was changed by hand is found, and two branches of a git repository that
both added lines merge by taking both (`.gitattributes`: merge=union). Events are read in the order of their times, not
of their lines. Nothing else on a board says when something was: pages take their time from here, never from a clock.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import digest
from cpbench.flow.ledger import Ledger
from cpbench.leaderboard.schema import Name, Sentence, Word

What = Literal["added", "rejudged", "repeated", "drift", "withdrawn"]
NAME = "history.jsonl"


@dataclass(frozen=True)
class Event:
    """One thing that was done to a board, and by whom."""

    key: str
    what: What
    when: str  # UTC, "2026-11-22T21:00:00Z"
    by: Word
    entry: Name | None = None  # None: of the board as a whole (drift of a judge)
    why: Sentence | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # what was measured, in plain values


@dataclass(frozen=True)
class Author:
    """Who does something to a board, why, and when."""

    by: str
    why: str | None = None
    when: str | None = None  # None: now, or what SOURCE_DATE_EPOCH says


def event(what: What, author: Author, *, entry: str | None = None, facts: Mapping[str, Any] | None = None) -> Event:
    """An event with its key. Raises UsageError for a time that is none, or a text that is too long or of two lines."""
    import pydantic

    rest = {"what": what, "when": author.when or now(), "by": author.by, "entry": entry, "why": author.why}
    _time(str(rest["when"]))
    try:
        made: Event = pydantic.TypeAdapter(Event).validate_python({"key": "", **rest, "facts": dict(facts or {})})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", value=first.get("input")) from None
    return Event(_key(made), made.what, made.when, made.by, made.entry, made.why, made.facts)


def read_history(board: Path) -> tuple[Event, ...]:
    """A board's events in the order of their times. Raises UserError for a line that is none, or was changed."""
    found = list(Ledger(board / NAME, Event))
    for one in found:
        if one.key != _key(one):
            raise UserError(
                f"{board / NAME}: the line of {one.when} ({one.what} {one.entry}) is not as it was written",
                mend=f"git log -p {NAME}, and the line as it was committed",
            )
    return tuple(sorted(found, key=lambda one: (one.when, one.key)))


def write_event(board: Path, one: Event) -> None:
    """Append an event. Raises UserError where the same thing was written at the same time before."""
    with Ledger(board / NAME, Event) as ledger:
        if one.key in ledger:
            raise UserError("this stands in the history already:", value=f"{one.what} {one.entry} {one.when}")
        ledger.append(one)


def now() -> str:
    """The time in UTC, to the second; SOURCE_DATE_EPOCH goes before the clock, for boards that are built again."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is not None and not epoch.isdigit():
        raise UsageError("SOURCE_DATE_EPOCH should be whole seconds since 1970, and is", value=epoch)
    moment = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(int(epoch), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> None:
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise UsageError("a time should be in UTC, as 2026-11-22T21:00:00Z, and is", value=text) from None


def _key(one: Event) -> str:
    facts = dict(one.facts)
    return digest(one.what, one.when, one.by, one.entry, one.why, facts)[:32]
