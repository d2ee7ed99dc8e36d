"""One model behind several endpoints: each call goes to the one with the least to do, and one that fails rests.

An endpoint that slows down is given less, since its calls stay in flight for longer. One that fails is left alone for a
while, each time for twice as long, then tried with a single call; its work goes to the others. Where all of them have
gone, the run stops with one message, and what was not answered is asked by the next start.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cpbench.chat import ChatRequest, Reply
from cpbench.chat._breaker import AGAIN, Breaker, Fault
from cpbench.chat._remote import PATIENCE, Remote, Unreachable
from cpbench.errors import UsageError, UserError
from cpbench.flow.streams import in_flight

REST = 0.5  # seconds that an endpoint rests first; each time that it fails again, twice as long
LONGEST = 30.0
STRIKES = 3  # calls in a row that come to nothing before an endpoint that is there has to rest
log = logging.getLogger("cpbench")  # what a person should read; without any set-up Python prints it on stderr


class Elsewhere(Exception):
    """A call failed by its endpoint's fault: another one may answer it."""

    def __init__(self, reason: str, fault: Fault, wait: float) -> None:
        super().__init__(reason)
        self.reason, self.fault, self.wait = reason, fault, wait


class Lookout(Breaker):
    """An endpoint's breaker among several: it hands a failure back instead of counting it against the run."""

    def failure(self, reason: str, *, fault: Fault = "call", wait: float = 0.0) -> None:
        if fault != "request":
            raise Elsewhere(reason, fault, wait)


@dataclass
class Place:
    """One endpoint, and how it fares."""

    remote: Remote
    in_flight: int = 0
    answered: int = 0
    failed: int = 0
    rested: int = 0  # times, over all
    strikes: int = 0  # failures since its last answer
    rests: int = 0  # rests since its last answer
    since: float = 0.0  # when it last began to rest (monotonic), and until when
    until: float = 0.0
    reason: str = ""  # of its last failure

    @property
    def address(self) -> str:
        return self.remote.address


