"""The engine: requests in, predictions out as they finish, each written before it is passed on.

It knows no model, judge, task or condition: only the contracts of `records` and `parts`.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from cpbench.engine.hearing import check_hearing
from cpbench.engine.turns import Group, answered, decode, in_order, turns
from cpbench.errors import BadClip, UserError
from cpbench.flow.ledger import Ledger
from cpbench.flow.ranks import Ranks, shard
from cpbench.parts import Model
from cpbench.records import Prediction, Request, Turn

__all__ = ["check_hearing", "hearing_turns", "in_order", "part_of", "predict", "rendered"]


def predict(
    requests: Sequence[Request],
    model: Model,
    ledger: Ledger[Prediction] | None = None,
    *,
    ranks: Ranks | None = None,
    strict: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Prediction]:
    """Answer the requests that the ledger does not hold, and yield each prediction once it is on disk.

    A bad clip, and a turn that the model leaves without an answer, become `error` predictions; `strict` raises
    UserError at the first of them instead (it is written first). When `stop` says True the model finishes what it
    holds, and the stream ends. Memory holds the audio of the model's own batch and of one group, whatever the number of
    requests.
    """
    todo = in_order(request for request in requests if ledger is None or request.key not in ledger)
    work = (ranks or Ranks()).share(todo)
    for prediction in _answers(work, model, stop):
        if ledger is not None:
            ledger.append(prediction)
        yield prediction
        if strict and prediction.status == "error":
            raise UserError(
                f"{prediction.key}: {prediction.error}", mend="without --strict the run counts it and goes on"
            )


def part_of(requests: Sequence[Request], which: tuple[int, int]) -> list[Request]:
    """The requests of one shard, whole groups each, so that every clip is heard by one shard only."""
    return [request for group in shard(in_order(requests), which) for request in group]


def rendered(request: Request, model: Model) -> str:
    """What the model is given for a request, word for word, where it can show it; else the request's text.

    Raises BadClip for a clip that cannot be decoded.
    """
    show = getattr(model, "rendered", None)
    return request.text if show is None else str(show(Turn(request, decode(request.sounds, model.card))))


def hearing_turns(requests: Sequence[Request], model: Model) -> list[Turn]:
    """The same question about two clips of different recordings where there are such: what the hearing check plays.

    Fewer than two turns where fewer than two different clips can be decoded.
    """
    found: list[Turn] = []
    seen: set[str] = set()
    spoken = [request for request in requests if request.sounds]
    first = {request.sounds[0].clip.recording: request for request in reversed(spoken)}
    for request in [*first.values(), *spoken]:
        if (sound := repr(request.sounds)) in seen:
            continue
        seen.add(sound)
        try:
            heard = decode(request.sounds[:1], model.card)
        except BadClip:
            continue
        asked = found[0].request if found else request
        same = dataclasses.replace(asked, item_id=request.item_id, task=request.task, sounds=request.sounds[:1])
        found.append(Turn(same, heard))
        if len(found) == 2 or not heard:
            break
    return found


def _answers(groups: Iterator[Group], model: Model, stop: Callable[[], bool]) -> Iterator[Prediction]:
    """One prediction for each request of the groups, from the model or, where it cannot be, from here."""
    failures: deque[Prediction] = deque()
    asked: dict[str, Request] = {}

    def handed() -> Iterator[Turn]:
        for turn in turns(groups, model.card, failures.append, stop):
            asked[turn.request.key] = turn.request
            yield turn

    for prediction in answered(model, handed()):
        while failures:
            yield failures.popleft()
        if asked.pop(prediction.key, None) is None:
            raise UserError(f"{model.card.name} answered what it was not asked, or twice: {prediction.key}")
        yield prediction
    yield from failures
    for request in asked.values():
        yield request.failed(f"{model.card.name} gave no answer")
