"""What can be plugged in: the contract of each kind of part, and the one way to find and build one.

A part is one file in its wing's folder (`models/echo.py`), a class in a file of the user's (`my_model.py:MyModel`), or
an entry point of the group `cpbench.<wing>`. Where the wing is made of classes, the file holds one class with the
wing's method; it is a dataclass, and its fields are its options.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from cpbench.errors import UsageError, UserError
from cpbench.records import (
    Annotation,
    Case,
    Heard,
    Item,
    Judgement,
    ModelCard,
    Outcome,
    Prediction,
    Request,
    Setting,
    Turn,
)

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
Wing = Literal["models", "judges", "annotators", "conditions", "metrics", "formats", "exports", "chat"]
METHOD: Mapping[Wing, str] = {"models": "answer", "judges": "judge", "annotators": "annotate", "chat": "ask"}
"""The wings that are made of classes, and the method by which a file's one class is known."""


class Model(Protocol):
    """Anything that answers requests.

    A model may also have:
        listen(turns) -> list[Listened]        what entered its encoder and what it would say next, for the hearing
        check features(heard) -> np.ndarray          what its own extractor makes of a sound, for the hearing check
        study(items) -> None                   null baselines only: what they may know of the items beforehand
        account() -> dict                      what answering took (batches, encoder passes), for the manifest
    """

    @property
    def card(self) -> ModelCard: ...

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        """Yield one prediction a turn, as they finish, in any order. Takes turns lazily: each one holds its audio."""
        ...


@dataclass(frozen=True)
class Listened:
    """What a model that can show it took in for one turn, and what it would say next."""

    scores: np.ndarray  # float32 (V,): next-token scores
    features: np.ndarray | None  # float32: what entered the audio encoder for this turn; None: nothing did
    seconds: float | None  # of audio that those features span


class Judge(Protocol):
    @property
    def judge_id(self) -> str: ...

    def judge(self, cases: Iterable[Case]) -> Iterator[Judgement]:
        """Yield one judgement a case, as they finish, in any order."""
        ...


class Annotator(Protocol):
    @property
    def name(self) -> str: ...

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        """Yield one annotation a sound, as they finish, in any order; its key is the clip's sha256."""
        ...


Change = Callable[[Sequence[Item], Sequence[Request], str, Setting], Iterable[Request]]
"""A condition's step: (items, requests, argument, setting) -> requests; one request in, one out."""


@dataclass(frozen=True)
class Metric:
    """A function of sums: `rows` gives (N, D), one row an item; `value` takes summed rows (..., D) to (...).

    A row of NaN is an item that has no usable answer (an `error`), or no judgement where the metric needs one: it is
    missing, never wrong. `rows` raises UserError where the metric has no value on these outcomes, and says why.
    """

    name: str
    rows: Callable[[Sequence[Outcome]], np.ndarray]
    value: Callable[[np.ndarray], np.ndarray]
    applies: Callable[[Outcome], bool]  # to which outcomes of a task
    higher_is_better: bool = True
    judged: bool = False  # made from one judge's scores
    bounds: tuple[float, float] = (0.0, 1.0)  # what the value can be


def names(wing: Wing) -> list[str]:
    """Every part of a wing by name: the folder's files and the installed entry points."""
    package = importlib.import_module(f"cpbench.{wing}")
    own = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
    return sorted({*own, *(point.name for point in _entry_points(wing))})


def find(wing: Wing, name: str) -> Any:
    """Return a wing's part by name: a class where the wing is made of classes (see METHOD), else a module.

    `name` is a file of the wing's folder ("-" and "_" alike), FILE.py:CLASS, or an entry point.
    Raises UsageError with the nearest name.
    """
    if ".py" in name:
        return _from_file(name)
    known = names(wing)
    if name in known or name.replace("-", "_") in known:
        for point in _entry_points(wing):
            if point.name == name:
                return point.load()
        module = importlib.import_module(f"cpbench.{wing}.{name.replace('-', '_')}")
        return _part_of(module, METHOD[wing]) if wing in METHOD else module
    raise UsageError(f"unknown {wing.removesuffix('s')}", value=name, allowed=known)


def build(part: Callable[..., T], options: Mapping[str, Any]) -> T:
    """Build a part from its options, each read as the type that its field declares.

    Raises UsageError for an option that the part does not have, or a value that does not fit.

    >>> @dataclass
    ... class Echo:
    ...     times: int = 1
    >>> build(Echo, {"times": "3"})
    Echo(times=3)
    """
    import pydantic

    fields = _fields(part)
    if options and not fields:
        raise UsageError(f"{_name(part)} takes no options", value=sorted(options)[0])
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key.replace("-", "_") not in fields:
            raise UsageError(f"{_name(part)} has no option", value=key, allowed=sorted(fields))
        try:
            values[key.replace("-", "_")] = pydantic.TypeAdapter(fields[key.replace("-", "_")]).validate_python(
                _words(value)
            )
        except pydantic.ValidationError as error:
            raise UsageError(f"option {key} of {_name(part)}: {error.errors()[0]['msg']}", value=value) from None
    try:
        return part(**values)
    except TypeError as error:  # a field without a default that nobody gave
        raise UsageError(f"{_name(part)}: {str(error).removeprefix(_name(part))}") from None


def _fields(part: object) -> dict[str, Any]:
    """A dataclass's options and their types; none for a class of the user's that is no dataclass."""
    if not dataclasses.is_dataclass(part):
        return {}
    types = typing.get_type_hints(part)
    return {field.name: types[field.name] for field in dataclasses.fields(part) if field.init}


def _words(value: Any) -> Any:
    """Options come as text: "none" and "null" are None; all else is read by pydantic."""
    return None if isinstance(value, str) and value.lower() in ("none", "null") else value


def _entry_points(wing: Wing) -> importlib.metadata.EntryPoints:
    return _installed(wing, tuple(sys.path))


@functools.cache  # 25 ms of reading every installed package, and a run asks for its conditions hundreds of times
def _installed(wing: Wing, path: tuple[str, ...]) -> importlib.metadata.EntryPoints:
    return importlib.metadata.entry_points(group=f"cpbench.{wing}")


def _name(part: object) -> str:
    return getattr(part, "__name__", type(part).__name__)


def _part_of(module: ModuleType, method: str) -> Any:
    """The one class that the module defines and that has the wing's method."""
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and callable(getattr(value, method, None))
    ]
    if len(own) != 1:
        raise UserError(f"{module.__name__} should define one class with {method}(), and defines {len(own)}")
    return own[0]


def _from_file(name: str) -> Any:
    """FILE.py:CLASS, or FILE.py where it holds one class only."""
    file, _, cls = name.partition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise UsageError("no such file", value=str(path))
    spec = importlib.util.spec_from_file_location(f"cpbench_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError("not a Python file", value=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up there, to read annotations that are text
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise UserError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    classes = {key: value for key, value in vars(module).items() if isinstance(value, type)}
    own = [key for key, value in classes.items() if value.__module__ == module.__name__]
    if not cls and len(own) == 1:
        cls = own[0]
    if cls not in classes:
        raise UsageError(f"{path} has no class", value=cls or "(none named)", allowed=own, mend=f"{file}:CLASS")
    return classes[cls]