@dataclass
class Several:
    """A `Chat` over endpoints that serve the same model. `concurrency` is that of each endpoint.

    A request is tried at most as often as one endpoint would be asked (`max_retries` + 1), elsewhere first; a try that
    reached nobody is not counted. Which endpoint answers changes nothing that is stored but its share in `account`.
    """

    members: Sequence[Remote]
    _places: list[Place] = field(init=False, repr=False)
    _over: UserError | None = field(init=False, repr=False, default=None)
    _changed: threading.Condition = field(init=False, repr=False, default_factory=threading.Condition)

    def __post_init__(self) -> None:
        first = self.members[0]
        if not isinstance(first, Remote):
            raise UsageError("several addresses in base_url, and this is no endpoint:", value=first.name)
        self._tries, self._at_each = first.max_retries, first.concurrency
        for member in self.members:
            member.among_others(Lookout(member.endpoint))
        self._places = [Place(member) for member in self.members]
        self._breaker = Breaker(f"{first.PROVIDER}/{first.name} at {len(self.members)} endpoints")

    @property
    def name(self) -> str:
        return self.members[0].name

    @property
    def third_party(self) -> bool:
        return any(member.third_party for member in self.members)

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield replies as they finish; see `Chat.ask`. Raises UserError once no endpoint answers any more."""
        self._over = None
        self._look()
        yield from in_flight(self._reply, requests, self._at_each * len(self._places))

    def account(self) -> dict[str, dict[str, int]]:
        """What each endpoint did, by its address."""
        return {
            place.address: {"answered": place.answered, "failed": place.failed, "rested": place.rested}
            for place in self._places
        }

    def _look(self) -> None:
        """Find out who is there before anything is asked. Raises UserError for a refused key, and if nobody is."""
        away = [found for found in in_flight(self._missing, self._places, len(self._places)) if found is not None]
        if len(away) == len(self._places):
            said = "; ".join(f"{place.address}: {place.reason}" for place in self._places)
            raise Unreachable(
                f"none of {len(away)} endpoints of {self.name} can be reached: {said}",
                mend="-M base_url=http://HOST:PORT/v1,http://HOST:PORT/v1",
            )
        with self._changed:
            for place in away:
                self._rest(place, 0.0)

    def _missing(self, place: Place) -> Place | None:
        try:
            place.remote.models  # noqa: B018  asked once, and kept
        except Unreachable as error:
            place.reason = error.reason
            return place
        return None

    def _reply(self, request: ChatRequest) -> Reply:
        tried: Counter[str] = Counter()  # failed tries by address
        tries = 0
        while True:
            place, begun = self._take(tried)
            try:
                reply = place.remote.reply(request)
            except Elsewhere as failed:
                self._give_back(place, failed, begun)
                tries += failed.fault != "unreached"
                tried[place.address] += 1
                if tries > self._tries:
                    reason = f"{failed.reason} (the last of {tries} tries, at {len(tried)} endpoints)"
                    self._breaker.failure(reason)
                    return Reply(request.key, "api_error", error=reason)
                if len(tried) == len(self._places) and failed.fault == "call":
                    time.sleep(min(REST * 2 ** (tries - 1), 8.0))
            except BaseException:
                self._give_back(place, None, begun)
                raise
            else:
                self._give_back(place, None, begun, answered=True)
                return self._counted(reply, tries)

    def _counted(self, reply: Reply, tries: int) -> Reply:
        if reply.status == "api_error":  # the request's own fault: no other endpoint would take it
            self._breaker.failure(reply.error or "", fault="request")
        else:
            self._breaker.success()
        return reply if reply.call is None else replace(reply, call=replace(reply.call, retries=tries))

    def _take(self, tried: Mapping[str, int]) -> tuple[Place, float]:
        """The endpoint to ask next, as soon as one has room; and when the call begins."""
        with self._changed:
            while self._over is None:
                now = time.monotonic()
                if (place := self._freest(now, tried)) is not None:
                    place.in_flight += 1
                    return place, now
                ends = [place.until - now for place in self._places if place.until > now]
                self._changed.wait(min(ends, default=None))
            raise self._over

    def _freest(self, now: float, tried: Mapping[str, int]) -> Place | None:
        """The least busy one: of those that are well the least tried by this request, else one that has rested,
        which is asked one thing only."""
        well = [place for place in self._places if not place.rests and place.in_flight < self._at_each]
        waking = [place for place in self._places if place.rests and place.until <= now and not place.in_flight]
        open_ = well or waking
        return min(
            open_,
            key=lambda place: (tried.get(place.address, 0), place.in_flight, place.answered + place.failed),
            default=None,
        )

    def _give_back(self, place: Place, failed: Elsewhere | None, begun: float, *, answered: bool = False) -> None:
        with self._changed:
            place.in_flight -= 1
            if answered:
                place.answered += 1
                if place.rests and begun >= place.since:
                    log.warning("%s answers again", place.address)
                if begun >= place.since:  # an answer to an earlier call says nothing of how it is now
                    place.strikes = place.rests = 0
            elif failed is not None:
                place.failed += 1
                place.strikes += 1
                place.reason = failed.reason
                worn = failed.fault != "call" or place.strikes >= STRIKES
                if worn and begun >= place.since:  # an earlier call failed by what it rests for already
                    self._rest(place, failed.wait)
            self._changed.notify_all()

    def _rest(self, place: Place, wait: float) -> None:
        """Leave an endpoint alone for a while; the run is over where each has been tried so often in vain."""
        place.rests += 1
        place.rested += 1
        place.since = time.monotonic()
        place.until = place.since + max(wait, min(LONGEST, REST * 2 ** (place.rests - 1)))
        if place.rests == 1:
            log.warning("%s rests, and its work goes to the others: %s", place.address, place.reason)
        if all(each.rests > self._tries or each.until - place.since > PATIENCE for each in self._places):
            said = "; ".join(f"{each.address}: {each.reason}" for each in self._places)
            self._over = UserError(f"{self._breaker.endpoint}: none answers any more. {said}", mend=AGAIN)
