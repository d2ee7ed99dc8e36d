"""The door to the annotators: anything that says of a sound what words or what emotion it hears.

    load_annotator("asr/openai/whisper-large-v3", {"device": "cuda"}).annotate(sounds)

A spec is NAME, NAME/ARGUMENT or NAME:ARGUMENT, where NAME is a file of this folder or an entry point of the group
`cpbench.annotators`, and the argument its first option; or FILE.py:CLASS.

An annotator may also have:
    sampling_rate: int     Hz at which it is given its sounds; else 16 kHz
    relative: bool         whether what it says of a sound depends on the others that it is given
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from cpbench import parts
from cpbench.annotators._worker import write_worker
from cpbench.audio import load
from cpbench.errors import BadClip, UsageError, UserError
from cpbench.flow.ledger import Ledger
from cpbench.parts import Annotator
from cpbench.records import Annotation, Clip, Heard, Sound, Tag, Word

__all__ = ["annotate", "fill_in", "key_of", "load_annotator", "load_recogniser", "options_of", "write_worker"]


def annotate(
    clips: Iterable[Clip],
    annotator: Annotator,
    ledger: Ledger[Annotation],
    *,
    failed: Callable[[Clip, BadClip], None] | None = None,
) -> Iterator[Annotation]:
    """Annotate each distinct clip that the ledger does not hold yet, and yield each annotation once it is on disk.

    The ledger is one annotator's, with one set of options. A clip that cannot be decoded goes to `failed`, and the
    others go on; without `failed` its BadClip is raised. An annotator whose annotations hang together (`relative`) is
    given every clip again where one is missing. Raises UserError for a ledger that holds what another annotator said.
    """
    if other := next((said.annotator for said in ledger if said.annotator != annotator.name), None):
        raise UserError(f"{ledger.path} holds what {other} said, not {annotator.name}", mend="another folder")
    wanted = {key_of(clip): clip for clip in clips}
    missing = [key for key in wanted if key not in ledger]
    if getattr(annotator, "relative", False) and any(_decodes(wanted[key], annotator) for key in missing):
        missing = list(wanted)
    for said in annotator.annotate(_decoded((wanted[key] for key in missing), annotator, failed)):
        ledger.append(said)
        yield said


def key_of(clip: Clip) -> str:
    """What a clip's annotations are known by: the sha256 of its bytes, or its path where it cannot be read."""
    return clip.sha256 or clip.path


def fill_in(clip: Clip, annotations: Iterable[Annotation]) -> Clip:
    """The clip with its blanks filled: the tags of all, a transcript where it has none, each tag's words by time.

    The tags of an annotator take the place of those that it gave before, in whatever revision. A word belongs to the
    tags that hold its middle.
    """
    said = list(annotations)
    again = {one.annotator.split("@")[0] for one in said}
    tags = [tag for tag in clip.tags if tag.source.split("@")[0] not in again]
    tags += [tag for one in said for tag in one.tags]
    words = sorted(next((one.words for one in said if one.words), ()), key=lambda word: word.start)
    transcripts = (one.transcript for one in said if one.transcript is not None)
    return dataclasses.replace(
        clip,
        tags=tuple(_with_words(tag, words) for tag in tags),
        transcript=clip.transcript if clip.transcript is not None else next(transcripts, None),
    )


def _with_words(tag: Tag, words: Sequence[Word]) -> Tag:
    inside = [word.text for word in words if tag.start <= (word.start + word.end) / 2 < tag.end]
    return dataclasses.replace(tag, text=" ".join(inside)) if inside and tag.text is None else tag


def _decodes(clip: Clip, annotator: Annotator) -> bool:
    return any(True for _ in _decoded([clip], annotator, lambda clip, error: None))


def _decoded(
    clips: Iterable[Clip], annotator: Annotator, failed: Callable[[Clip, BadClip], None] | None
) -> Iterator[Heard]:
    rate = getattr(annotator, "sampling_rate", 16000)
    for clip in clips:
        try:
            heard = load(Sound(clip), rate)
        except BadClip as error:
            if failed is None:
                raise
            failed(clip, error)
            continue
        yield heard


def load_annotator(spec: str, options: Mapping[str, str] | None = None) -> Annotator:
    """The annotator that `spec` names, with its options.

    Raises UsageError for a spec that is none, or an option that the annotator does not have.
    """
    name, argument = _split(spec)
    part, given = parts.find("annotators", name), dict(options or {})
    if argument is not None:
        given = {_first_option(part, spec): argument, **given}
    annotator = parts.build(part, given)
    if not callable(getattr(annotator, "annotate", None)):
        raise UserError(f"{spec} has no method annotate(sounds)")
    return cast(Annotator, annotator)


def load_recogniser(spec: str, options: Mapping[str, str] | None = None) -> Annotator:
    """The annotator that gives transcripts: any annotator's spec, or a speech-recognition checkpoint's path or Hub id.

    >>> load_recogniser("openai/whisper-large-v3").name
    'openai/whisper-large-v3'
    """
    return load_annotator(spec if _named(spec) else f"asr/{spec}", options)


def options_of(spec: str, *, recogniser: bool = False) -> frozenset[str]:
    """The names of the options that an annotator's spec, or a recogniser's, takes.

    >>> sorted(options_of("acoustic"))
    ['context', 'hop', 'speech', 'window']
    """
    part = parts.find("annotators", _split(spec if not recogniser or _named(spec) else f"asr/{spec}")[0])
    fields = dataclasses.fields(part) if dataclasses.is_dataclass(part) else ()
    return frozenset(field.name for field in fields if field.init)


def _split(spec: str) -> tuple[str, str | None]:
    """The part's name, and what is behind it."""
    found = re.fullmatch(r"([\w-]+)[/:](.+)", spec, re.DOTALL)
    return (found[1], found[2]) if found else (spec, None)


def _named(spec: str) -> bool:
    """Whether a recogniser's spec names an annotator, and not a checkpoint."""
    name = re.split("[/:]", spec, maxsplit=1)[0]
    known = {name, name.replace("-", "_")} & set(parts.names("annotators")) and not spec.startswith((".", "/", "~"))
    return bool(known) or re.search(r"\.py(:|$)", spec) is not None


def _first_option(part: Any, spec: str) -> str:
    names = [field.name for field in dataclasses.fields(part) if field.init] if dataclasses.is_dataclass(part) else []
    if not names:
        raise UsageError("this annotator takes nothing after its name:", value=spec)
    return names[0]
