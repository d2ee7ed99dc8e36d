"""`cpbench data condense`: from tagged clips to those that are rich in emotion, in the manner of the Interspeech paper.

Windows, agreement of an ensemble, the category's sentiment against valence, occurrence, and a balance by emotion: one
filter after the other, with a table of what each one removed. It works on tags alone and decodes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cpbench.annotators import key_of
from cpbench.data.opinions import Ensemble, Opinion, ensemble, name_of, opinions
from cpbench.data.sentiment import NEGATIVE, NEUTRAL, POSITIVE
from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import digest
from cpbench.flow.ledger import write_whole
from cpbench.formats.clips import read_clips, write_clips
from cpbench.labels import emotion_named
from cpbench.records import Clip, Tag

ROUNDING = 1e-9  # for thresholds on numbers that were brought to another scale and back


@dataclass(frozen=True)
class Settings:
    """The thresholds. Valence is on a scale of 0 to 1 here, as the paper has it.

    `window`, `context` are the paper's. `positive_from` and `negative_to` are inferred from its "x = 0.5, y = 0.4". How
    it requires agreement and how often an emotion must occur was not found: `agreement` and `min_windows` are our
    defaults, as are the balance and what counts as positive or negative.
    """

    window: float = 2.0  # seconds
    context: float = 1.0
    agreement: Literal["majority", "all"] = "majority"
    min_probability: float = 0.0  # of the agreed emotion, the mean of those who agree
    emotions: tuple[str, ...] = ()  # to keep; (): every one that we know
    positive_from: float = 0.5
    negative_to: float = 0.4
    positive: tuple[str, ...] = POSITIVE
    negative: tuple[str, ...] = NEGATIVE
    min_windows: int = 2  # of an emotion in a clip; all of them in a clip that has fewer
    keep_neutral: bool = False  # clips in which nothing but neutral is heard
    min_clips: int = 1  # of an emotion
    balance: float | None = 1.0  # no emotion has more than so many times the clips of the rarest; None: all stay
    seed: int = 0  # which ones, where there are more
    categorical: tuple[str, ...] = ()  # whose categories vote; (): all that give some
    valence: tuple[str, ...] = ()  # whose valence counts; (): all that give one
    keep_tags: bool = False  # the annotators' own tags, beside the ensemble's

    def __post_init__(self) -> None:
        """Raises UsageError for a threshold that cannot be."""
        if not self.window > 0 or self.context < 0:
            raise UsageError("a window is longer than 0 s and its context not below; window", value=self.window)
        for name in ("min_probability", "positive_from", "negative_to"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"--{name.replace('_', '-')} is between 0 and 1, not", value=getattr(self, name))
        if self.balance is not None and self.balance < 1.0:
            raise UsageError("--balance is at least 1 (every emotion as often as the rarest), not", value=self.balance)
        for label in (*self.emotions, *self.positive, *self.negative):
            if emotion_named(label) != label:
                known = sorted({*POSITIVE, *NEGATIVE, *NEUTRAL, "surprise"})
                raise UsageError("not an emotion in our spelling:", value=label, allowed=known)
        if both := set(self.positive) & set(self.negative):
            raise UsageError("an emotion cannot be both positive and negative:", value=sorted(both)[0])


@dataclass(frozen=True)
class Step:
    """What one filter did. Counts by emotion are of the foremost label of a window, and of a clip's windows."""

    name: str
    rule: str
    clips: int  # left after it
    windows: int
    clips_removed: Mapping[str, int]
    windows_removed: Mapping[str, int]


@dataclass(frozen=True)
class Condensed:
    """What came of it: `path`, a clips.jsonl; `steps`, in order; and what is left, by main emotion."""

    path: Path
    voices: Ensemble
    source: str  # of the tags written
    steps: tuple[Step, ...]
    clips: Mapping[str, int]
    windows: Mapping[str, int]


def condense(clips_file: Path, out: Path, settings: Settings | None = None) -> Condensed:
    """Condense a file of tagged clips into `out`, and the table of what was removed beside it, as JSON and text.

    What is kept has one tag for each window that stood: the ensemble's mean probabilities, valence, arousal, dominance
    and words. The same file and settings give the same bytes. Raises UserError where nothing is left, with the table.
    """
    settings = settings or Settings()
    clips = list(read_clips(clips_file))
    voices = ensemble(clips, settings.categorical, settings.valence)
    everything = opinions(clips, voices, settings.window, settings.context)
    left, steps = _filtered(everything, clips, voices, settings)
    source = f"ensemble@{digest(dataclasses.asdict(settings), voices.sources)[:8]}"
    by_clip = _by_clip(left)
    write_clips((_condensed(clips[place], own, source, settings) for place, own in by_clip.items()), out)
    result = Condensed(
        out,
        voices,
        source,
        tuple(steps),
        dict(sorted(Counter(main_emotion(own) for own in by_clip.values()).items())),
        dict(sorted(Counter(one.foremost for one in left).items())),
    )
    given = hashlib.sha256(clips_file.read_bytes()).hexdigest()
    table = json.dumps(as_json(result, settings, given), indent=2, ensure_ascii=False)
    write_whole(out.with_name(f"{out.stem}.condense.json"), table.encode() + b"\n")
    write_whole(out.with_name(f"{out.stem}.condense.txt"), as_text(steps).encode() + b"\n")
    return result


