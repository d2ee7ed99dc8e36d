"""A pack: the ground on which judges are validated, the same for every judge and on every machine.

    pack/pack.json      seed, thresholds, tasks, systems, and the sha256 of the two files; its digest is the pack_id
         items.jsonl    the items, of each of which the label is known
         answers.jsonl  {system, prediction}, of every system to every item

The two files may lie there gzipped (`items.jsonl.gz`): a pack is what they say, and its id is the same. A clip that
comes with cpbench (the demo's) is named by its place in the package, so that it is found on every machine.

A pack is split by recording into two halves: `dev`, on which a judge's prompt may be improved, and `gate`, which is to
be looked at once.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

from cpbench.errors import UserError
from cpbench.fingerprint import digest, item_line
from cpbench.flow.ledger import adapter, write_whole
from cpbench.judges.validity.copies import echoes, not_counted
from cpbench.judges.validity.thresholds import Thresholds
from cpbench.metrics.classification import predicted
from cpbench.records import Item, Outcome, Prediction, Task
from cpbench.runfolder import Run, write_json

T = TypeVar("T")
Part = Literal["dev", "gate", "all"]
Key = tuple[str, str]  # task, item id
VERSION = 1
DEMO = "demo"
FILES = ("items.jsonl", "answers.jsonl")
PACKAGED = "cpbench.tasks:"  # in a clip's path: the folder of the packaged tasks, wherever it is installed


@dataclass(frozen=True)
class System:
    """One system whose answers a pack holds."""

    name: str
    model: str
    family: str
    kind: Literal["end_to_end", "cascade", "null"]
    condition: str
    why_not: str | None = None  # why it is shown and not counted; None: it counts

    @property
    def counted(self) -> bool:
        return self.why_not is None


@dataclass(frozen=True)
class Answered:
    """One line of answers.jsonl."""

    system: str
    prediction: Prediction


@dataclass(frozen=True)
class Pack:
    """Items with known labels, and several systems' answers to them."""

    items: tuple[Item, ...]
    systems: tuple[System, ...]
    answers: Mapping[str, Mapping[Key, Prediction]]  # system -> item -> answer
    tasks: tuple[Task, ...]
    seed: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)

    @cached_property
    def pack_id(self) -> str:
        """The digest of pack.json, which holds those of the other files."""
        return digest(_head(self, _lines(_portable(self.items)), _lines(_answered(self))))

    def part(self, part: Part) -> tuple[Item, ...]:
        """The items of one half: recordings ordered by a hash with the seed, every second one."""
        if part == "all":
            return self.items
        recordings = sorted({item.recording for item in self.items}, key=self._drawn)
        kept = set(recordings[0 if part == "gate" else 1 :: 2])
        return tuple(item for item in self.items if item.recording in kept)

    def outcomes(self, system: str, items: Iterable[Item]) -> list[Outcome]:
        """A system's answers to these items; those that failed are left out."""
        answers = self.answers[system]
        found = ((item, answers.get((item.task, item.id))) for item in items)
        return [Outcome(item, said) for item, said in found if said is not None and said.status != "error"]

    @property
    def counted(self) -> tuple[System, ...]:
        return tuple(system for system in self.systems if system.counted)

    def warnings(self, items: Sequence[Item]) -> list[str]:
        """What these items cannot carry."""
        few = {}
        for system in self.counted:
            outcomes = self.outcomes(system.name, items)
            said = [(predicted(one), one.item.label) for one in outcomes]
            wrong = sum(label is not None and label != truth for label, truth in said)
            if wrong < self.thresholds.wrong_answers:
                few[system.name] = wrong
        if not few:
            return []
        words = ", ".join(f"{name} {wrong}" for name, wrong in few.items())
        return [f"fewer than {self.thresholds.wrong_answers} wrong answers on these items: {words}"]

    def _drawn(self, recording: str) -> bytes:
        return hashlib.sha256(f"{self.seed}/{recording}".encode()).digest()


