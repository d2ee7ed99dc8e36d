"""What people gave: their ratings from files. How far they agree is said by `people`.

    ratings = read_humans([Path("ratings-ada.csv"), Path("ratings-ben.jsonl")], key=Path("sample.json"))

A file is CSV (with a head; commas, semicolons or tabs) or JSONL. What the rating page saves has blinded ids, which the
sample's key turns into items and systems:

    sample, id, annotator, score, cannot_tell, comment, saw_reference

Ratings obtained elsewhere name them:

    item_id, system, annotator, score            and, where known, task, comment

`score` is a whole number from 0 to 5, or nothing (empty, null): the rater could not tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.judges.validity.sample import KEY, Drawn, Sample, load_key

SCALE = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
NOTHING = frozenset({"", "na", "n/a", "nan", "none", "null", "cannot tell", "x"})
FLAGS = {"true": True, "1": True, "false": False, "0": False}

Answer = tuple[str, str, str]  # task, item id, system
Strip = Mapping[str, Any]


@dataclass(frozen=True)
class HumanRating:
    """What one person gave to one answer."""

    item_id: str
    task: str  # "": the file does not say, and nothing that was known does
    system: str
    annotator: str
    score: float | None  # 0 to 5 as given; None: the rater could not tell, or left it out
    comment: str = ""
    saw_reference: bool | None = None  # before or after rating; None: not recorded

    @property
    def points(self) -> float | None:
        """The score on the scale of a judgement, 0 to 100."""
        return None if self.score is None else 100 * self.score / SCALE[-1]

    @property
    def answer(self) -> Answer:
        return self.task, self.item_id, self.system


def read_humans(
    paths: Path | Sequence[Path], *, key: Path | None = None, known: Collection[Answer] | None = None
) -> tuple[HumanRating, ...]:
    """Read the ratings of one or several files, in their order.

    `key`: the sample.json of blinded ratings; None: the one beside each file, if it is needed. `known`: the answers
    (task, item id, system) that may be rated; with them, tasks that a file leaves out are filled in.

    Raises UserError, with file and line, for a file or line that cannot be read, an id that the key or `known` does not
    have, an answer that an annotator rates twice, a score off the scale, and a key of another sample.
    """
    files = [paths] if isinstance(paths, Path) else list(paths)
    if not files:
        raise UserError("no file of ratings", mend="--humans FILE")
    sample = None if key is None else load_key(key)
    index = None if known is None else _Known(known)
    found: dict[tuple[Answer, str], tuple[HumanRating, str]] = {}
    for path in files:
        for where, row in _rows(path):
            if "id" in row and sample is None:
                sample = _beside(path)
            rating = _rating(row, where, sample)
            rating = rating if index is None else index.placed(rating, where)
            if (before := found.get((rating.answer, rating.annotator))) is not None:
                raise UserError(
                    f"{where}: {rating.annotator} has rated {_named(rating)} already ({before[1]})",
                    mend="each file once, as CSV or as JSONL; another annotator's name, if it was another person",
                )
            found[rating.answer, rating.annotator] = rating, where
    if not found:
        raise UserError(f"no ratings in {', '.join(map(str, files))}", mend="rate, then download the file again")
    return tuple(rating for rating, _ in found.values())


class _Known:
    """The answers that may be rated, to hold a rating against."""

    def __init__(self, answers: Collection[Answer]) -> None:
        self.answers = frozenset(answers)
        self.tasks: dict[tuple[str, str], list[str]] = {}
        for task, item, system in sorted(self.answers):
            self.tasks.setdefault((item, system), []).append(task)

    def placed(self, rating: HumanRating, where: str) -> HumanRating:
        """The rating with its task; UserError for one of an answer that is not known."""
        if rating.answer in self.answers:
            return rating
        tasks = self.tasks.get((rating.item_id, rating.system), [])
        if not rating.task and len(tasks) == 1:
            return dataclasses.replace(rating, task=tasks[0])
        if not rating.task and tasks:
            raise UserError(f"{where}: item {rating.item_id!r} is in {', '.join(tasks)}", mend="a column `task`")
        systems = sorted({system for _, _, system in self.answers})
        if rating.system not in systems:
            raise UserError(f"{where}: unknown system", value=rating.system, allowed=systems)
        raise UserError(
            f"{where}: {rating.system} has no answer to the item", value="/".join(filter(None, rating.answer[:2])),
            mend="ratings of the runs that are validated",
        )  # fmt: skip


def _rows(path: Path) -> Iterator[tuple[str, Strip]]:
    """Each rating of a file with its place, "file:line"."""
    import json

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}", mend="a CSV or JSONL file in UTF-8") from None
    if path.suffix.lower() in (".jsonl", ".ndjson") or text.lstrip().startswith("{"):
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{path}:{number}: not JSON: {error}", mend="one object a line") from None
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}: not an object:", value=line.strip()[:60], mend="one object a line")
            yield f"{path}:{number}", row
    else:
        yield from _table(path, text)


def _table(path: Path, text: str) -> Iterator[tuple[str, Strip]]:
    """The rows of a CSV file; spreadsheets of some languages write semicolons, or tabs."""
    import csv
    import io

    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    names: list[str] = []
    try:
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if not names:
                names = [name.strip().lower() for name in row]
            elif any(value.strip() for value in row):
                if len(row) != len(names):
                    raise UserError(f"{where}: {len(row)} values under {len(names)} names", mend="the file as saved")
                yield where, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not CSV: {error}", mend="the file as it was saved") from None


def _rating(row: Strip, where: str, sample: Sample | None) -> HumanRating:
    """One line as a rating, blinded or not."""
    annotator = _word(row, "annotator", where)
    score, comment = _score(row, where), str(row.get("comment") or "")
    saw = _flag(row.get("saw_reference"))
    if "id" not in row:
        item, system, task = _word(row, "item_id", where), _word(row, "system", where), str(row.get("task") or "")
        return HumanRating(item, task.strip(), system, annotator, score, comment, saw)
    if sample is None:
        raise UserError(f"{where}: a blinded id, and no key", mend=f"the sample's {KEY}, beside the file")
    drawn = _unblinded(_word(row, "id", where), str(row.get("sample") or sample.id), where, sample)
    return HumanRating(drawn.item_id, drawn.task, drawn.system, annotator, score, comment, saw)


def _unblinded(blind: str, of: str, where: str, sample: Sample) -> Drawn:
    if of != sample.id:
        raise UserError(f"{where}: of sample {of}, and the key is of {sample.id}", mend=f"the {KEY} of that sample")
    if (drawn := next((one for one in sample.drawn if one.id == blind), None)) is None:
        raise UserError(f"{where}: sample {sample.id} has no answer", value=blind, mend="the file as it was saved")
    return drawn


def _score(row: Strip, where: str) -> float | None:
    """The score as it was given; None for none."""
    if "score" not in row:
        raise UserError(f"{where}: no score", mend="a column `score`: 0 to 5, or empty")
    given = row["score"]
    if given is None or str(given).strip().lower() in NOTHING:
        return None
    try:
        score = float("nan") if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        score = float("nan")
    if score not in SCALE:
        raise UserError(
            f"{where}: off the scale, the score",
            value=given,
            mend="a whole number from 0 to 5, or nothing: cannot tell",
        )
    return score


def _word(row: Strip, name: str, where: str) -> str:
    """What a line must name."""
    value = row.get(name)
    if value is None or not str(value).strip():
        mend = f"columns {', '.join(_needed(row))}"
        raise UserError(f"{where}: no {name}", mend=mend)
    return str(value).strip()


def _needed(row: Strip) -> Iterable[str]:
    blinded = ("sample", "id", "annotator", "score")
    return blinded if "id" in row else ("item_id", "system", "annotator", "score")


def _flag(value: object) -> bool | None:
    return FLAGS.get(str(value).strip().lower())


def _beside(path: Path) -> Sample:
    """The key that lies beside a file of blinded ratings."""
    if not (path.parent / KEY).is_file():
        raise UserError(
            f"{path} holds blinded ids, and there is no {KEY} beside it",
            mend=f"the {KEY} that cpbench judge sample wrote, put beside the file",
        )
    return load_key(path.parent / KEY)


def _named(rating: HumanRating) -> str:
    return f"{'/'.join(filter(None, rating.answer[:2]))} of {rating.system}"