def as_json(result: Condensed, settings: Settings, input_sha256: str) -> dict[str, Any]:
    """The table and all that it depends on; no time and no path, so that equal work gives equal bytes."""
    return {
        "input_sha256": input_sha256,
        "settings": dataclasses.asdict(settings),
        "categorical": result.voices.members,
        "valence": result.voices.levels,
        "sources": result.voices.sources,
        "source": result.source,
        "steps": [dataclasses.asdict(step) for step in result.steps],
        "clips": dict(result.clips),
        "windows": dict(result.windows),
    }


def main_emotion(windows: Sequence[Opinion]) -> str:
    """What a clip counts as: of its emotions that are not neutral, the one with most windows, then the surest."""
    counts = Counter(one.foremost for one in windows)
    sure: Counter[str] = Counter()
    for one in windows:
        sure[one.foremost] += one.share(one.foremost)  # type: ignore[assignment]
    felt = [label for label in counts if label not in (*NEUTRAL, "none")] or list(counts)
    return max(sorted(felt), key=lambda label: (counts[label], sure[label]), default="none")


# --- The filters ------------------------------------------------------------------------------------------------------

Filter = tuple[str, str, str, Callable[[list[Opinion]], list[Opinion]]]
"""name, rule in words, what mends an empty result, and what it keeps of the windows that came to it."""


def _filtered(
    everything: list[Opinion], clips: Sequence[Clip], voices: Ensemble, settings: Settings
) -> tuple[list[Opinion], list[Step]]:
    """The windows that pass all filters, and what each removed."""
    placed = {one.clip for one in everything}
    before: Counter[str] = Counter("none" for place in range(len(clips)) if place not in placed)
    steps = [Step("input", f"windows of {settings.window:g} s", len(clips), len(everything), {}, {})]
    left = everything
    for name, rule, mend, keep in _filters(everything, clips, voices, settings):
        kept = keep(left)
        steps.append(_step(name, rule, left, kept, before))
        before = Counter()
        if not kept:
            raise UserError(f"nothing is left after the filter {name!r} ({rule}):\n{as_text(steps)}", mend=mend)
        left = kept
    return left, steps


def _filters(
    everything: Sequence[Opinion], clips: Sequence[Clip], voices: Ensemble, settings: Settings
) -> list[Filter]:
    s, members = settings, ", ".join(voices.members)
    found: list[Filter] = [
        (
            "annotated",
            f"windows of which {members} say something",
            "cpbench data annotate, with more annotators or -A speech=0",
            lambda windows: [one for one in windows if one.shares],
        ),
        (
            "agreement",
            f"{'more than half' if s.agreement == 'majority' else 'all'} of {len(voices.members)} agree ({members})",
            "--agreement majority, or fewer annotators: --categorical NAME",
            lambda windows: [one for one in windows if _agreed(one, len(voices.members), s.agreement)],
        ),
        (
            "emotion",
            "one of " + ", ".join(s.emotions) if s.emotions else "a label that names an emotion",
            "--emotion NAME for another one, or annotate with -A labels=... in our spelling",
            lambda windows: [one for one in windows if _wanted(one.foremost, s)],
        ),
    ]
    if s.min_probability > 0:
        found.append(
            (
                "probability",
                f"the emotion has a mean probability of at least {s.min_probability:g}",
                "a lower --min-probability",
                lambda windows: [one for one in windows if one.share(one.foremost) >= s.min_probability - ROUNDING],
            )
        )
    return [*found, _valence(voices, s), *_of_clips(everything, clips, s)]


def _valence(voices: Ensemble, s: Settings) -> Filter:
    if not voices.levels:
        rule = "not applied: no annotator gives valence"
        return ("valence", rule, "", lambda windows: windows)
    return (
        "valence",
        f"positive: v >= {s.positive_from:g}, negative: v <= {s.negative_to:g}, of 0 to 1 ({', '.join(voices.levels)})",
        "a lower --positive-from, a higher --negative-to",
        lambda windows: [one for one in windows if _consistent(one, s)],
    )


def _of_clips(everything: Sequence[Opinion], clips: Sequence[Clip], s: Settings) -> list[Filter]:
    """The filters for which a window depends on the others of its clip, or a clip on other clips."""
    sizes = Counter(one.clip for one in everything)
    found: list[Filter] = [
        (
            "occurrence",
            f"the emotion stands in {s.min_windows} windows of its clip, or in all",
            "a lower --min-windows",
            lambda windows: _occurring(windows, sizes, s.min_windows),
        )
    ]
    if not s.keep_neutral:
        found.append(
            (
                "neutral",
                "clips in which something else than neutral is heard",
                "--keep-neutral",
                lambda windows: _of(windows, lambda own: main_emotion(own) not in NEUTRAL),
            )
        )
    if s.min_clips > 1:
        found.append(
            (
                "rarity",
                f"emotions of at least {s.min_clips} clips",
                "a lower --min-clips",
                lambda windows: _not_rare(windows, s.min_clips),
            )
        )
    if s.balance is not None:
        found.append(
            (
                "balance",
                f"at most {s.balance:g} times the clips of the rarest emotion, drawn by seed {s.seed}",
                "--balance none",
                lambda windows: _balanced(windows, clips, s),
            )
        )
    return found


