"""The only writer of JSONL: an append-only file of records that survives kill -9 and fills itself from a stream.

A line is written whole, by one write, or not at all: what a killed process left torn at the end is dropped when the
file is opened again. A key may be written twice (a failed piece of work that was done again): its last line counts.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from cpbench.errors import UserError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Keyed(Protocol):
    @property
    def key(self) -> str: ...


R = TypeVar("R", bound=Keyed)
W = TypeVar("W", bound=Keyed)
T = TypeVar("T")


class Ledger(Generic[R]):
    """The records of one JSONL file, by key.

    `again` says which records are to be done again (failed ones, say): `in` is False for their keys, and they are still
    read until a later line replaces them. `rank`: a rank writes beside the file, and `merge` brings the parts together.
    Only one process may write a file at a time. Raises UserError for a file that holds something else.
    """

    def __init__(
        self, path: Path, record: type[R], *, again: Callable[[R], bool] | None = None, rank: int | None = None
    ) -> None:
        self.path = path
        self._adapter = adapter(record)
        self._again = again or (lambda record: False)
        self._last: dict[str, int] = {}  # key -> offset of its last line
        self._redo: set[str] = set()
        self._file: int | None = None
        self._part = path if rank is None else path.with_name(f"{path.name}.{rank}")
        if path.exists():
            self._scan()

    def __contains__(self, key: str) -> bool:
        return key in self._last and key not in self._redo

    def __len__(self) -> int:
        """How many keys have a record that stands."""
        return len(self._last) - len(self._redo)

    def __iter__(self) -> Iterator[R]:
        """The last record of every key, in the order in which they stand in the file; one at a time in memory."""
        if not self._last:
            return
        with self.path.open("rb") as file:
            for offset in sorted(offset for offset in self._last.values() if offset >= 0):
                file.seek(offset)
                yield self._adapter.validate_json(file.readline())

    def get(self, key: str) -> R | None:
        """The last record of a key, read from the file; None where there is none that stands (or a rank holds it)."""
        offset = self._last.get(key, -1)
        if offset < 0:
            return None
        with self.path.open("rb") as file:
            file.seek(offset)
            return self._adapter.validate_json(file.readline())

    def append(self, record: R) -> None:
        """Write one record as one line. Raises UserError where the disk is full; what was written before stands."""
        if self._file is None:
            self._file = self._open()
        line = self._adapter.dump_json(record, exclude_defaults=False) + b"\n"
        offset = os.lseek(self._file, 0, os.SEEK_END)
        try:
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, offset)
            raise _unwritable(self._part, error) from error
        self._note(record, offset if self._part == self.path else -1)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # a file system without fsync has nothing to promise
                os.fsync(self._file)
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Ledger[R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, record: R, offset: int) -> None:
        key = record.key
        self._last[key] = offset
        (self._redo.add if self._again(record) else self._redo.discard)(key)

    def _scan(self) -> None:
        import pydantic

        with self.path.open("rb") as file:
            offset = 0
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):  # torn by a kill; dropped for good when the file is next written
                    break
                try:
                    self._note(self._adapter.validate_json(line), offset)
                except pydantic.ValidationError as error:
                    first = error.errors()[0]
                    where = ".".join(str(part) for part in first["loc"])
                    raise UserError(
                        f"{self.path}, line {number}: {where + ': ' if where else ''}{first['msg']}",
                        mend="remove that line, or the file: the work of missing lines is done again",
                    ) from None
                offset += len(line)

    def _open(self) -> int:
        make_folder(self.path.parent)
        try:
            file = os.open(self._part, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise _unwritable(self._part, error) from error
        _lock(file, self._part)
        os.ftruncate(file, _whole(file))
        os.lseek(file, 0, os.SEEK_END)
        return file


def fill(ledger: Ledger[R], work: Iterable[W], do: Callable[[Iterable[W]], Iterable[R]]) -> Iterator[R]:
    """Do the work that the ledger does not hold yet, and yield each record once it is on disk."""
    for record in do(piece for piece in work if piece.key not in ledger):
        ledger.append(record)
        yield record


def merge(path: Path) -> int:
    """Append the parts that ranks wrote beside `path` to it, drop the parts, and return how many there were.

    Safe to repeat: a part that was copied and not yet removed when the process died only doubles lines of equal keys.
    """
    parts = sorted(path.parent.glob(f"{path.name}.[0-9]*"))
    for part in parts:
        with part.open("rb") as file, path.open("ab") as whole:
            for line in file:
                if line.endswith(b"\n"):
                    whole.write(line)
            whole.flush()
            os.fsync(whole.fileno())
        part.unlink()
    return len(parts)


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def adapter(record: type[T]) -> TypeAdapter[T]:
    """The pydantic reader and writer of a record class."""
    import pydantic

    if record not in _ADAPTERS:
        _ADAPTERS[record] = pydantic.TypeAdapter(record)
    return _ADAPTERS[record]


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step: readers see the old bytes or the new ones, never half of them.

    Raises UserError where it cannot be written.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise _unwritable(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it. Raises UserError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _whole(file: int) -> int:
    """The length of a file's whole lines."""
    size = end = os.lseek(file, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65536)
        block = os.pread(file, end - start, start)
        if (at := block.rfind(b"\n")) >= 0:
            return start + at + 1
        end = start
    return 0 if size else size


def _lock(file: int, path: Path) -> None:
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise UserError(
            f"{path} is being written by another process", mend="wait for it, or give this run another --out"
        ) from None
    except OSError:
        return  # a file system without locks (some NFS): two runs in one folder are then the user's affair


def _unwritable(path: Path, error: OSError) -> UserError:
    if error.errno == errno.ENOSPC:
        return UserError(
            f"the disk is full: {path} could not be written; what was written before stands",
            mend="free some space and type the same command again: it goes on where it stopped",
        )
    return UserError(f"{path} cannot be written: {error.strerror or error}", mend="another --out")
