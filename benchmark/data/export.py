"""`cpbench data export`: a file of questions in another training tool's layout, as one of the paper's variants."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from cpbench import formats
from cpbench.conditions import present, tags_of
from cpbench.errors import UsageError, UserError
from cpbench.records import Item, Setting

Variant = Literal["baseline", "implicit", "explicit", "combined"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
"""baseline: rows that nothing generated; implicit: all; explicit and combined: these two with tags in the prompt."""
SUFFIX = {"swift": "jsonl", "llamafactory": "jsonl", "axolotl": "jsonl", "nemo": "json"}
"""The tools, and how their data files end."""
_AT_ONCE = 512  # items that a condition words together


@dataclass(frozen=True)
class Exported:
    """The files, and what is in them."""

    files: tuple[Path, ...]
    questions: dict[str, int]  # part -> rows
    tags: str | None  # whose tags stand in the prompts
    untagged: int = 0  # rows left out for want of tags


def export(
    data: Path,
    tool: str,
    out: Path,
    *,
    variant: Variant = "implicit",
    tags: str | None = None,
    template: str | None = None,
) -> Exported:
    """Write every part of `data` (train, dev, ...) as its own file `NAME_PART` in `out`, one row at a time.

    `tags`: whose, for the variants with tags; None: the only annotator with emotions that there is. Rows without them
    are left out. `template`: how tags and question are put together, None: as in `cpbench run`.
    Raises UsageError for an unknown tool, UserError where a variant has no rows or an annotator has to be named.
    """
    if tool not in SUFFIX:
        raise UsageError("no such training tool", value=tool, allowed=SUFFIX)
    parts, sources = _parts(data, variant)
    if not parts:
        raise UserError(f"{data} has no rows for the variant", value=variant, mend="--variant implicit")
    tagged = variant in ("explicit", "combined")
    whose = (tags or _only(sources)) if tagged else None
    files, questions, lost = [], {}, 0
    for part in parts:
        rows = _Rows(variant, part, whose, template)
        files.append(out / f"{data.stem}_{part}.{SUFFIX[tool]}")
        formats.write(tool, rows.of(formats.read_any(data, task=data.stem)), files[-1])
        questions[part], lost = rows.written, lost + rows.untagged
        if not rows.written:
            raise UserError(f"no row of the part {part} has tags from", value=whose, allowed=sources)
    return Exported(tuple(files), questions, whose, lost)


@dataclass
class _Rows:
    """The rows of one part as a variant has them."""

    variant: Variant
    part: str
    tags: str | None
    template: str | None
    written: int = 0
    untagged: int = 0

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        chosen = (item for item in items if item.split == self.part and _belongs(item, self.variant))
        while batch := list(islice(chosen, _AT_ONCE)):
            worded = list(self._worded(batch))
            self.written += len(worded)
            yield from worded

    def _worded(self, batch: list[Item]) -> Iterator[Item]:
        """The items, each with the whole prompt as its question: what another tool is to show its model."""
        condition, known = "audio", batch
        if self.tags is not None:
            condition = f"tags:{self.tags}"
            known = [item for item in batch if any(tags_of(clip, [self.tags]) for clip in item.clips)]
            self.untagged += len(batch) - len(known)
        if known:
            setting = Setting(tag_template=self.template)
            for item, request in zip(known, present(known, condition, setting), strict=True):
                yield dataclasses.replace(item, question=request.text)


def _belongs(item: Item, variant: Variant) -> bool:
    return variant in ("implicit", "combined") or "generator" not in item.origin


def _parts(data: Path, variant: Variant) -> tuple[list[str], list[str]]:
    """The parts that have rows, and the annotators of emotions."""
    parts, sources = Counter[str](), Counter[str]()
    for item in formats.read_any(data, task=data.stem):
        if _belongs(item, variant):
            parts[item.split] += 1
            sources.update({tag.source for clip in item.clips for tag in clip.tags if tag.emotion})
    return list(parts), [name for name, _ in sources.most_common()]


def _only(sources: list[str]) -> str:
    if not sources:
        raise UserError("no row has tags that could stand in a prompt", mend="cpbench data annotate")
    if len(sources) > 1:
        raise UserError("whose tags? The rows have those of", value=", ".join(sources), mend=f"--tags {sources[0]}")
    return sources[0]
