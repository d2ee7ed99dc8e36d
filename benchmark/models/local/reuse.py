"""What a sound's questions share is worked out once: its features, its pass through the encoder, its share of a prompt.

`Asked` is a batch as the processor prepared it, and what is known of whose its rows are. `generated` lets the model
answer it by the ways that are switched on; which are is decided by `trial.py`, on the model itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cpbench.models.local.budget import Budget, cache_bytes
from cpbench.models.local.ear import frame_mask, spans
from cpbench.models.local.generate import Speaker
from cpbench.models.local.prompts import Prompts
from cpbench.models.local.room import hand_out
from cpbench.models.local.tower import Rows, Tower, Unfit
from cpbench.records import Heard, Turn


@dataclass(frozen=True)
class Ways:
    """The ways by which work is saved. Each is exact, or it is off."""

    once: bool = False  # each distinct sound is extracted and encoded once
    short: bool = False  # the silence behind a clip is extracted as one frame
    cut: bool = False  # only valid frames enter the encoder
    last: bool = False  # only the last position of a prompt is scored
    prefix: bool = False  # what the prompts of a sound begin with is read once, and its keys and values are shared

    def names(self) -> list[str]:
        return [name for name, on in vars(self).items() if on]


@dataclass(frozen=True)
class Verdict:
    """Which ways are on, and why the others are not."""

    ways: Ways
    reasons: Mapping[str, str] = field(default_factory=dict)  # way -> "on", or "off: ..."


def untried(why: str) -> Verdict:
    """No way is on."""
    return Verdict(Ways(), dict.fromkeys(vars(Ways()), f"off: {why}"))


@dataclass(frozen=True)
class Asked:
    """A batch of fitted turns, all with audio or all without, and its inputs."""

    turns: Sequence[Turn]
    inputs: Any
    prompts: Prompts

    @property
    def width(self) -> int:
        return int(self.inputs["input_ids"].shape[1])

    @cached_property
    def sounds(self) -> list[str]:
        """Each turn's sounds, by name: turns with equal names hear the same."""
        return ["|".join(map(_name, turn.heard)) for turn in self.turns]

    @cached_property
    def parts(self) -> list[slice] | None:
        """Which rows of features are whose; None: nothing is heard, or the rows do not add up."""
        mask = frame_mask(self.inputs)
        count = self._features_count if mask is None else len(mask)
        return spans(self.prompts.ear, self.turns, count) if count else None

    @property
    def _features_count(self) -> int:
        names = ("input_ids", "attention_mask")
        several = [value for name, value in self.inputs.items() if name not in names and value.is_floating_point()]
        return len(several[0]) if several else 0

    @cached_property
    def rows(self) -> Rows | None:
        """The rows of features by their sounds; None where it is not known whose they are."""
        if self.parts is None:
            return None
        keys = [
            (sounds, number)
            for sounds, part in zip(self.sounds, self.parts, strict=True)
            for number in range(part.stop - part.start)
        ]
        clips = {name: len(turn.request.sounds) for name, turn in zip(self.sounds, self.turns, strict=True)}
        mask = frame_mask(self.inputs)
        if mask is None:
            return Rows(keys, clips=clips)
        return Rows(keys, int(mask.shape[1]), (mask > 0).sum(-1).tolist(), clips)

    def only(self, places: Sequence[int]) -> Asked:
        """The turns at these places. Raises Unfit where an input is neither a turn's nor a row's."""
        if self.parts is None or self.rows is None:
            raise Unfit("it is not known which features are whose")
        rows = [row for place in places for row in range(self.parts[place].start, self.parts[place].stop)]
        made = {}
        for name, value in self.inputs.items():
            if value.shape[:2] == self.inputs["input_ids"].shape:
                made[name] = value[list(places)]
            elif len(value) == len(self.rows.keys):
                made[name] = value[rows]
            else:
                raise Unfit(f"whose is {name}, {tuple(value.shape)}?")
        return Asked([self.turns[place] for place in places], type(self.inputs)(made), self.prompts)


@dataclass(frozen=True)
class Said:
    """What a batch said: the new tokens (turns, n), and with `output_logits` the scores of each, n of (turns, V)."""

    tokens: Any
    scores: tuple[Any, ...] = ()
    kept: float = 0.0  # bytes of keys and values