def make_pack(runs: Sequence[Run], *, seed: int = 0, thresholds: Thresholds | None = None) -> Pack:
    """Return the pack of some runs: the labelled items that all were asked, and every run's answers.

    Null baselines, systems that repeat the question and near-copies of an earlier system are kept and do not count.
    Raises UserError for no runs, runs of other data or of other prompts, and items of which no label is known.
    """
    if not runs:
        raise UserError("a pack is made of runs", mend="cpbench judge pack RUN RUN ... --out DIR")
    for run in runs[1:]:
        _check_same(runs[0], run)
    items = tuple(item for item in runs[0].items if item.label is not None and item.label in item.options)
    if not items:
        raise UserError(
            "no item of these runs has a label among known options, so nothing says which answers are right:",
            value=", ".join(task.name for task in runs[0].tasks),
            mend="runs of an emotion task, cpbench tasks lists them",
        )
    tasks = tuple(task for task in runs[0].tasks if any(item.task == task.name for item in items))
    answers = {name: _answers(run, items) for name, run in zip(_names(runs), runs, strict=True)}
    systems = [_system(name, run) for name, run in zip(answers, runs, strict=True)]
    pack = Pack(items, tuple(systems), answers, tasks, seed, thresholds or Thresholds())
    return replace(pack, systems=_marked(pack))


def write_pack(pack: Pack, folder: Path, *, compress: bool = False) -> Path:
    """Write a pack's folder, gzipped if asked for, and return it.

    Raises UserError for a folder that holds something else.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "pack.json").is_file())):
        raise UserError("this is not the folder of a pack:", value=str(folder), mend="another --out")
    items, answers = _lines(_portable(pack.items)), _lines(_answered(pack))
    for name, data in zip(FILES, (items, answers), strict=True):
        plain, packed = folder / name, folder / f"{name}.gz"
        write_whole(packed if compress else plain, gzip.compress(data, 9, mtime=0) if compress else data)
        (plain if compress else packed).unlink(missing_ok=True)
    write_json(folder / "pack.json", _head(pack, items, answers))
    return folder


def read_pack(place: str | Path) -> Pack:
    """The pack of a folder, or the packaged one by the name "demo".

    Raises UserError for a folder that is none, and for files that are not those that pack.json was written for.
    """
    folder = _folder(place)
    try:
        head = json.loads((folder / "pack.json").read_bytes())
        held = {name: _unpacked(folder / name) for name in FILES}
    except OSError as error:
        raise UserError(
            f"not a pack ({Path(error.filename).name} cannot be read):", value=str(place), mend="cpbench judge pack"
        ) from None
    except json.JSONDecodeError as error:
        raise UserError(f"{folder / 'pack.json'} is no JSON: {error}") from None
    if head.get("cpbench_pack") != VERSION:
        raise UserError("a pack of another version:", value=head.get("cpbench_pack"), allowed=[str(VERSION)])
    for name, data in held.items():
        if _sha256(data) != head["files"][name]:
            raise UserError(f"{folder / name} is not the file that its pack was made with", mend="make the pack again")
    answers: dict[str, dict[Key, Prediction]] = {system["name"]: {} for system in head["systems"]}
    for one in _records(Answered, held["answers.jsonl"]):
        answers[one.system][one.prediction.task, one.prediction.item_id] = one.prediction
    return Pack(
        tuple(_here(_records(Item, held["items.jsonl"]))),
        tuple(adapter(System).validate_python(system) for system in head["systems"]),
        answers,
        tuple(adapter(Task).validate_python(task) for task in head["tasks"]),
        head["seed"],
        adapter(Thresholds).validate_python(head["thresholds"]),
    )


def _unpacked(path: Path) -> bytes:
    """A file's bytes, or those of the gzipped one beside it. Raises OSError, as for one that is no gzip file."""
    packed = path.with_name(f"{path.name}.gz")
    if path.is_file() or not packed.is_file():
        return path.read_bytes()
    try:
        return gzip.decompress(packed.read_bytes())
    except (EOFError, zlib.error) as error:
        raise OSError(0, str(error), str(packed)) from None


def _folder(place: str | Path) -> Path:
    folder = Path(place)
    if str(place) != DEMO or folder.is_dir():
        return folder
    packaged = Path(str(files("cpbench.judges") / "validity" / "packs" / DEMO))
    if not packaged.is_dir():
        raise UserError("this installation holds no packaged pack", value=DEMO, mend="cpbench judge pack RUN RUN ...")
    return packaged


