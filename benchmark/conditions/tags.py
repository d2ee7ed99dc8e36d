"""`tags:gold`, `tags:wrong`, `tags:none`, `tags:ANNOTATOR`: time-stamped emotion tags in the prompt.

This is the source paper's explicit method. Tags give away direct emotion questions, so every DE item is flagged
`leaked`. The tags are those of what is played: `shuffled+tags:gold` has the donor's, `tags:gold+shuffled` the item's
own beside another voice.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence

from cpbench.errors import UserError
from cpbench.records import Clip, Item, Request, Setting, Tag

MEANING = "How far the answer follows the tags in the prompt rather than the voice."
KIND = "told"
LEFT_OUT = "they have no such emotion tags, or there is no other emotion to say instead"
TEMPLATE = "Emotion tags: {tags}\n{text}"
"""The default of `Setting.tag_template`; `{tags}` becomes "[0.0-2.1 s: sad] [2.1-4.0 s: happy]"."""
GOLD = ("", "gold", "wrong")


def needs(argument: str) -> tuple[str, str] | None:
    return None if argument in (*GOLD, "none") else ("tags", argument)


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    """Put the tags of one source before the question. Raises UserError where no item has any, or no wrong one."""
    if argument == "none":
        return requests
    sources = {"gold"} if argument in GOLD else {argument, setting.annotators.get(argument, argument)}
    heard = [[sound.clip for sound in request.sounds] for request in requests]
    heard = [clips or [*item.clips] for item, clips in zip(items, heard, strict=True)]
    known = [[tags_of(clip, sources) for clip in clips] for clips in heard]
    labels = sorted({label for clips in known for tags in clips for tag in tags if (label := top(tag)) is not None})
    if items and not any(tags for clips in known for tags in clips):
        raise UserError(
            f"none of {len(items)} items has emotion tags from {min(sources)}, {items[0].id} first",
            mend="`emotion` in items.jsonl; or --tags MODEL, an annotator that makes them",
        )
    template, made = setting.tag_template or TEMPLATE, []
    if argument == "wrong":
        known = [
            [_all_wrong(clip, said, labels, setting.seed) for clip, said in zip(clips, tags, strict=True)]
            for clips, tags in zip(heard, known, strict=True)
        ]
    for item, request, tags in zip(items, requests, known, strict=True):
        if said := [tag for each in tags for tag in each]:
            told = tuple(label for tag in in_time(said) if (label := top(tag)) is not None)
            tagged = dataclasses.replace(request, text=template.format(tags=worded(said), text=request.text), told=told)
            made.append(tagged.flagged("leaked") if item.type == "DE" else tagged)
    if requests and not made:
        raise UserError(f"no wrong tag can be drawn: every tag says {', '.join(labels) or 'no emotion'}")
    return made


def tags_of(clip: Clip, sources: Iterable[str]) -> list[Tag]:
    """The clip's tags from one of the sources, each named with its revision (`acoustic@1`) or without."""
    named = [tag for tag in clip.tags if {tag.source, tag.source.split("@")[0]} & {*sources}]
    return [tag for tag in named if top(tag) is not None or _measured(tag)]


def top(tag: Tag) -> str | None:
    """The tag's most probable emotion; None where it only measures (arousal, say)."""
    return max(tag.emotion, key=lambda label: tag.emotion[label], default=None)


def worded(tags: Sequence[Tag]) -> str:
    """Tags as a prompt has them, in order of time: `[0.0-2.1 s: sad]`; without a label `[0.0-2.1 s: arousal +0.4]`."""
    return " ".join(f"[{tag.start:.1f}-{tag.end:.1f} s: {top(tag) or _measured(tag)}]" for tag in in_time(tags))


def _measured(tag: Tag) -> str:
    measures = {"valence": tag.valence, "arousal": tag.arousal, "dominance": tag.dominance}
    return ", ".join(f"{name} {value:+.1f}" for name, value in measures.items() if value is not None)


def in_time(tags: Sequence[Tag]) -> list[Tag]:
    """Tags in order of time."""
    return sorted(tags, key=lambda tag: (tag.start, tag.end))


def wrong(tag: Tag, beside: Sequence[Tag], labels: Sequence[str], seed: str) -> Tag | None:
    """The same times with another emotion of the set, drawn by seed: none that any tag of that time says.

    `beside`: all tags of the clip. None where every emotion of the set is said at that time.
    """
    if (own := top(tag)) is None:
        return None
    said = {own} | {top(other) for other in beside if other.start < tag.end and tag.start < other.end}
    others = [label for label in labels if label not in said]
    if not others:
        return None
    return dataclasses.replace(tag, emotion={random.Random(seed).choice(others): 1.0}, source="wrong")


def _all_wrong(clip: Clip, tags: Sequence[Tag], labels: Sequence[str], seed: int) -> list[Tag]:
    """Every tag of a clip made wrong; [] where one of them cannot be."""
    made = [wrong(tag, tags, labels, f"{seed}/{clip.sha256}/{place}") for place, tag in enumerate(tags)]
    found = [tag for tag in made if tag is not None]
    return found if len(found) == len(tags) else []
