"""A board: a plain folder of submissions that may be compared, which lives well in a git repository.

    board.yaml                    title, about, what is ranked
    datasets/<fingerprint>.json   the sets that it knows (datasets.py)
    entries/<id>/                 submissions, exactly as they came (schema.py)
    claims/<id>/                  descriptions without answers: listed, not ranked
    judges/<judge_id>.json        validity cards, where there are some
    anchors/<judge_id>.json       answers by which drift of a judge is seen (drift.py)
    history.jsonl                 what happened (history.py)

Files of a submission are never changed after they were added, and none is ever removed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import digest
from cpbench.flow.ledger import write_whole
from cpbench.flow.yaml_lines import STRICT, read_yaml
from cpbench.judges import NOT_VALIDATED, card_line
from cpbench.leaderboard.check import check
from cpbench.leaderboard.codes import Finding, Refused
from cpbench.leaderboard.datasets import DatasetCard, known, save_dataset
from cpbench.leaderboard.flags import CARDS, PLAIN
from cpbench.leaderboard.history import NAME as HISTORY
from cpbench.leaderboard.history import Author, Event, event, read_history, write_event
from cpbench.leaderboard.levels import Standing, standing
from cpbench.leaderboard.parsing import parse_submission
from cpbench.leaderboard.reading import LIMITS, SUBMISSION
from cpbench.leaderboard.schema import Submission, Word
from cpbench.metrics import find_metrics

CLAIMS = "claims"
About = Annotated[str, StringConstraints(max_length=5000)]


@dataclass(frozen=True)
class Rules:
    """board.yaml."""

    __pydantic_config__: ClassVar = STRICT

    cpbench_board: Literal[1]
    title: Word
    about: About = ""
    metrics: Mapping[Word, Word] = field(default_factory=dict)  # task -> the label metric by which it is ranked
    cascades: Literal["beside", "ranked"] = "beside"  # whether a cascade is a system, or a baseline without a voice
    signers: Word | None = None  # a file of ssh-keygen's allowed signers, in the board's folder


@dataclass(frozen=True)
class Entry:
    """One submission on a board."""

    id: str
    folder: Path
    standing: Standing
    events: tuple[Event, ...]

    @cached_property
    def submission(self) -> Submission:
        """What it says of itself. Raises UserError where it cannot be read."""
        try:
            return parse_submission((self.folder / SUBMISSION).read_bytes())
        except OSError as error:
            raise UserError(f"{self.id}: {SUBMISSION} cannot be read: {error.strerror}") from None

    @property
    def is_claim(self) -> bool:
        """Whether it is a description without answers (L0)."""
        return self.folder.parent.name == CLAIMS

    @property
    def added(self) -> str:
        """When it was added; "" for a folder that the history does not know."""
        return next((one.when for one in self.events if one.what == "added"), "")


@dataclass(frozen=True)
class Board:
    """A board's folder, and what lies in it."""

    folder: Path
    rules: Rules
    history: tuple[Event, ...]

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The folders of entries/ and the entries that the history names, in the order in which they were added."""
        held = {path.name for place in ("entries", CLAIMS) for path in (self.folder / place).glob("*") if path.is_dir()}
        named = {one.entry for one in self.history if one.entry is not None}
        found = [self._entry(name) for name in sorted(held | named)]
        return tuple(sorted(found, key=lambda one: (one.added or "~", one.id)))

    def entry(self, name: str) -> Entry:
        """The entry of that id. Raises UsageError with the nearest."""
        for one in self.entries:
            if one.id == name:
                return one
        raise UsageError("no such entry on this board", value=name, allowed=[one.id for one in self.entries])

    def card(self, judge_id: str) -> str:
        """The line of a judge's validity card, or "not validated": judge_id is what a stranger wrote, and no path.

        A card that cannot be read counts as none: `broken_cards` names it.
        """
        if PLAIN.fullmatch(judge_id) is None or judge_id in self.broken_cards:
            return NOT_VALIDATED
        return card_line(judge_id, [self.folder / CARDS])

    @cached_property
    def broken_cards(self) -> Mapping[str, str]:
        """judge_id -> why its file in judges/ is no card of it."""
        found = {}
        for path in sorted((self.folder / CARDS).glob("*.json")):
            try:
                card_line(path.stem, [path.parent])
            except UserError as error:
                found[path.stem] = str(error).replace(str(path), f"{CARDS}/{path.name}")
            except OSError as error:
                found[path.stem] = f"{CARDS}/{path.name} cannot be read: {error.strerror}"
        return found

    @property
    def changed(self) -> str:
        """When something last happened on it."""
        return self.history[-1].when if self.history else ""

    def _entry(self, name: str) -> Entry:
        events = tuple(one for one in self.history if one.entry == name)
        place = CLAIMS if (self.folder / CLAIMS / name).is_dir() else "entries"
        return Entry(name, self.folder / place / name, standing(events), events)


def open_board(folder: Path) -> Board:
    """Open a board. Raises UserError for a folder that is none, UsageError for a board.yaml with a mistake in it."""
    if not (folder / "board.yaml").is_file():
        raise UserError(
            "this is no board, it has no board.yaml:",
            value=str(folder),
            mend=f"cpbench leaderboard init --board {folder}",
        )
    file = read_yaml(folder / "board.yaml")
    rules = file.read(Rules)
    for task, metric in rules.metrics.items():
        if find_metrics([metric])[0].judged:
            raise file.wrong(
                "a judge's scores have tables of their own; this should be a label metric:", "metrics", task
            )
    return Board(folder, rules, read_history(folder))


def init_board(folder: Path, *, title: str, about: str = "") -> Board:
    """Make an empty board. Raises UserError for a folder that holds something else."""
    import yaml

    if folder.exists() and any(path.name not in (".git", ".github", "README.md") for path in folder.iterdir()):
        raise UserError("this folder is not empty:", value=str(folder), mend="another --board")
    rules = {"cpbench_board": 1, "title": title, "about": about}
    write_whole(folder / "board.yaml", yaml.safe_dump(rules, sort_keys=False, allow_unicode=True).encode())
    attributes = f"{HISTORY} merge=union\nentries/** -text\n{CARDS}/** -text\n"  # known by their bytes, line ends too
    write_whole(folder / ".gitattributes", attributes.encode())
    for name in ("datasets", "entries", CARDS):
        (folder / name).mkdir(parents=True, exist_ok=True)
        write_whole(folder / name / ".gitkeep", b"")
    write_whole(folder / HISTORY, b"")
    return open_board(folder)


def add_datasets(board: Board, cards: Sequence[DatasetCard]) -> list[Path]:
    """Make sets known to a board; one that it knows already stays as it is."""
    return [save_dataset(board.folder, card) for card in cards if card.fingerprint not in known(board.folder)]


def entry_id(submission: Submission, data: bytes) -> str:
    """An entry's id: readable, and its own, whatever other systems are called: the name, the set, the file's digest."""
    words = f"{submission.system.name}-{submission.dataset.name}"
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60].rstrip("-") or "entry"
    return f"{slug}-{digest(data.decode('utf-8'))[:8]}"


@dataclass(frozen=True)
class Added:
    """A submission that has entered a board."""

    board: Board
    entry: Entry
    flags: tuple[Finding, ...]  # what should be looked at


def add(board: Board, path: Path, author: Author) -> Added:
    """Check a submission's folder or zip, and copy its files into the board, byte for byte.

    Raises Rejected with every finding where it is refused, UserError for one that is on the board already. Nothing of
    the board has changed then.
    """
    checked = check(path, board.folder)
    if not checked.accepted or checked.submission is None:
        raise Rejected(path, checked.findings)
    name = entry_id(checked.submission, checked.files[SUBMISSION])
    flags = [{"code": one.code, "what": one.what} for one in checked.findings]
    added = event("added", author, entry=name, facts={"flags": flags, "signer": checked.signer})
    _keep(board, board.folder / "entries" / name, checked.files)
    write_event(board.folder, added)
    now = open_board(board.folder)
    return Added(now, now.entry(name), checked.findings)


def claim(board: Board, path: Path, author: Author) -> Added:
    """List a system by its submission.json alone: L0, without numbers. Raises as `add`."""
    file = path / SUBMISSION if path.is_dir() else path
    data = file.read_bytes() if file.is_file() and file.stat().st_size <= LIMITS[SUBMISSION] else b""
    try:
        submission = parse_submission(data)
    except Refused as refused:
        raise Rejected(path, (refused.finding,)) from None
    name = entry_id(submission, data)
    added = event("added", author, entry=name, facts={"claimed": True})
    _keep(board, board.folder / CLAIMS / name, {SUBMISSION: data})
    write_event(board.folder, added)
    now = open_board(board.folder)
    return Added(now, now.entry(name), ())


class Rejected(UserError):
    """A submission that does not enter: every reason with its code and its remedy. Exit code 3: a gate said no."""

    exit_code = 3

    def __init__(self, path: Path, findings: Sequence[Finding]) -> None:
        self.findings = tuple(one for one in findings if one.fatal)
        lines = "".join(f"\n  {one.code}: {one.what}\n    {one.mend}" for one in self.findings)
        super().__init__(f"{path.name} is refused:{lines}")


def _keep(board: Board, target: Path, files: Mapping[str, bytes]) -> None:
    """Write an entry's files, all or none. Raises UserError for one that is there already."""
    if target.exists():
        raise UserError("the very same submission is on this board already:", value=target.name)
    beside = board.folder / f".adding.{os.getpid()}"
    beside.mkdir()
    try:
        for name, data in files.items():
            (beside / name).write_bytes(data)
        target.parent.mkdir(exist_ok=True)
        beside.replace(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def withdraw(board: Board, name: str, author: Author) -> Board:
    """Strike an entry out: it stays, with the reason, and is not ranked any more.

    Raises UsageError for an unknown entry or no reason, UserError for one that is withdrawn already.
    """
    entry = board.entry(name)
    if not author.why:
        raise UsageError("a withdrawal says why", mend="--why TEXT")
    if entry.standing.withdrawn is not None:
        raise UserError("this entry is withdrawn already:", value=name)
    write_event(board.folder, event("withdrawn", author, entry=name))
    return open_board(board.folder)
