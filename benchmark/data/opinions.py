"""What an ensemble of annotators says of each window of a clip, from whatever stretches they have tagged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from cpbench.audio import grid
from cpbench.errors import UsageError, UserError
from cpbench.labels import emotion_among, emotion_named
from cpbench.records import Clip, Tag

LEVELS = ("valence", "arousal", "dominance")
ONE = "one annotator's categories suffice: --categorical NAME"


@dataclass(frozen=True)
class Ensemble:
    """Whose categories vote, by name without revision, and the labels in which all of them can."""

    members: tuple[str, ...]
    common: frozenset[str]  # a label beyond these falls to the one that takes it in
    levels: tuple[str, ...]  # who gives valence
    sources: tuple[str, ...]  # all of them, with their revisions


@dataclass(frozen=True)
class Opinion:
    """What is said of one window."""

    clip: int  # its place among the clips
    start: float  # seconds
    end: float
    shares: Mapping[str, Mapping[str, float]]  # member -> label -> probability
    valence: float | None  # -1 to 1, the mean of those who give it
    arousal: float | None
    dominance: float | None
    text: str | None

    @property
    def votes(self) -> Counter[str]:
        """label -> members for whom it is the most probable one; the first by name where two are."""
        return Counter(max(sorted(shares), key=lambda label: shares[label]) for shares in self.shares.values())

    @property
    def foremost(self) -> str:
        """The label with the most votes, then with the highest mean probability; "none" without a vote."""
        votes = self.votes
        return max(sorted(votes), key=lambda label: (votes[label], self.share(label)), default="none")

    def share(self, label: str) -> float:
        """The mean probability of a label by those who vote for it."""
        voters = [s[label] for s in self.shares.values() if max(sorted(s), key=lambda one: s[one]) == label]
        return sum(voters) / len(voters) if voters else 0.0

    def mean(self, label: str) -> dict[str, float]:
        """The mean probabilities of those who vote for a label, which is the highest of them."""
        voters = [s for s in self.shares.values() if max(sorted(s), key=lambda one: s[one]) == label]
        labels = sorted({name for shares in voters for name in shares})
        return {name: round(min(1.0, sum(s.get(name, 0.0) for s in voters) / len(voters)), 6) for name in labels}


def ensemble(clips: Sequence[Clip], categorical: Sequence[str] = (), valence: Sequence[str] = ()) -> Ensemble:
    """The annotators of a file of clips: those named, or all that give categories, and all that give valence.

    Raises UsageError for a name that is not there, and UserError where nobody gives categories, or where two annotators
    share no label and so can never agree.
    """
    sources = {tag.source for clip in clips for tag in clip.tags}
    labels: dict[str, set[str]] = {}
    levels: set[str] = set()
    for tag in (tag for clip in clips for tag in clip.tags):
        if tag.emotion:
            labels.setdefault(name_of(tag), set()).update(map(spelt, tag.emotion))
        if tag.valence is not None:
            levels.add(name_of(tag))
    members = _named(categorical, labels, "--categorical") or sorted(labels)
    if not members:
        tagged = f"only {', '.join(sorted(sources))}" if sources else "no tags at all"
        raise UserError(
            f"no annotator gives categories of emotion: the clips have {tagged}",
            mend="cpbench data annotate DATA --annotator classifier/PATH (or gold) --out FILE",
        )
    reach = _reach({member: labels[member] for member in members})
    for a, b in combinations(members, 2):
        if not reach[a] & reach[b]:
            raise UserError(
                f"{a} ({', '.join(sorted(labels[a]))}) and {b} ({', '.join(sorted(labels[b]))}) share no label, "
                "so they can never agree",
                mend=f"{ONE}, or annotate again with -A labels=... in our spelling",
            )
    chosen = _named(valence, levels, "--valence") or sorted(levels)
    common = frozenset.intersection(*reach.values())
    return Ensemble(tuple(members), common, tuple(chosen), tuple(sorted(sources)))


def _reach(labels: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """member -> its own labels, and those of others that take one of its own in (happiness, for excitement)."""
    every = {label for own in labels.values() for label in own}
    return {
        member: frozenset(wide for wide in every if any(emotion_among(label, {wide}) == wide for label in own))
        for member, own in labels.items()
    }


def opinions(clips: Sequence[Clip], voices: Ensemble, window: float, context: float) -> list[Opinion]:
    """One opinion a window of every clip, in order; windows as `audio.grid` has them.

    An annotator's tags count by the seconds that they share with the window; where none does, by those that they share
    with `context` seconds on both sides. A clip of unknown length ends with its last tag; one without tags has none.
    """
    found = []
    for place, clip in enumerate(clips):
        seconds = clip.seconds or max((tag.end for tag in clip.tags), default=0.0)
        by_name: dict[str, list[Tag]] = {}
        for tag in clip.tags:
            by_name.setdefault(name_of(tag), []).append(tag)
        for span in grid(seconds, window) if seconds > 0 else []:
            near = {name: _near(tags, span, context) for name, tags in by_name.items()}
            found.append(_opinion(place, span, near, voices))
    return found


def name_of(tag: Tag) -> str:
    """Who says it, without the revision."""
    return tag.source.split("@")[0]


def spelt(label: str) -> str:
    """A label in our spelling, where it names an emotion that we know."""
    return emotion_named(label) or label


Weighted = Sequence[tuple[Tag, float]]


def _opinion(place: int, span: tuple[float, float], near: Mapping[str, Weighted], voices: Ensemble) -> Opinion:
    shares = {
        member: _shares([(tag, weight) for tag, weight in near.get(member, ()) if tag.emotion], voices.common)
        for member in voices.members
    }
    valence, arousal, dominance = (_level(near, level, voices) for level in LEVELS)
    heard = {member: own for member, own in shares.items() if own}
    return Opinion(place, *span, heard, valence, arousal, dominance, _text(near, span))


def _near(tags: Iterable[Tag], span: tuple[float, float], context: float) -> list[tuple[Tag, float]]:
    """The tags that speak for a window, with the seconds that they do."""
    start, end = span
    for margin in (0.0, context):
        shared = [(tag, min(end + margin, tag.end) - max(start - margin, tag.start)) for tag in tags]
        if kept := [(tag, seconds) for tag, seconds in shared if seconds > 1e-6]:
            return kept
    return []


def _shares(tags: Weighted, common: Collection[str]) -> dict[str, float]:
    total = sum(weight for _, weight in tags)
    shares: dict[str, float] = {}
    for tag, weight in tags:
        for label, share in tag.emotion.items():
            own = spelt(label) if spelt(label) in common else emotion_among(spelt(label), common)
            shares[own] = shares.get(own, 0.0) + share * weight / total
    return shares


def _level(near: Mapping[str, Weighted], level: str, voices: Ensemble) -> float | None:
    """The mean over the annotators of their weighted means; valence only of those who were asked."""
    means = []
    for name, tags in sorted(near.items()):
        given = [(getattr(tag, level), weight) for tag, weight in tags if getattr(tag, level) is not None]
        if given and (level != "valence" or name in voices.levels):
            means.append(sum(value * weight for value, weight in given) / sum(weight for _, weight in given))
    return round(sum(means) / len(means), 6) if means else None


def _text(near: Mapping[str, Weighted], span: tuple[float, float]) -> str | None:
    """The words of the first annotator whose tags have some, of the tags with their middle in the window."""
    for _, tags in sorted(near.items()):
        inside = [tag for tag, _ in tags if span[0] <= (tag.start + tag.end) / 2 < span[1] and tag.text]
        if inside:
            return " ".join(tag.text for tag in sorted(inside, key=lambda tag: tag.start) if tag.text)
    return None


def _named(wanted: Sequence[str], known: Collection[str], flag: str) -> list[str]:
    plain = [name.split("@")[0] for name in wanted]
    if unknown := [name for name in plain if name not in known]:
        raise UsageError(f"{flag}: no annotator in the file is called", value=unknown[0], allowed=sorted(known))
    return sorted(set(plain))
