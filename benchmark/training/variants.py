"""What each variant of the source paper is trained on (DESIGN §5): which rows, asked under which condition.

| variant | rows | asked with |
|---|---|---|
| baseline | those that nobody generated (`origin.generator` is not given) | the audio |
| implicit | all: also the QA pairs that were generated from transcript and annotation | the audio |
| explicit | the baseline's | the audio, and time-stamped emotion tags in the prompt |
| combined | all | the audio and the tags |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpbench.conditions import present
from cpbench.errors import UserError
from cpbench.formats import read_any
from cpbench.records import Clip, Item, Setting
from cpbench.training.config import TAGGED, UNTYPED, Evaluation, Stage, TrainConfig, Variant
from cpbench.training.rows import Pack, packs

HELD_OUT = frozenset({"dev", "validation", "valid", "val", "eval"})


@dataclass(frozen=True)
class Material:
    """The items of a training: those that are learned from, and those that are only asked."""

    train: tuple[Item, ...]
    held_out: tuple[Item, ...]


def material(config: TrainConfig) -> Material:
    """Read the data files and take the variant's rows of their training part, and their held-out part.

    Raises UserError for data without a training part or without the variant's rows, for audio that is not there, and
    for a clip or a speaker that is both trained and evaluated on.
    """
    items = list(_read(config.data))
    train = [item for item in items if item.split == "train"]
    if not train:
        raise UserError(f"no training items in {', '.join(config.data)}", mend='lines with "split": "train"')
    train = rows_of(config.variant, train)
    held_out = [item for item in items if item.split in HELD_OUT]
    held_out += _asked_only(_read(config.evaluation.data, taken=config.data), config.evaluation)
    _check_audio([*train, *held_out])
    _check_apart(train, held_out, shared_speakers=config.shared_speakers)
    return Material(tuple(train), tuple(rows_of(config.variant, held_out, strict=False)))


def rows_of(variant: Variant, items: Sequence[Item], *, strict: bool = True) -> list[Item]:
    """The variant's rows. `strict`: raise UserError where there are none, or none that make it what it is."""
    plain = [item for item in items if not item.origin.get("generator")]
    if variant in ("baseline", "explicit"):
        if strict and not plain:
            raise UserError(
                f"all {len(items)} training rows were generated: none is left for the {variant} variant",
                mend="--variant implicit; or data with rows that have no generator",
            )
        return plain
    if strict and variant == "implicit" and len(plain) == len(items):
        raise UserError(
            f"none of the {len(items)} training rows was generated from annotation, so implicit would be the baseline",
            mend="cpbench data generate, for such rows; or --variant baseline",
        )
    return list(items)


def asked(items: Sequence[Item], stage: Stage, config: TrainConfig, setting: Setting) -> list[Pack]:
    """A stage's packs; none for an optional stage without items.

    Raises UserError for a stage that has nothing to learn, and where a tagged variant has items without tags.
    """
    here = [item for item in items if stage.data is None or item.task in stage.data]
    chosen = [item for item in here if stage.types is None or (item.type or UNTYPED) in stage.types]
    if not chosen and stage.optional:
        return []
    if not chosen:
        raise UserError(f"stage {stage.name!r} has nothing to learn: no training item is of type", value=stage.types)
    return packs(chosen, stage.conditions or config.asked, setting, config.seed, config.mix)


def loss_weights(made: Iterable[Pack], config: TrainConfig) -> Mapping[str, float]:
    """What an answer of each type counts in the loss; with `balance: types`, every type counts alike in all."""
    if config.balance == "none":
        return config.weights
    counts = Counter(row.type or UNTYPED for pack in made for row in pack.rows)
    even = sum(counts.values()) / max(1, len(counts))
    return {kind: even / count * config.weights.get(kind, 1.0) for kind, count in counts.items()}


def main_condition(config: TrainConfig) -> str:
    """The condition that a checkpoint is made for: the one it was asked under most in its last stage."""
    often = config.stages[-1].conditions or config.asked
    return max(often, key=lambda condition: often[condition])


def without_tags(items: Sequence[Item], config: TrainConfig) -> int:
    """How many items a tagged variant leaves out, for want of tags from its source.

    Raises UserError, before anything is loaded, where none has any.
    """
    if config.variant not in TAGGED or config.conditions is not None:
        return 0
    return len(items) - len(present(items, f"tags:{config.tags}", Setting(config.seed, config.tag_template)))


def _read(files: Sequence[str], taken: Sequence[str] = ()) -> Iterator[Item]:
    """The items of all files; of two files with one name, the later is another task, for ids are unique in a task."""
    seen = Counter(Path(path).stem for path in taken)
    for path in files:
        stem = Path(path).stem
        seen[stem] += 1
        try:
            yield from read_any(path, task=stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
        except UserError as error:
            if path not in str(error):  # a row's own complaint: of several files, which
                error.what = f"{path}: {error.what}"
            raise


def _asked_only(items: Iterable[Item], evaluation: Evaluation) -> list[Item]:
    """Of a file named for evaluation: what is not its training part; all, where all is called so."""
    found = list(items)
    return [item for item in found if item.split != "train"] or found


def _check_audio(items: Sequence[Item]) -> None:
    clips = {clip.path: clip for item in items for clip in item.clips}
    if missing := sorted(path for path, clip in clips.items() if clip.sha256 is None):
        raise UserError(
            f"{len(missing)} of {len(clips)} audio files are not there, the first being",
            value=missing[0],
            mend="paths relative to the folder of the data file; or take those lines out",
        )


def _check_apart(train: Sequence[Item], held_out: Sequence[Item], *, shared_speakers: bool) -> None:
    learned, asked_of = _clips(train), _clips(held_out)
    both = {clip.sha256 for clip in learned} & {clip.sha256 for clip in asked_of}
    if both:
        first = next(clip.path for clip in asked_of if clip.sha256 in both)
        raise UserError(f"{len(both)} clips are both trained and evaluated on, the first being", value=first)
    speakers = {clip.speaker for clip in learned} & {clip.speaker for clip in asked_of} - {None}
    if speakers and not shared_speakers:
        raise UserError(
            f"{len(speakers)} speakers are in two splits, so the evaluation would measure their voices, among them",
            value=min(map(str, speakers)),
            mend="split by speaker; or --set shared_speakers=true",
        )


def _clips(items: Sequence[Item]) -> list[Clip]:
    return [clip for item in items for clip in item.clips]