def _check_same(first: Run, other: Run) -> None:
    theirs, ours = ({task.name: task.fingerprint for task in run.tasks} for run in (other, first))
    if theirs != ours:
        changed = sorted(name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name))
        raise UserError(
            f"{other.folder} is a run of other data than {first.folder}:",
            value=", ".join(changed),
            mend="runs of the same tasks, one pack for each data set",
        )
    words = {(item.task, item.id): (item_line(item), item.prompt) for item in first.items}
    for item in other.items:
        if words.get((item.task, item.id)) != (item_line(item), item.prompt):
            raise UserError(f"{other.folder} was asked in other words than {first.folder}, at the item", value=item.id)


def _names(runs: Sequence[Run]) -> list[str]:
    """Each run by its folder's name; by the folder above too where two are named alike."""
    times = Counter(run.name for run in runs)
    names = [run.name if times[run.name] == 1 else f"{run.folder.resolve().parent.name}/{run.name}" for run in runs]
    if doubled := next((name for name, count in Counter(names).items() if count > 1), None):
        raise UserError("two runs are named alike, and so are their folders:", value=doubled)
    return names


def _answers(run: Run, items: Sequence[Item]) -> dict[Key, Prediction]:
    wanted = {(item.task, item.id) for item in items}
    condition = run.main_condition
    found = {
        (one.task, one.item_id): one
        for one in run.predictions
        if one.condition == condition and (one.task, one.item_id) in wanted
    }
    if missing := len(wanted) - len(found):
        raise UserError(f"{run.folder} lacks {missing} of {len(wanted)} answers", mend="the command that made it")
    return found


def _system(name: str, run: Run) -> System:
    card = run.card
    return System(name, card.name, card.family, card.kind, run.main_condition)


def _marked(pack: Pack) -> tuple[System, ...]:
    """The systems with the reason why some do not count."""
    outcomes = {system.name: pack.outcomes(system.name, pack.items) for system in pack.systems}
    found: list[System] = []
    for system in pack.systems:
        why = "a null baseline" if system.kind == "null" else None
        if why is None and echoes(outcomes[system.name]):
            why = "it repeats the question"
        if why is None:
            why = not_counted(outcomes[system.name], {one.name: outcomes[one.name] for one in found if one.counted})
        found.append(replace(system, why_not=why))
    return tuple(found)


def _head(pack: Pack, items: bytes, answers: bytes) -> dict[str, Any]:
    """pack.json."""
    return {
        "cpbench_pack": VERSION,
        "seed": pack.seed,
        "thresholds": adapter(Thresholds).dump_python(pack.thresholds, mode="json"),
        "tasks": [adapter(Task).dump_python(task, mode="json") for task in pack.tasks],
        "systems": [adapter(System).dump_python(system, mode="json") for system in pack.systems],
        "files": {"items.jsonl": _sha256(items), "answers.jsonl": _sha256(answers)},
    }


def _portable(items: Iterable[Item]) -> list[Item]:
    """The same items, without the place of this installation."""
    place = f"{_tasks_folder()}/"

    def named(path: str) -> str:
        return path if not path.startswith(place) else f"{PACKAGED}{path.removeprefix(place)}"

    return [_with_paths(item, named) for item in items]


def _here(items: Iterable[Item]) -> list[Item]:
    """The same items, with packaged clips where this installation has them."""
    place = f"{_tasks_folder()}/"

    def found(path: str) -> str:
        return path if not path.startswith(PACKAGED) else f"{place}{path.removeprefix(PACKAGED)}"

    return [_with_paths(item, found) for item in items]


def _with_paths(item: Item, named: Callable[[str], str]) -> Item:
    return replace(item, clips=tuple(replace(clip, path=named(clip.path)) for clip in item.clips))


def _tasks_folder() -> str:
    return str(files("cpbench.tasks"))


def _answered(pack: Pack) -> list[Answered]:
    return [
        Answered(system.name, pack.answers[system.name][item.task, item.id])
        for system in pack.systems
        for item in pack.items
        if (item.task, item.id) in pack.answers[system.name]
    ]


def _lines(records: Sequence[Item] | Sequence[Answered]) -> bytes:
    if not records:
        return b""
    dump = adapter(type(records[0])).dump_json
    return b"".join(dump(record, exclude_defaults=True) + b"\n" for record in records)


def _records(record: type[T], data: bytes) -> list[T]:
    read = adapter(record).validate_json
    return [read(line) for line in data.splitlines()]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
