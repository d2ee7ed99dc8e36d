"""Parts of a set that share neither a speaker, a recording nor a sentence."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cpbench.errors import UsageError, UserError
from cpbench.formats.items import words_key
from cpbench.records import Clip

By = Literal["speaker", "transcript", "both", "crossed"]
FAR = 0.05  # a part whose share is further off than this is said


@dataclass(frozen=True)
class Split:
    """Which part every clip belongs to, by its speaker and its words."""

    by: By
    speakers: Mapping[str, str]  # who -> part
    sentences: Mapping[str, str]  # words -> part
    shares: Mapping[str, float]  # of the clips, as it came out
    lost: int = 0  # clips that stand in no part

    def part(self, clip: Clip) -> str | None:
        """The clip's part; None where its speaker belongs to one and its words to another (`crossed`)."""
        words = _words(clip)
        by_words, by_voice = self.by != "speaker" and words is not None, self.by != "transcript" or words is None
        parts = {self.speakers[who] for who in _speakers(clip)} if by_voice else set()
        if by_words:
            parts.add(self.sentences[str(words)])
        return parts.pop() if len(parts) == 1 else None

    def remarks(self, wanted: Mapping[str, float]) -> list[str]:
        """What is to be said of a split that is not as it was wished for."""
        off = [f"{name} {share:.0%} instead of {wanted[name]:.0%}" for name, share in self.shares.items()
               if abs(share - wanted[name]) > FAR]  # fmt: skip
        said = [f"the parts cannot have the shares that were asked for: {', '.join(off)}"] if off else []
        return said + ([f"{self.lost} clips are left out: speaker in one part, words in another"] if self.lost else [])


def shares(words: str) -> dict[str, float]:
    """`train=.9,dev=.1` as a mapping. Raises UsageError for shares that are none, or do not make 1.

    >>> shares("train=.9,dev=.1")
    {'train': 0.9, 'dev': 0.1}
    """
    found: dict[str, float] = {}
    for word in words.split(","):
        name, _, share = (part.strip() for part in word.partition("="))
        try:
            found[name] = float(share)
        except ValueError:
            raise UsageError("--split takes NAME=SHARE,NAME=SHARE, not", value=words, mend="train=.9,dev=.1") from None
        if not name or not 0 < found[name] <= 1:
            raise UsageError("a share is above 0 and at most 1, not", value=word, mend="train=.9,dev=.1")
    if abs(sum(found.values()) - 1) > 1e-6:
        raise UsageError("the shares should make 1, and make", value=round(sum(found.values()), 6))
    return found


def split(clips: Iterable[Clip], wanted: Mapping[str, float], *, by: By = "both", seed: int = 0) -> Split:
    """Give every speaker and every sentence a part. `both`: no clip is left out, and no two parts share either.

    Clips hang together that share a speaker, a recording or (`both`) a sentence; each such group goes into one part,
    large groups first, to the part that lacks most. `crossed` divides speakers and sentences independently, and leaves
    out the clips in between: the only way where every speaker says every sentence.
    Raises UserError where a part would remain empty.
    """
    pairs: Counter[Pair] = Counter((_speakers(clip), _words(clip)) for clip in clips)
    if by == "crossed":
        return _crossed(pairs, wanted, seed)
    groups = _groups(pairs, by)
    parts = _dealt({group: sum(pairs[pair] for pair in members) for group, members in groups.items()}, wanted, seed)
    speakers, sentences = {}, {}
    sizes: Counter[str] = Counter()
    for group, members in groups.items():
        for who, said in members:
            speakers.update(dict.fromkeys(who, parts[group]))
            sizes[parts[group]] += pairs[who, said]
            if said is not None:
                sentences[said] = parts[group]
    _check(sizes, wanted, by, pairs)
    total = sum(sizes.values())
    return Split(by, speakers, sentences, {name: sizes[name] / total for name in wanted})


