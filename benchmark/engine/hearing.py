"""Whether the audio reaches a model: asked before a run, because a model that hears nothing still answers.

Two clips, silence of the same length and the first clip once more, under the same question. A model that can show what
entered its encoder is held against its own extractor, called directly on the clip: that names the fault. Then its
next-token scores must move with the sound, by more than they move when the same clip is asked again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpbench.engine.turns import answered
from cpbench.parts import Listened, Model
from cpbench.records import Heard, HearingCheck, Sound, Turn

LONGEST = 10.0  # seconds of each clip that are played
TOLERANCE = 0.02  # of the features' spread: bfloat16 rounds within it, and another clip is far outside
BEYOND = 3.0  # how many times the repeat's movement counts as movement
NUMERICAL = 1e-5  # of the scores' spread: what arithmetic alone may move


@dataclass(frozen=True)
class _Opening:
    """An effect: the first samples only, so that every clip is equally long and length gives nothing away."""

    samples: int

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        return wave[: self.samples]


@dataclass(frozen=True)
class _Hush:
    """An effect: nothing at all, as long as the clip was."""

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        return np.zeros_like(wave)


def check_hearing(model: Model, turns: Sequence[Turn]) -> HearingCheck:
    """Play two clips, silence and a repeat to a model, and say whether it hears.

    `turns`: the same question about one or two different clips (of different recordings, where there are such),
    decoded at the model's rate. `heard`: what enters the encoder is what the extractor makes of the clip, and the
    scores (or, for a model that shows none, the answers) follow the sound. `deaf`: they do not, and the reason says
    what is wrong. `not_shown`: the model shows too little to tell. `not_applicable`: nothing is played, or wanted.
    """
    if model.card.sampling_rate is None:
        return HearingCheck("not_applicable", f"{model.card.name} takes no audio")
    turns = [turn for turn in turns if turn.heard][:2]
    if not turns:
        return HearingCheck("not_applicable", "nothing is played under this condition")
    played = _played(turns, model.card.window)
    if hasattr(model, "listen"):
        return _by_listening(model, played)
    return _by_answers(model, played)


def _played(turns: Sequence[Turn], window: float | None) -> dict[str, Turn]:
    """The clips' openings of one length, silence of that length, and the first clip again, by name."""
    rate = turns[0].heard[0].sampling_rate
    samples = min([len(turn.heard[0].wave) for turn in turns] + [int(min(LONGEST, window or LONGEST) * rate)])
    clips = [_changed(turn, _Opening(samples), f"clip {n}") for n, turn in enumerate(turns, 1)]
    played = dict(zip(("first", "second"), clips, strict=False))
    return {**played, "silence": _changed(clips[0], _Hush(), "silence"), "repeat": _named(clips[0], "repeat")}


def _changed(turn: Turn, effect: Any, name: str) -> Turn:
    """The turn's first clip under an effect, as a sound of its own."""
    heard = turn.heard[0]
    sound = Sound(heard.sound.clip, (*heard.sound.effects, effect))
    changed = Heard(sound, effect(heard.wave, heard.sampling_rate), heard.sampling_rate)
    return _named(Turn(dataclasses.replace(turn.request, sounds=(sound,)), (changed,)), name)


def _named(turn: Turn, name: str) -> Turn:
    return Turn(dataclasses.replace(turn.request, item_id=f"hearing check: {name}"), turn.heard)


def _by_listening(model: Any, played: dict[str, Turn]) -> HearingCheck:
    """What entered the encoder, then whether the scores follow it."""
    together: Sequence[Listened] = model.listen(list(played.values()))
    listened = dict(zip(played, together, strict=True))
    (alone,) = model.listen([played["first"]])
    moved = _movement(listened, alone)
    for name in ("first", "second"):
        if name in played and (fault := _fault(model, played, name, listened[name])) is not None:
            return HearingCheck("deaf", fault, **moved)
    return _judged(listened, moved)


def _movement(listened: dict[str, Listened], alone: Listened) -> dict[str, float | None]:
    """The largest change of a next-token score: between clips, to silence, to repeats in the batch and alone."""
    first = listened["first"].scores

    def change(other: np.ndarray) -> float:
        return float(np.abs(first.astype(np.float64) - other).max())

    return {
        "clips": change(listened["second"].scores) if "second" in listened else None,
        "silence": change(listened["silence"].scores),
        "repeat": max(change(listened["repeat"].scores), change(alone.scores)),
    }


