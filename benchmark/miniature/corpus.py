"""The miniature's data: synthetic speech, and the questions that each system is taught.

base/speech.jsonl    the words of every clip, and what is said: the base's ears and its way to its language model
base/text.jsonl      what is said and by whom, and what words of feeling mean: asked of transcripts, without sound
base/tagged.jsonl    emotions, asked of transcripts with tags: a language model can read what stands in its prompt
variants.jsonl       what the variants learn from; `generator` is null for the baseline's questions
shuffled.jsonl       the same, with the emotions dealt out among the clips: the control that should learn nothing
held_out.jsonl       other voices, other sentences: what every system is asked
conflict.jsonl       held-out voices speak words of feeling in the manner of another emotion
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpbench import formats
from cpbench.data.synth import Sizes, build
from cpbench.data.synth.feelings import Conflict, conflicts
from cpbench.data.synth.voices import EMOTIONS, voices
from cpbench.records import Clip, Item

BASELINE_TYPES = (None, "DE", "DG")  # the source paper's S10: speech recognition, gender and emotion questions
DIRECT = "templates: direct"  # its PQA*: written without contextual reasoning
CONTEXTUAL = "templates: contextual"  # its CPQA
_CONTEXTUAL_TYPES = ("CE", "CG", "CS")


@dataclass(frozen=True)
class Scale:
    """How much is spoken."""

    single: int = 700  # clips of one sentence
    double: int = 1100  # of two
    feelings: int = 300  # of words of feeling, to be recognised
    asked_single: int = 60  # held-out clips of one sentence
    asked_double: int = 140  # of two
    conflicts: int = 120  # by held-out voices, to be asked
    seed: int = 0


@dataclass(frozen=True)
class Corpus:
    """Files of items."""

    base: tuple[Path, Path, Path]
    variants: Path
    shuffled: Path
    held_out: Path
    conflict: Path


def make(folder: Path, scale: Scale) -> Corpus:
    """Speak the corpus into `folder`, or find it there; the same questions every time.

    Raises UserError where espeak-ng is missing.
    """
    names = ("base/speech.jsonl", "base/text.jsonl", "base/tagged.jsonl")
    corpus = Corpus(
        (folder / names[0], folder / names[1], folder / names[2]),
        *(folder / f"{name}.jsonl" for name in ("variants", "shuffled", "held_out", "conflict")),
    )
    if (whole := folder / "whole").exists():
        return corpus
    sizes = Sizes(scale.single, 1, scale.double, 1)
    (path,) = build("train", folder / "train", seed=scale.seed, sizes=sizes)
    items = [taught(item) for item in formats.read("items", path, task="train")]
    spoken = list(conflicts("train", folder / "feelings", count=scale.feelings, seed=scale.seed))
    others = Sizes(scale.asked_single, 1, scale.asked_double, 1)
    path, _ = build("demo", folder / "held_out", seed=scale.seed + 1, sizes=others)
    formats.write("items", formats.read("items", path, task="held_out"), corpus.held_out)
    asked = conflicts("demo", folder / "conflict", count=scale.conflicts, seed=scale.seed)
    formats.write("items", items, corpus.variants)
    formats.write("items", shuffled(items, seed=scale.seed), corpus.shuffled)
    formats.write("items", [in_conflict(one) for one in asked], corpus.conflict)
    words = [*(item for item in items if item.type is None), *(recognised(one) for one in spoken)]
    content = [item for item in items if item.type == "C"]
    formats.write("items", [*words, *content], corpus.base[0])
    written = [in_a_screenplay(item) for item in items]
    formats.write("items", [*written, *(in_words(one) for one in spoken)], corpus.base[1])
    formats.write("items", [item for item in items if item.type in ("DE", "CE")], corpus.base[2])
    whole.touch()
    return corpus


def taught(item: Item) -> Item:
    """An item with who wrote it: nobody, for the baseline's kinds of question."""
    if item.type in BASELINE_TYPES:
        return item
    writer = CONTEXTUAL if item.type in _CONTEXTUAL_TYPES else DIRECT
    return dataclasses.replace(item, origin={**item.origin, "generator": writer})


def without(items: Iterable[Item], writer: str) -> list[Item]:
    """The items that somebody else wrote."""
    return [item for item in items if item.origin.get("generator") != writer]


def shuffled(items: Sequence[Item], *, seed: int) -> list[Item]:
    """The items with the answers of all emotion questions dealt out anew within each type; the tags stay."""
    draw = random.Random(f"shuffled/{seed}")
    dealt: dict[tuple[str, str], Item] = {}
    for kind in ("DE", "CE"):
        mine = [item for item in items if item.type == kind]
        others = draw.sample(mine, len(mine))
        for item, other in zip(mine, others, strict=True):
            changed = dataclasses.replace(item, label=other.label, references=other.references)
            dealt[item.task, item.id] = changed
    return [dealt.get((item.task, item.id), item) for item in items]


def in_a_screenplay(item: Item) -> Item:
    """The item with a transcript that says who speaks, and how: "(female, anger) Anna lost the lamp. (the same ..."."""
    (clip,) = item.clips
    names = str(clip.speaker).split("+")
    lines = str(clip.transcript).rstrip(".").split(". ")
    parts = []
    for at, (line, tag) in enumerate(zip(lines, clip.tags, strict=True)):
        (feeling,) = tag.emotion
        again = at > 0 and len(names) == 1
        who = (
            f"the same {_GENDER[names[0]]}"
            if again
            else _GENDER[names[at]]
            if at == 0
            else f"another {_GENDER[names[at]]}"
        )
        parts.append(f"({who}, {feeling}) {line}.")
    return dataclasses.replace(item, clips=(dataclasses.replace(clip, transcript=" ".join(parts)),))


_GENDER = {voice.name: voice.gender for voice in voices("train")}


def recognised(spoken: Conflict) -> Item:
    """A clip with the question what is said."""
    clip = spoken.clip
    return Item(
        _id(clip, "words"), "train", (clip,), "What is said in this clip?", (str(clip.transcript),), split="train"
    )


def in_words(spoken: Conflict) -> Item:
    """How the speaker feels, as the words have it: to be asked of the transcript."""
    return _felt(spoken, spoken.feeling, "train")


def in_conflict(spoken: Conflict) -> Item:
    """How the speaker sounds, where the words name another feeling."""
    return dataclasses.replace(_felt(spoken, spoken.emotion, "test"), lure=spoken.feeling)


def _felt(spoken: Conflict, answer: str, split: str) -> Item:
    about = {"type": "DE", "label": answer, "options": tuple(EMOTIONS), "split": split}
    return Item(_id(spoken.clip, "felt"), "conflict", (spoken.clip,), spoken.question, (answer,), **about)  # type: ignore[arg-type]


def _id(clip: Clip, suffix: str) -> str:
    return f"{Path(clip.path).stem}-{suffix}"
