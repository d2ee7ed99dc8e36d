"""The door to the annotators: anything that says of a sound what words or what emotion it hears.

    load_annotator("asr/openai/whisper-large-v3", {"device": "cuda"}).annotate(sounds)

A spec is NAME, NAME/ARGUMENT or NAME:ARGUMENT, where NAME is a file of this folder or an entry point of the group
`cpbench.annotators`, and the argument its first option; or FILE.py:CLASS.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from cpbench import parts
from cpbench.audio import load
from cpbench.errors import UsageError, UserError
from cpbench.flow.ledger import Ledger
from cpbench.parts import Annotator
from cpbench.records import Annotation, Clip, Heard, Sound

__all__ = ["annotate", "load_annotator", "load_recogniser"]


def annotate(clips: Iterable[Clip], annotator: Annotator, ledger: Ledger[Annotation]) -> Iterator[Annotation]:
    """Annotate each distinct clip that the ledger does not hold yet, and yield each annotation once it is on disk.

    The ledger is one annotator's. Raises BadClip for a clip that cannot be decoded, and UserError for a ledger that
    holds what another annotator said.
    """
    if other := next((said.annotator for said in ledger if said.annotator != annotator.name), None):
        raise UserError(f"{ledger.path} holds what {other} said, not {annotator.name}", mend="another folder")
    rate = getattr(annotator, "sampling_rate", 16000)

    def sounds() -> Iterator[Heard]:
        asked: set[str] = set()
        for clip in clips:
            key = clip.sha256 or clip.path
            if key not in ledger and key not in asked:
                asked.add(key)
                yield load(Sound(clip), rate)

    for said in annotator.annotate(sounds()):
        ledger.append(said)
        yield said


def load_annotator(spec: str, options: Mapping[str, str] | None = None) -> Annotator:
    """The annotator that `spec` names, with its options.

    Raises UsageError for a spec that is none, or an option that the annotator does not have.
    """
    found = re.fullmatch(r"([\w-]+)[/:](.+)", spec, re.DOTALL)
    name, argument = (found[1], found[2]) if found else (spec, None)
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
    name = re.split("[/:]", spec, maxsplit=1)[0]
    known = {name, name.replace("-", "_")} & set(parts.names("annotators")) and not spec.startswith((".", "/", "~"))
    named = known or re.search(r"\.py(:|$)", spec) is not None
    return load_annotator(spec if named else f"asr/{spec}", options)


def _first_option(part: Any, spec: str) -> str:
    names = [field.name for field in dataclasses.fields(part) if field.init] if dataclasses.is_dataclass(part) else []
    if not names:
        raise UsageError("this annotator takes nothing after its name:", value=spec)
    return names[0]
