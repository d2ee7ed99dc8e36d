"""`cpbench data generate`: from clips with words and tags to questions with answers, in the data line.

    clips ─► pairs (baseline facts; templates, or a model's, from its ledger) ─► filters ─► check ─► split ─► lines

What a model writes goes into `FILE.written.jsonl`, and what it says in a check into `FILE.checked.jsonl`, as it comes;
the lines are made from there as a whole at the end. So a killed start loses nothing, a second one pays for nothing, and
another filter, seed of the split or license costs no call. One clip at a time is in memory.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from cpbench import formats
from cpbench.chat import Chat
from cpbench.chat.prices import Tally
from cpbench.data.datasheet import Datasheet, Sheet, write_datasheet
from cpbench.data.filters import Sieve
from cpbench.data.generate_check import Checked, Checker, check_key, to_check
from cpbench.data.generate_llm import Writer, Writing, Written
from cpbench.data.generate_pairs import Known, Material, Pair, look_over
from cpbench.data.generate_plan import Generating, Model, Plan
from cpbench.data.splits import Split, split
from cpbench.data.templates import GENERATOR, baseline, by_templates
from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.flow.ledger import Keyed, Ledger
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watching
from cpbench.formats.clips import read_clips
from cpbench.records import QTYPES, Clip, Item, QType

__all__ = ["Generating", "Model", "Plan", "generate", "price"]

MOST_REPEATS = 50  # of a model's question with the same answer, in the whole set
IN_TRANSCRIPT = "answered from the transcript"
W = TypeVar("W")
R = TypeVar("R", bound=Keyed)


def generate(work: Generating, watching: Watching | None = None) -> Datasheet:
    """Make the questions, write them with their datasheet, and return that.

    Raises UserError for clips that nothing can be asked of, for a split that cannot be, and where a limit or the
    provider stops the work; Stopped where `watching.stop` does. What was paid for stands, and the same call goes on.
    """
    watching = watching or Watching()
    made = _Making(work, _looked_over(work), _split(work), watching)
    with ExitStack() as stack:
        if work.writer is not None and work.writing is not None:
            stack.enter_context(made.written)
            made.write(work.writer, work.writing)
        if work.checker is not None:
            stack.enter_context(made.checked)
            made.check(work.checker)
        sheet = Sheet(work.out, made.clips())
        formats.write("line", sheet.counted(made.items(sheet.sieve)), work.out)
    made.finish(sheet)
    datasheet = sheet.done()
    write_datasheet(datasheet, work.beside("datasheet"))
    return datasheet


def price(work: Generating) -> Tally:
    """What the calls would take that are still to be made: tokens and, with prices, money. Nothing is sent."""
    tally = Tally()
    made = _Making(work, _looked_over(work), None, Watching())
    if work.writer is not None and work.writing is not None:
        chat = work.writer.paying.counting(tally)(work.writer.chat())
        deque(Writer(work.writing, chat, made.known).write(made.unwritten(work.writing)), maxlen=0)
    if work.checker is not None:
        checker = Checker(work.checker.paying.counting(tally)(work.checker.chat()), work.checker.spec)
        deque(checker.check(made.unchecked(work.checker.spec)), maxlen=0)
    return tally


@dataclass
class _Making:
    """The work in hand."""

    work: Generating
    known: Known
    split: Split | None
    watching: Watching

    @cached_property
    def written(self) -> Ledger[Written]:
        return Ledger(self.work.beside("written.jsonl"), Written, again=lambda one: one.unpaid)

    @cached_property
    def checked(self) -> Ledger[Checked]:
        return Ledger(self.work.beside("checked.jsonl"), Checked, again=lambda one: one.unpaid)

    def clips(self) -> Iterator[Clip]:
        """The clips that can be read, each once."""
        return _distinct(self.work.clips)

    def askable(self) -> Iterator[Material]:
        """The clips that a model can write about: with words and with tags, and in some part."""
        for clip in self.clips():
            if (clip.transcript or "").strip() and clip.tags and self.part(clip) is not None:
                yield Material(clip)

    def part(self, clip: Clip) -> str | None:
        """The part that a clip belongs to; None: it is left out."""
        return "train" if self.split is None else self.split.part(clip)

    def unwritten(self, writing: Writing) -> Iterator[Material]:
        return (each for each in self.askable() if writing.key(each, self.known) not in self.written)

    def unchecked(self, model: str) -> Iterator[Item]:
        """The items that are to be checked and are not, each question once."""
        asked = set[str]()
        for item in self.items(Sieve(), check=False):
            key = check_key(model, item)
            if to_check(item) and key not in self.checked and key not in asked:
                asked.add(key)
                yield item

    def write(self, model: Model, writing: Writing) -> None:
        """Have the model write what it has not written."""
        left = sum(1 for _ in self.unwritten(writing))
        if left:
            self.watching.watch.stage(f"questions by {model.spec}", total=left)
            writer = Writer(writing, self._paid(model, "written.batches"), self.known)
            self._fill(self.written, writer.write(self._until_stopped(self.unwritten(writing))))

    def check(self, model: Model) -> None:
        """Have the checker answer what it has not answered."""
        left = sum(1 for _ in self.unchecked(model.spec))
        if left:
            self.watching.watch.stage(f"check by {model.spec}", total=left)
            checker = Checker(self._paid(model, "checked.batches"), model.spec)
            self._fill(self.checked, checker.check(self._until_stopped(self.unchecked(model.spec))))

    def items(self, sieve: Sieve, *, check: bool = True) -> Iterator[Item]:
        """The items that pass the filters (and the check), in the clips' order, each in its part."""
        sieve.most = self.most_repeats
        for clip in self.clips():
            if (part := self.part(clip)) is not None:
                for item in sieve.sift(self._items_of(Material(clip), part)):
                    if check and self._answered(item):
                        sieve.drop(item, IN_TRANSCRIPT)
                    else:
                        yield item

    @property
    def most_repeats(self) -> int | None:
        """Templates repeat themselves by design; a model should not."""
        given = self.work.plan.most_repeats
        return given if given is not None or self.work.writer is None else MOST_REPEATS

    def finish(self, sheet: Sheet) -> None:
        """Say on the datasheet what the questions were made with, and what was lost on the way."""
        work, plan = self.work, self.work.plan
        sheet.settings = {
            "types": list(work.types),
            "per_clip": plan.per_clip,
            "seed": plan.seed,
            "split": dict(plan.parts),
            "split_by": plan.split_by if plan.parts else None,
            "generator": GENERATOR if work.writer is None else work.writer.spec,
            "checked_by": None if work.checker is None else work.checker.spec,
        }
        if work.writing is not None:
            sheet.settings |= {"prompt": work.writing.prompt.name, "prompt_hash": work.writing.prompt_hash}
            keys = (work.writing.key(each, self.known) for each in self.askable())
            sheet.add_written(self.written.get(key) for key in keys)
        if work.checker is not None:
            sheet.add_checked(self.checked)
        if self.split is not None:
            sheet.remarks += self.split.remarks(plan.parts)

    def _paid(self, model: Model, batches: str) -> Chat:
        wrap = model.paying.wrap(self.work.beside(batches), self.watching.watch.say)
        return wrap(model.chat())

    def _until_stopped(self, work: Iterable[W]) -> Iterator[W]:
        return takewhile(lambda _: not self.watching.stop(), work)

    def _fill(self, ledger: Ledger[R], found: Iterable[R]) -> None:
        for record in found:
            ledger.append(record)
            self.watching.watch.advance()
        if self.watching.stop():
            raise Stopped("stopped; what was paid for stands, and the same command goes on")

    def _items_of(self, material: Material, part: str) -> Iterator[Item]:
        plan = self.work.plan
        facts = baseline(material, self.known, plan.seed) if plan.baseline else iter(())
        for generator, pair in [*((None, pair) for pair in facts), *self._generated(material)]:
            yield _item(material, pair, _origin(material, generator, self.work), self.work, part)

    def _generated(self, material: Material) -> list[tuple[str | None, Pair]]:
        work = self.work
        if work.writing is None:
            pairs = by_templates(material, self.known, work.types, work.plan.seed)[: work.plan.per_clip]
            return [(GENERATOR, pair) for pair in pairs]
        written = self.written.get(work.writing.key(material, self.known))
        return [] if written is None else [(work.writing.model, pair) for pair in written.pairs]

    def _answered(self, item: Item) -> bool:
        if self.work.checker is None or not to_check(item):
            return False
        found = self.checked.get(check_key(self.work.checker.spec, item))
        return found is not None and found.answered


