"""Which ways of saving work leave this model's answers as they are: tried on it, with a few of the run's own requests.

The same questions go through the plain path and through the other; every token must be the same, and every score up to
rounding. A way that changes anything, or that the class does not allow, is off for the run, with the reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cpbench.flow.batching import is_out_of_memory
from cpbench.models.local.reuse import Asked, Reuse, Said, Verdict, Ways, untried
from cpbench.records import Generation, Heard, Sound, Turn

TOKENS = 16  # new tokens of each answer that are compared
ROUNDING = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""How far a score may move, as a part of the spread of all scores: other shapes are summed in another order."""
LONGEST = 60.0  # seconds of a turn's audio that are tried: a trial must not cost more than it saves
SHARES = (0.5, 0.15)  # of what an encoder takes at once: how long the clips are that show what padding does
REFUSALS = (ValueError, TypeError, RuntimeError, AttributeError, IndexError, KeyError, NotImplementedError)
"""What libraries raise where a class does not allow a way: it is then off, and the reason is said."""
Prepare = Callable[[Sequence[Turn], Ways], Asked]


@dataclass(frozen=True)
class Opening:
    """An effect: the first samples only."""

    samples: int

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        return wave[: self.samples]


def tried(reuse: Reuse, turns: Sequence[Turn], prepared: Prepare, *, window: float, dtype: str) -> Verdict:
    """Try the ways on questions about the turns' sounds: all together, and one after the other where that fails.

    `prepared` asks the processor; `window`: seconds that the encoder takes at once.
    """
    batches = [questions(turns, None), questions(turns, window)]
    options = reuse.speaker.options(brief(turns[0].request.generation)) | {"output_logits": True}

    def said(ways: Ways) -> list[Said]:
        reuse.forget()
        return [reuse.generated(prepared(asked, ways), options, ways) for asked in batches]

    def compared(ways: Ways) -> str | None:
        try:
            pairs = zip(plain, said(ways), strict=True)
        except REFUSALS as error:
            if is_out_of_memory(error):
                raise
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        found = (difference(one, other, reuse.speaker.ends, ROUNDING.get(dtype, 0.0)) for one, other in pairs)
        return next(filter(None, found), None)

    try:
        plain = said(Ways())
        return _found(compared)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return untried("there was no memory to try it")


def _found(compared: Callable[[Ways], str | None]) -> Verdict:
    ways = Ways(*(True for _ in vars(Ways())))
    if compared(ways) is None:
        return Verdict(ways, dict.fromkeys(vars(ways), "on"))
    ways, reasons = Ways(), {}
    for name in vars(ways):
        more = dataclasses.replace(ways, **{name: True})
        why = compared(more)
        ways, reasons[name] = (more, "on") if why is None else (ways, f"off: {why}")
    return Verdict(ways, reasons)


def questions(turns: Sequence[Turn], window: float | None) -> list[Turn]:
    """Two questions about each of two sounds: those of the turns, up to LONGEST, or openings of them that leave padding
    in `window` seconds.
    """
    texts = list(dict.fromkeys(turn.request.text for turn in turns))
    texts = [*texts, f"{texts[0]} Say it in one word."][:2]
    sounds = list({turn.request.sounds: turn for turn in turns}.values())
    lengths = [LONGEST] * 2 if window is None else [share * window for share in SHARES]
    chosen = [_opening(turn, seconds) for turn, seconds in zip((sounds[0], sounds[-1]), lengths, strict=True)]
    return [
        Turn(dataclasses.replace(turn.request, item_id=f"trial {number}", text=text), turn.heard)
        for number, turn in enumerate(chosen)
        for text in texts
    ]


def _opening(turn: Turn, seconds: float) -> Turn:
    """The turn with the first seconds of all that it hears."""
    kept: list[Heard] = []
    for heard in turn.heard:
        if seconds > 0:
            kept.append(_cut(heard, seconds))
        seconds -= heard.seconds
    return Turn(turn.request, tuple(kept))


def _cut(heard: Heard, seconds: float) -> Heard:
    if heard.seconds <= seconds:
        return heard
    effect = Opening(round(seconds * heard.sampling_rate))
    sound = Sound(heard.sound.clip, (*heard.sound.effects, effect))
    return Heard(sound, effect(heard.wave, heard.sampling_rate), heard.sampling_rate)


def brief(asked: Generation) -> Generation:
    """A greedy answer, no longer than needed to compare it."""
    return Generation(max_new_tokens=min(TOKENS, asked.max_new_tokens))


def difference(plain: Said, other: Said, ends: Sequence[int], rounding: float) -> str | None:
    """What differs between two answers to the same batch, up to each answer's end; None: nothing but rounding.

    In half precision two tokens whose scores lie within the rounding of each other are a tie, which batching alone
    decides one way or the other; what follows it cannot be compared.
    """
    steps = min(len(plain.scores), len(other.scores))
    for row in range(len(plain.tokens)):
        for step in range(steps):
            mine, its = (np.asarray(said.scores[step][row].float().cpu()) for said in (plain, other))
            spread = float(np.ptp(mine[np.isfinite(mine)]))
            moved = float(np.abs(mine - its)[np.isfinite(mine)].max())
            if not moved <= rounding * spread:
                return f"scores move by {moved:.2g} of {spread:.2g}"
            one, two = int(plain.tokens[row, step]), int(other.tokens[row, step])
            if one != two:
                tie = rounding > ROUNDING["float32"] and abs(float(mine[one] - mine[two])) <= rounding * spread
                if tie:
                    break
                return "answers change"
            if one in ends:
                break
    return None