def _agreed(one: Opinion, members: int, agreement: str) -> bool:
    votes = one.votes[one.foremost]
    return votes == members if agreement == "all" else 2 * votes > members


def _wanted(label: str, s: Settings) -> bool:
    return label in s.emotions if s.emotions else emotion_named(label) is not None


def _consistent(one: Opinion, s: Settings) -> bool:
    """Without a valence, a positive or negative emotion cannot be confirmed."""
    label = one.foremost
    if label not in (*s.positive, *s.negative):
        return True
    if one.valence is None:
        return False
    valence = (one.valence + 1.0) / 2.0
    return valence >= s.positive_from - ROUNDING if label in s.positive else valence <= s.negative_to + ROUNDING


def _occurring(windows: list[Opinion], sizes: Mapping[int, int], least: int) -> list[Opinion]:
    counts = Counter((one.clip, one.foremost) for one in windows)
    return [one for one in windows if counts[one.clip, one.foremost] >= min(least, sizes[one.clip])]


def _not_rare(windows: list[Opinion], least: int) -> list[Opinion]:
    clips = Counter(main_emotion(own) for own in _by_clip(windows).values())
    return _of(windows, lambda own: clips[main_emotion(own)] >= least)


def _balanced(windows: list[Opinion], clips: Sequence[Clip], s: Settings) -> list[Opinion]:
    """Draw clips of each emotion by seed, the recordings taking turns, so that none is lost where it need not be."""
    groups: dict[str, list[int]] = {}
    for place, own in _by_clip(windows).items():
        groups.setdefault(main_emotion(own), []).append(place)
    most = int((s.balance or 1.0) * min(len(places) for places in groups.values()))
    kept: set[int] = set()
    for places in groups.values():
        turns: Counter[str] = Counter()
        order: list[tuple[int, int, int]] = []
        for place in sorted(places, key=lambda place: digest(s.seed, key_of(clips[place]))):
            order.append((turns[clips[place].recording], len(order), place))
            turns[clips[place].recording] += 1
        kept.update(place for _, _, place in sorted(order)[:most])
    return [one for one in windows if one.clip in kept]


def _of(windows: list[Opinion], keep: Callable[[list[Opinion]], bool]) -> list[Opinion]:
    kept = {place for place, own in _by_clip(windows).items() if keep(own)}
    return [one for one in windows if one.clip in kept]


def _by_clip(windows: Sequence[Opinion]) -> dict[int, list[Opinion]]:
    found: dict[int, list[Opinion]] = {}
    for one in windows:
        found.setdefault(one.clip, []).append(one)
    return found


# --- What is written --------------------------------------------------------------------------------------------------


def _step(name: str, rule: str, left: list[Opinion], kept: list[Opinion], lost: Counter[str]) -> Step:
    """`lost`: clips that had no window to begin with."""
    held, before, after = {id(one) for one in kept}, _by_clip(left), _by_clip(kept)
    windows = Counter(one.foremost for one in left if id(one) not in held)
    clips = lost + Counter(main_emotion(own) for place, own in before.items() if place not in after)
    return Step(name, rule, len(after), len(kept), dict(sorted(clips.items())), dict(sorted(windows.items())))


def as_text(steps: Sequence[Step]) -> str:
    """The table in plain text: what each filter removed, clips/windows, by emotion."""
    emotions = sorted({label for step in steps for label in (*step.clips_removed, *step.windows_removed)})
    head = ["filter", "clips left", "windows left", "removed", *emotions]
    rows = [head]
    for step in steps:
        total = f"{sum(step.clips_removed.values())}/{sum(step.windows_removed.values())}"
        each = [f"{step.clips_removed.get(one, 0)}/{step.windows_removed.get(one, 0)}" for one in emotions]
        plain = ["" if cell == "0/0" else cell for cell in (total, *each)]
        rows.append([step.name, str(step.clips), str(step.windows), *plain])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    aligned = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return "\n".join("  ".join(cells) for cells in aligned)


def _condensed(clip: Clip, windows: Sequence[Opinion], source: str, settings: Settings) -> Clip:
    own = [tag for tag in clip.tags if settings.keep_tags and name_of(tag) != "ensemble"]
    said = [
        Tag(
            one.start,
            one.end,
            source,
            one.mean(one.foremost),
            valence=one.valence,
            arousal=one.arousal,
            dominance=one.dominance,
            text=one.text,
        )
        for one in windows
    ]
    return dataclasses.replace(clip, tags=(*own, *said))