def _looked_over(work: Generating) -> Known:
    """The set's labels and words. Raises UserError for clips that nothing can be asked of."""
    work.types  # noqa: B018  a wrong type is told before anything is read
    work.writing  # noqa: B018  and so is a wrong prompt
    lacks = Counter[str]()
    for clip in _distinct(work.clips):
        lacks["clips"] += 1
        lacks["words"] += bool((clip.transcript or "").strip())
        lacks["tags"] += bool(clip.tags)
        lacks["both"] += bool((clip.transcript or "").strip() and clip.tags)
    annotate = f"cpbench data annotate {work.clips} --out clips.jsonl"
    if not lacks["clips"]:
        raise UserError("none of these clips' files could be read when they were listed:", value=str(work.clips))
    if not lacks["words"] and not lacks["tags"]:
        raise UserError(
            f"{lacks['clips']} clips, and none has a transcript or tags:", value=str(work.clips), mend=annotate
        )
    if work.writer is not None and not lacks["both"]:
        what = "a model writes from words and tags together, and no clip has both:"
        raise UserError(what, value=f"{lacks['words']} with words, {lacks['tags']} with tags", mend=annotate)
    return look_over(_distinct(work.clips))


def _split(work: Generating) -> Split | None:
    plan = work.plan
    return split(_distinct(work.clips), plan.parts, by=plan.split_by, seed=plan.seed) if plan.parts else None


def _distinct(path: Path) -> Iterator[Clip]:
    """The clips of a file whose bytes could be read, each once."""
    seen = set[str]()
    for clip in read_clips(path):
        if clip.sha256 is not None and clip.sha256 not in seen:
            seen.add(clip.sha256)
            yield clip


def _origin(material: Material, generator: str | None, work: Generating) -> dict[str, str]:
    hashed = work.writing.prompt_hash if generator is not None and work.writing is not None else None
    known = {
        "annotator": material.annotators or None,
        "generator": generator,
        "prompt_hash": hashed,
        "license": work.plan.license,
    }
    return {key: value for key, value in known.items() if value is not None}


def _item(material: Material, pair: Pair, origin: dict[str, str], work: Generating, part: str) -> Item:
    clip = material.clip
    kind: QType | None = next((known for known in QTYPES if known == pair.type), None)
    return Item(
        digest(clip.sha256, pair.type, pair.question, pair.answer, origin.get("generator"))[:16],
        work.out.stem,
        (clip,),
        pair.question,
        (pair.answer,),
        language=None if pair.type is None else work.plan.language,  # what is said stands in the clip's own language
        type=kind,
        label=pair.label,
        options=pair.options,
        split=part,
        origin=origin,
    )
