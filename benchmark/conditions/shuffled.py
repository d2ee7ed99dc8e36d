"""`shuffled`: every clip is exchanged for another recording of the same task, near in length, drawn by seed."""

from __future__ import annotations

import dataclasses
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

from cpbench.errors import UsageError, UserError
from cpbench.records import Clip, Item, Request, Setting, Sound

MEANING = "What the model answers when it hears somebody else: its score without the right clip."
IN = {"all": "shuffled"}
KIND = "other"
LEFT_OUT = "no clip of another recording can be played in their clip's place"
NEAREST = 5
"""A donor is drawn among so many that are nearest in length, and all that are as near as the last of them."""
DIRECT = ("DE", "DG", "DS")
"""Question types whose answer hangs on the clip alone, however the question is worded."""


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    """Play the donors instead, with the effects that were asked for; `played` says which clips they are.

    Raises UserError where no item has a donor.
    """
    if argument:
        raise UsageError("shuffled takes nothing after its name", value=argument, mend="--condition shuffled")
    pools = {
        task: Donors([clip for item in items if item.task == task for clip in item.clips], setting.seed)
        for task in dict.fromkeys(item.task for item in items)
    }
    made = []
    for item, request in zip(items, requests, strict=True):
        found = [pools[item.task].of(sound.clip) for sound in request.sounds]
        donors = [donor for donor in found if donor is not None]
        if len(donors) == len(found):
            sounds = tuple(Sound(donor, sound.effects) for donor, sound in zip(donors, request.sounds, strict=True))
            played = tuple(str(donor.sha256) for donor in donors)
            made.append(dataclasses.replace(request, sounds=sounds, played=played))
    if requests and not made:
        raise UserError(_why_none(items), mend="a set with several recordings (`recording` in items.jsonl)")
    return made


class Donors:
    """The clips of a task, and which of them is played instead of which: by seed, whatever the clips' order."""

    def __init__(self, clips: Iterable[Clip], seed: int) -> None:
        readable = [clip for clip in clips if clip.sha256 is not None and clip.seconds is not None]
        distinct = {str(clip.sha256): clip for clip in sorted(readable, key=lambda clip: (clip.recording, clip.path))}
        self._seed = seed
        self._clips = sorted(distinct.values(), key=lambda clip: (_length(clip), str(clip.sha256)))
        self._lengths = [_length(clip) for clip in self._clips]
        self._drawn: dict[str, Clip] = {}

    def of(self, clip: Clip) -> Clip | None:
        """The clip's donor; None where it cannot be read, or where no other recording is there."""
        if clip.sha256 is None or clip.seconds is None or not any(_other(one, clip) for one in self._clips):
            return None
        if clip.sha256 not in self._drawn:
            self._drawn[clip.sha256] = self._draw(clip)
        return self._drawn[clip.sha256]

    def _draw(self, clip: Clip) -> Clip:
        reach, length = self._reach(clip), _length(clip)
        near = self._clips[bisect_left(self._lengths, length - reach) : bisect_right(self._lengths, length + reach)]
        draw = random.Random(f"{self._seed}/{clip.sha256}")
        while not _other(donor := draw.choice(near), clip):
            pass  # of the clip's own recording
        return donor

    def _reach(self, clip: Clip) -> int:
        """The difference in length, in ms, within which there are NEAREST donors, or all of them."""
        length = _length(clip)
        above = bisect_left(self._lengths, length)
        below, found, reach = above - 1, 0, 0
        while found < NEAREST and (below >= 0 or above < len(self._clips)):
            under = length - self._lengths[below] if below >= 0 else None
            over = self._lengths[above] - length if above < len(self._clips) else None
            if over is None or (under is not None and under < over):
                one, gap, below = self._clips[below], under, below - 1
            else:
                one, gap, above = self._clips[above], over, above + 1
            if _other(one, clip) and gap is not None:
                found, reach = found + 1, gap
        return reach


ItemsByClip = Mapping[tuple[str, tuple[str, ...]], Sequence[Item]]
"""(task, sha256 of the clips) -> the items about them."""


def index(items: Iterable[Item]) -> ItemsByClip:
    """The items by what is heard in them, for `donor_label`."""
    found: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
    for item in items:
        found.setdefault((item.task, tuple(clip.sha256 or clip.path for clip in item.clips)), []).append(item)
    return found


def donor_label(item: Item, played: Sequence[str], items_by_clip: ItemsByClip) -> str | None:
    """The label that would be right for the clips that were played instead of the item's own; None: nobody knows it.

    It is that of an item of the same task, type and options about those clips. Where the answer hangs on the question
    too (C, CE, CG, CS), only an item with the same question tells it; items that contradict each other tell nothing.
    """
    free = item.type is None or item.type in DIRECT
    labels = {
        other.label
        for other in items_by_clip.get((item.task, tuple(played)), ())
        if other.type == item.type
        and {*other.options} == {*item.options}
        and other.label is not None
        and (free or other.question == item.question)
    }
    return labels.pop() if len(labels) == 1 else None


def _length(clip: Clip) -> int:
    """Milliseconds: whole numbers, so that equal lengths are equal."""
    return round(1000 * (clip.seconds or 0.0))


def _other(donor: Clip, clip: Clip) -> bool:
    return donor.recording != clip.recording and donor.sha256 != clip.sha256


def _why_none(items: Sequence[Item]) -> str:
    recordings = {clip.recording for item in items for clip in item.clips if clip.seconds is not None}
    if not recordings:
        return f"no clip of these {len(items)} items can be read, so none can be played in another's place"
    return f"all clips of {items[0].task} are of one recording: no other can be played in their place"
