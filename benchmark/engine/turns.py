"""From requests to turns: the order of the work, and the audio decoded as late as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from cpbench.audio import load
from cpbench.errors import BadClip, UserError
from cpbench.parts import Model
from cpbench.records import Heard, ModelCard, Prediction, Request, Sound, Turn

Group = tuple[Request, ...]
"""Requests about the same sounds: they are decoded once, and stay together on one rank."""


def in_order(requests: Iterable[Request]) -> list[Group]:
    """Group the requests by what is heard, the longest first: neighbours pack well, and what does not fit shows early.

    The order depends on the requests alone, never on the machine: length, then the bytes' hash and the effects' repr.
    """
    ordered = sorted(requests, key=lambda request: (-_seconds(request), _heard_as(request), request.key))
    return [tuple(group) for _, group in groupby(ordered, key=lambda request: _heard_as(request) or request.key)]


def answered(model: Model, asked: Iterable[Turn]) -> Iterator[Prediction]:
    """The model's answers as they come. Raises UserError for what is none: a model may be anybody's file."""
    mend = "yield turn.request.answered(text, heard=SECONDS) for each turn"
    found = model.answer(asked)
    if not isinstance(found, Iterable):
        raise UserError(f"answer() of {model.card.name} gives no answers, but", value=found, mend=mend)
    for one in found:
        if not isinstance(one, Prediction):
            raise UserError(
                f"answer() of {model.card.name} gives something else than predictions:", value=one, mend=mend
            )
        yield one


def turns(
    groups: Iterable[Group], card: ModelCard, failed: Callable[[Prediction], object], stop: Callable[[], bool]
) -> Iterator[Turn]:
    """Yield one turn a request, its audio decoded at the model's rate; a bad clip goes to `failed`.

    At most one group's audio is held here. `stop` is asked before each turn: once it says True, the stream ends.
    """
    for group in groups:
        heard: tuple[Heard, ...] | None = None
        for request in group:
            if stop():
                return
            if (reason := _unfit(request, card)) is not None:
                failed(request.failed(reason))
                continue
            if heard is None:
                try:
                    heard = decode(request.sounds, card)
                except BadClip as error:
                    for broken in group:
                        failed(broken.failed(str(error)))
                    break
            yield Turn(request, heard)


def decode(sounds: Sequence[Sound], card: ModelCard) -> tuple[Heard, ...]:
    """The sounds at the model's rate; () for a model that wants no audio. Raises BadClip."""
    return () if card.sampling_rate is None else tuple(load(sound, card.sampling_rate) for sound in sounds)


def _unfit(request: Request, card: ModelCard) -> str | None:
    if card.sampling_rate is not None and len(request.sounds) > card.max_clips:
        return f"{card.name} takes {card.max_clips} clip(s) at once, and the item has {len(request.sounds)}"
    return None


def _seconds(request: Request) -> float:
    """Seconds of audio; a clip of unknown length counts as the longest, so that it is tried first."""
    return sum(float("inf") if sound.clip.seconds is None else sound.clip.seconds for sound in request.sounds)


def _heard_as(request: Request) -> str:
    return "|".join(f"{sound.clip.sha256 or sound.clip.path} {sound.effects!r}" for sound in request.sounds)