def _judged(listened: dict[str, Listened], moved: dict[str, float | None]) -> HearingCheck:
    """Whether the scores move with the sound by more than with nothing."""
    repeat = moved["repeat"] or 0.0
    bound = BEYOND * repeat + NUMERICAL * float(np.ptp(listened["first"].scores))
    clips, silence = moved["clips"], moved["silence"] or 0.0
    sizes = f"{_number(clips)} between clips, {_number(silence)} to silence, {_number(repeat)} to a repeat"
    if (silence if clips is None else clips) > bound:
        return HearingCheck("heard", f"the clips enter the encoder whole, and the scores follow: {sizes}", **moved)
    if silence > bound:
        return HearingCheck(
            "not_shown", f"it tells sound from silence, but not these two clips apart: {sizes}", **moved
        )
    reason = f"the clips enter the encoder, but what it says does not depend on them (a muted adapter): {sizes}"
    return HearingCheck("deaf", reason, **moved)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3g}"


def _fault(model: Any, played: dict[str, Turn], name: str, listened: Listened) -> str | None:
    """What is wrong with the features that entered for one clip; None: they are the extractor's own."""
    heard = played[name].heard[0]
    expected, entered = model.features(heard), listened.features
    if entered is None or entered.size == 0:
        return "no audio enters the encoder"
    if _alike(entered, expected):
        return None
    lasts = f"of {heard.seconds:.2f} s, {_number(listened.seconds)} s enter the encoder"
    silent = _like(model, heard, entered, np.zeros_like(heard.wave))
    if silent or float(np.std(entered)) < TOLERANCE * float(np.std(expected)):
        return "silence enters the encoder instead of the clip"
    samples = len(heard.wave) if listened.seconds is None else round(listened.seconds * heard.sampling_rate)
    if samples < len(heard.wave) and _like(model, heard, entered, heard.wave[:samples]):
        return f"only the beginning of the clip enters: {lasts}"
    if _stretched(model, heard, entered, samples):
        return f"the clip enters at the wrong rate: {lasts}"
    others = [other for other in played if other != name and _like(model, played[other].heard[0], entered, None)]
    whose = "the other clip" if others else "another sound"
    return f"{whose} enters the encoder instead of the clip: {lasts}"


def _like(model: Any, heard: Heard, entered: np.ndarray, wave: np.ndarray | None) -> bool:
    """Whether what entered is what the extractor makes of a wave (None: of the sound as it is), up to rounded ends."""
    sound = heard if wave is None else Heard(heard.sound, np.ascontiguousarray(wave), heard.sampling_rate)
    return len(sound.wave) > 0 and _alike(entered, model.features(sound), slack=2)


def _stretched(model: Any, heard: Heard, entered: np.ndarray, samples: int) -> bool:
    """Whether what entered resembles the clip played faster or slower, to the length that entered."""
    if abs(samples - len(heard.wave)) <= 0.01 * len(heard.wave):
        return False
    places = np.linspace(0, len(heard.wave) - 1, samples)
    wave = np.interp(places, np.arange(len(heard.wave)), heard.wave).astype(np.float32)
    made, entered = _same_frames(model.features(Heard(heard.sound, wave, heard.sampling_rate)), entered)
    return made.size > 0 and bool(np.corrcoef(made.ravel(), entered.ravel())[0, 1] > 0.8)


def _alike(a: np.ndarray, b: np.ndarray, *, slack: int = 0) -> bool:
    """Whether two features (..., frames) are the same, frames differing by at most `slack`, values by rounding."""
    if a.shape[:-1] != b.shape[:-1] or abs(a.shape[-1] - b.shape[-1]) > slack:
        return False
    a, b = _same_frames(a, b)
    frames = max(1, a.shape[-1] - 2 * (slack > 0))  # the last frames see where the wave ends
    return bool(np.abs(a - b)[..., :frames].mean() <= TOLERANCE * max(float(np.std(b)), 1e-6))


def _same_frames(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frames = min(a.shape[-1], b.shape[-1])
    return a[..., :frames], b[..., :frames]


def _by_answers(model: Model, played: dict[str, Turn]) -> HearingCheck:
    """For models that show words only: answers that follow the sound are proof, equal ones prove nothing."""
    names = {turn.request.key: name for name, turn in played.items()}
    said = {names[answer.key]: answer for answer in answered(model, iter(played.values())) if answer.key in names}
    failed = next((answer.error for answer in said.values() if answer.status == "error"), None)
    if failed is not None or len(said) < len(played):
        return HearingCheck("not_shown", f"it could not be asked: {failed or 'not every question was answered'}")
    texts = {name: answer.raw.strip() for name, answer in said.items()}
    if texts["repeat"] != texts["first"]:
        return HearingCheck("not_shown", "its answers differ from one asking to the next, whatever is played")
    if any(texts[name] != texts["first"] for name in texts):
        return HearingCheck("heard", "its answers follow what is played, and stay when it is played again")
    return HearingCheck("not_shown", "it answers the same to two clips and to silence: it may hear, or not")