@dataclass
class Reuse:
    """One model, asked by the ways that are on."""

    speaker: Speaker
    tower: Tower | None  # None: no encoder is found
    verdict: Verdict | None = None  # None: not tried yet
    seen: float = 0.0  # questions that were asked before it was tried, those about long clips for more
    budget: Budget | None = None  # None: not measured yet
    counts: dict[str, int] = field(default_factory=lambda: {"batches": 0, "questions": 0, "prefixes": 0})

    @property
    def work(self) -> dict[str, Any]:
        """What was done, for the manifest."""
        encoded = (
            {} if self.tower is None else {"encoder_passes": self.tower.clips, "encoder_frames": self.tower.frames}
        )
        ways = (self.verdict or untried("there was too little to ask")).reasons
        bounds = {} if self.budget is None else {"budget": vars(self.budget)}
        return {**self.counts, **encoded, "ways": dict(ways), **bounds}

    def forget(self) -> None:
        """Drop what was kept of earlier batches: the weights may be others from here on."""
        if self.tower is not None:
            self.tower.forget()

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """What is done within it is not counted, and leaves nothing behind."""
        counts, tower = dict(self.counts), self.tower
        before = None if tower is None else (tower.clips, tower.rows, tower.frames)
        try:
            yield
        finally:
            self.counts = counts
            if tower is not None and before is not None:
                tower.clips, tower.rows, tower.frames = before
                self.forget()

    def generated(self, asked: Asked, options: Mapping[str, Any], ways: Ways, *, seed: int | None = None) -> Said:
        """What the model says. Raises Unfit for a way that cannot be gone."""
        self.counts["batches"] += 1
        self.counts["questions"] += len(asked.turns)
        shared = ways.prefix and asked.parts is not None and len(set(asked.sounds)) < len(asked.turns)
        with self.speaker.scoring_last() if ways.last else nullcontext():
            if shared:
                return self._by_prefix(asked, options, ways, seed)
            return self._plainly(asked, options, ways, seed)

    def _plainly(self, asked: Asked, options: Mapping[str, Any], ways: Ways, seed: int | None) -> Said:
        with self._hearing(asked, ways):
            made = self.speaker.generate(asked.inputs, options, seed=seed)
        return Said(made.sequences[:, asked.width :], made.logits or (), cache_bytes(made.past_key_values))

    def _by_prefix(self, asked: Asked, options: Mapping[str, Any], ways: Ways, seed: int | None) -> Said:
        """Read what each sound's prompts begin with, once, then ask all the questions after it."""
        import torch

        first = {sounds: place for place, sounds in reversed(list(enumerate(asked.sounds)))}
        order = {sounds: number for number, sounds in enumerate(sorted(first, key=first.__getitem__))}
        whose = [order[sounds] for sounds in asked.sounds]
        alone = asked.only(sorted(first.values()))
        split = _Split.of(asked, whose)
        with self._hearing(alone, ways):
            read = self.speaker.generate(
                type(asked.inputs)({**alone.inputs, **split.beginnings}), {"max_new_tokens": 1, "do_sample": False}
            )
        self.counts["prefixes"] += len(order)
        cache, whole = read.past_key_values, split.whole["input_ids"].shape[1]
        hand_out(cache, torch.tensor(whose), whole - cache.get_seq_length() + options["max_new_tokens"])
        made = self.speaker.generate(type(asked.inputs)(split.whole), {**options, "past_key_values": cache}, seed=seed)
        return Said(made.sequences[:, whole:], made.logits or (), cache_bytes(made.past_key_values))

    @contextmanager
    def _hearing(self, asked: Asked, ways: Ways) -> Iterator[None]:
        rows = asked.rows
        if self.tower is None or rows is None:
            yield
            return
        with self.tower.hearing(rows, once=ways.once, cut=ways.cut):
            yield


@dataclass(frozen=True)
class _Split:
    """Prompts cut in two: what those of one sound begin with, and the rest. All padded on the left."""

    beginnings: Mapping[str, Any]  # input_ids and attention_mask (sounds, P)
    whole: Mapping[str, Any]  # input_ids and attention_mask (turns, P + Q): each turn's beginning, then its rest

    @classmethod
    def of(cls, asked: Asked, whose: Sequence[int]) -> _Split:
        import torch

        ids, mask = asked.inputs["input_ids"], asked.inputs["attention_mask"]
        prompts = [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]
        by_sound: dict[int, list[list[int]]] = {}
        for prompt, sound in zip(prompts, whose, strict=True):
            by_sound.setdefault(sound, []).append(prompt)
        shared = {sound: _common(several) for sound, several in by_sound.items()}
        beginnings = _left([by_sound[sound][0][: shared[sound]] for sound in sorted(shared)])
        rests = _left([prompt[shared[sound] :] for prompt, sound in zip(prompts, whose, strict=True)])
        index = list(whose)
        whole = {name: torch.cat([value[index], rests[name]], dim=1) for name, value in beginnings.items()}
        return cls(beginnings, whole)


def _common(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, one of each left for the rest."""
    least = min(map(len, prompts)) - 1
    return next((place for place in range(least) if len({prompt[place] for prompt in prompts}) > 1), least)


def _left(rows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Rows of tokens padded on the left. A row is padded with a token of its own, for a penalty on repetitions counts
    masked tokens too."""
    import torch

    longest = max(map(len, rows))
    ids = [[row[0]] * (longest - len(row)) + list(row) for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def _name(heard: Heard) -> str:
    """A sound by its bytes and effects, as the engine orders them."""
    clip = heard.sound.clip
    known = clip.sha256 or hashlib.sha256(heard.wave.tobytes()).hexdigest()
    return f"{known} {heard.sound.effects!r}"