Pair = tuple[tuple[str, ...], str | None]
"""Whose clip it is, and its words."""


def _speakers(clip: Clip) -> tuple[str, ...]:
    """Those heard in a clip (`a+b` are two), and what it was cut from."""
    named = (f"speaker {who}" for who in (clip.speaker or "").split("+") if who)
    return (*named, f"recording {clip.recording}")


def _words(clip: Clip) -> str | None:
    return words_key(clip.transcript or "") or None


def _groups(pairs: Iterable[Pair], by: By) -> dict[str, list[Pair]]:
    """The pairs that hang together, each group under the least of its names: so their order does not matter."""
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while above.setdefault(name, name) != name:
            above[name] = name = above[above[name]]
        return name

    def names(pair: Pair) -> list[str]:
        who, said = pair
        words = [f"words {said}"] if said is not None else []
        if by == "transcript":
            return words or list(who)
        return [*who, *(words if by == "both" else [])]

    listed = list(pairs)
    for pair in listed:
        first, *others = map(top, names(pair))
        for other in others:
            above[top(other)] = top(first)
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in listed:
        groups[top(names(pair)[0])].append(pair)
    return {min(name for pair in members for name in names(pair)): members for members in groups.values()}


def _dealt(sizes: Mapping[str, int], wanted: Mapping[str, float], seed: int) -> dict[str, str]:
    """Each group's part: in an order drawn by seed, large ones first, to the part that lacks most of its share.

    Where a part is still empty and only as many groups are left as there are empty parts, these go first.
    """
    order = sorted(sizes)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: -sizes[group])
    total, held, dealt = sum(sizes.values()), Counter[str](), dict[str, str]()
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        empty = [name for name in wanted if not held[name]]
        among: Sequence[str] = empty if left <= len(empty) else list(wanted)
        dealt[group] = max(among, key=lambda name: wanted[name] * total - held[name])
        held[dealt[group]] += sizes[group]
    return dealt


def _crossed(pairs: Mapping[Pair, int], wanted: Mapping[str, float], seed: int) -> Split:
    """Speakers and sentences dealt out independently; a clip stands where both agree."""
    by_speaker = _groups(pairs, "speaker")
    parts = _dealt({g: sum(pairs[pair] for pair in members) for g, members in by_speaker.items()}, wanted, seed)
    speakers = {who: parts[group] for group, members in by_speaker.items() for whos, _ in members for who in whos}
    counts: Counter[str] = Counter()
    for (_, said), count in pairs.items():
        counts.update({said: count} if said is not None else {})
    made = Split("crossed", speakers, _dealt(counts, wanted, seed + 1), {})
    sizes: Counter[str] = Counter()
    for (whos, said), count in pairs.items():
        found = {speakers[who] for who in whos} | ({made.sentences[said]} if said is not None else set())
        sizes.update({found.pop() if len(found) == 1 else "": count})
    lost = sizes.pop("", 0)
    _check(sizes, wanted, "crossed", pairs)
    total = sum(sizes.values())
    return Split("crossed", speakers, made.sentences, {name: sizes[name] / total for name in wanted}, lost)


def _check(sizes: Mapping[str, int], wanted: Mapping[str, float], by: By, pairs: Mapping[Pair, int]) -> None:
    empty = [name for name in wanted if not sizes.get(name)]
    if not empty:
        return
    voices, words = len(_groups(pairs, "speaker")), len({said for _, said in pairs if said is not None})
    groups = voices if by == "crossed" else len(_groups(pairs, by))
    what = f"no clips are left for {', '.join(empty)}: {voices} speakers with {words} sentences are {groups} groups"
    mend = "--split-by crossed (leaves clips out), --split-by speaker, or --split none"
    linked = {"both": "no speaker or sentence", "speaker": "no speaker", "transcript": "no sentence"}
    raise UserError(
        f"{what} that share {linked.get(by, 'no speaker')}",
        mend=mend if by == "both" else "fewer parts, or --split none",
    )
