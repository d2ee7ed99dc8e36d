"""How far a judge can be believed: pack, cases, judgements, evidence, verdict, card.

found = validate(pack, Candidate("openai/gpt-4o"), Room(Path("out"), now="2026-01-31T12:00:00Z"))
found["verdict"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cpbench.chat import Chat
from cpbench.chat.paying import Paying
from cpbench.chat.prices import Tally
from cpbench.flow.ledger import Ledger
from cpbench.flow.watch import Watching
from cpbench.judges import Card, LoadedJudge, load_judge, write_card
from cpbench.judges.validity import schema
from cpbench.judges.validity.asking import UNPAID, Hearing, hear, priced
from cpbench.judges.validity.evidence import Candidate, People, beside, concluded, measured
from cpbench.judges.validity.packs import Pack
from cpbench.judges.validity.people import check_ratings
from cpbench.judges.validity.ranks import DRAWS
from cpbench.records import Judgement
from cpbench.runfolder import write_json
from cpbench.tasks import check_rights

GATE_LOG = "gate.jsonl"


@dataclass(frozen=True)
class Room:
    """Where a validation takes place, and how it is paid for."""

    out: Path  # judgements.jsonl, gate.jsonl, validity.json, cards/
    now: str  # the time, for the log of the gate
    paying: Paying = field(default_factory=Paying)
    third_party_ok: bool = False
    known: Iterable[Judgement] = ()  # paid for elsewhere
    watching: Watching = field(default_factory=Watching)
    cards: tuple[Path, ...] = ()  # folders that get the card too: where reports look for it
    draws: int = DRAWS  # of the bootstrap


@dataclass(frozen=True)
class Look:
    """One line of gate.jsonl: somebody looked at the gate part of a pack."""

    key: str
    time: str
    judge_id: str
    judge: str
    pack_id: str
    verdict: schema.Outcome


def validate(
    pack: Pack,
    candidate: Candidate,
    room: Room,
    *,
    baseline: Candidate | None = None,
    people: People | None = None,
    part: Literal["gate", "dev"] = "gate",
) -> schema.Validity:
    """Measure a judge on one part of a pack; write validity.json and, on the gate, its card and a line in the log.

    Raises UserError for what the user can mend before anything is asked (rights, human ratings that do not fit), and
    Stopped when `room.watching.stop` ended it early: what is paid for is in the ledger, and the same call goes on.
    """
    people = people or People()
    check_ratings(people.ratings, pack)
    wrap = room.paying.wrap(room.out / "batches", room.watching.watch.say)
    hearings = [Hearing(pack, part, _load(one, pack, room, wrap)) for one in (candidate, baseline) if one is not None]
    known = [one for one in room.known if one.status not in UNPAID]
    with open_ledger(room.out) as ledger:
        heard = [hear(hearing, ledger, room.watching, known) for hearing in hearings]
    found = measured(heard[0], candidate, people, draws=room.draws)
    if baseline is not None:
        theirs = concluded(measured(heard[1], baseline, People(), draws=room.draws), pack)
        found["baseline"] = beside(heard, theirs)
    found = concluded(found, pack)
    if part == "gate":
        found["judge"]["card"] = _carded(found, room)
        found["looks"] = _looked(found, room)
    write_json(room.out / ("validity.json" if part == "gate" else "validity-dev.json"), found)
    return found


def price(pack: Pack, candidates: Sequence[Candidate], room: Room, *, part: Literal["gate", "dev"]) -> Tally:
    """What a validation would take: calls, tokens and, with prices, money. Nothing is sent, and nothing is written."""
    tally = Tally()
    counting = room.paying.counting(tally)
    ledger = open_ledger(room.out)
    priced([Hearing(pack, part, _load(one, pack, room, counting)) for one in candidates], ledger, room.known)
    return tally


def open_ledger(out: Path) -> Ledger[Judgement]:
    """What was judged before; what failed without having been paid for is asked again."""
    return Ledger(out / "judgements.jsonl", Judgement, again=lambda one: one.status in UNPAID)


def _load(candidate: Candidate, pack: Pack, room: Room, wrap: Callable[[Chat], Chat]) -> LoadedJudge:
    own = {task.judge_prompt for task in pack.tasks if task.judge_prompt}
    otherwise = candidate.otherwise or (own.pop() if len(own) == 1 else None)
    judge = load_judge(candidate.spec, candidate.options, prompt=candidate.prompt, otherwise=otherwise, wrap=wrap)
    check_rights(judge.name, pack.tasks, third_party=judge.third_party, ok=room.third_party_ok, flag="--third-party-ok")
    return judge


def _carded(found: schema.Validity, room: Room) -> str:
    """Write the judge's card, into --out and where reports look for it; the line that it says."""
    about, scope = found["judge"], found["covers"]
    card = Card(
        about["judge_id"],
        found["verdict"],
        tuple(scope["types"]),
        tuple(scope["languages"]),
        simulated=about["simulated"],
        synthetic=found["pack"]["synthetic"],
    )
    for folder in dict.fromkeys((room.out / "cards", *room.cards)):
        write_card(card, folder)
    return card.line


def _looked(found: schema.Validity, room: Room) -> int:
    """Log this look at the gate; how many there were at this pack's, this one included."""
    about, pack_id = found["judge"], found["pack"]["pack_id"]
    with Ledger(room.out / GATE_LOG, Look) as log:
        number = len(log) + 1
        log.append(Look(str(number), room.now, about["judge_id"], about["name"], pack_id, found["verdict"]))
        return sum(look.pack_id == pack_id for look in log)
