"""YAML files of the user's, read so that a message about what is wrong in them names the line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cpbench.errors import UsageError, nearest

T = TypeVar("T")
Place = tuple[str | int, ...]
"""The way to a value: keys and positions."""

STRICT: Any = {"extra": "forbid", "strict": True}
"""The `__pydantic_config__` of a dataclass that a file of the user's is read as."""

_UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")


@dataclass(frozen=True)
class YamlFile:
    """A parsed file; it knows on which line everything in it stands."""

    source: str  # for messages
    data: bytes = field(repr=False)
    values: Mapping[str, Any]
    lines: Mapping[Place, tuple[int, int]] = field(repr=False)  # first and last line of each value, from 1

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def read(self, shape: type[T]) -> T:
        """The file as a dataclass, as strictly as its `__pydantic_config__` says. Raises UsageError with the line."""
        import pydantic

        try:
            return pydantic.TypeAdapter(shape).validate_json(json.dumps(self.values))
        except pydantic.ValidationError as error:
            found = error.errors()
            first = next((each for each in found if each["type"] in _UNKNOWN_KEY), found[0])  # a slip is also a gap
            raise self._mended(first, shape) from None

    def wrong(
        self, what: str, *place: str | int, value: object = None, allowed: Iterable[str] | None = None, mend: str = ""
    ) -> UsageError:
        """The error that says what is wrong with the value at that place."""
        where = f"{self.source}, line {self.line(*place)}: {what}"
        return UsageError(where, value=value, allowed=allowed, mend=mend or None)

    def line(self, *place: str | int) -> int:
        """The line of a value, or of the nearest thing around it that is there."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines[place][0] if place in self.lines else 1

    def line_of(self, words: str, *place: str | int) -> int:
        """The line on which `words` stand in a text of several lines."""
        first, last = self.lines[place]
        for number, line in enumerate(self.data.decode("utf-8").splitlines()[first - 1 : last], start=first):
            if words in line:
                return number
        return first

    def _mended(self, problem: Mapping[str, Any], shape: type) -> UsageError:
        place: Place = tuple(problem["loc"])
        name = _spoken(place)
        if problem["type"] in _UNKNOWN_KEY:
            known = _names(shape) if len(place) == 1 else None
            near = nearest(str(place[-1]), known or [])
            return self.wrong("there is no key", *place, value=name, allowed=known, mend=f"{near}: ..." if near else "")
        if problem["type"] in ("missing", "missing_argument"):
            return self.wrong("a key is missing:", *place[:-1], value=name, mend=f"{place[-1]}: ...")
        while place and place not in self.lines:  # the branches of a union are no part of the way
            place = place[:-1]
        return self.wrong(f"{_spoken(place)}: {problem['msg']}; it says", *place, value=_short(problem.get("input")))


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file that is one mapping. Raises UsageError if it is not there, is no YAML, or says a key twice."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"this file cannot be read ({error.strerror}):", value=str(path)) from None
    return parse_yaml(data, str(path))


def parse_yaml(data: bytes, source: str) -> YamlFile:
    """The same from bytes; `source` names them in messages."""
    import yaml

    lines: dict[Place, tuple[int, int]] = {}
    try:
        loader = yaml.SafeLoader(data.decode("utf-8"))
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise UsageError(f"{source}, line 1: this file should be a mapping: `key: value` lines")
        if b"&" in data and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(data.decode("utf-8"))):
            raise UsageError(f"{source}: anchors and aliases (&name, *name) cannot stand here")
        _note(node, (), lines, source)
        values = loader.construct_document(node)
        json.dumps(values)
    except UnicodeDecodeError as error:
        raise UsageError(f"{source}: not UTF-8 at byte {error.start}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{source}, line {line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise UsageError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    except (TypeError, ValueError) as error:  # a date, say
        raise UsageError(f"{source}: only texts, numbers, lists and mappings can stand here ({error})") from None
    return YamlFile(source, data, values, lines)


def _note(node: Any, place: Place, lines: dict[Place, tuple[int, int]], source: str) -> None:
    """Write down the lines of a node and of all that it holds."""
    import yaml

    end = node.end_mark.line + (1 if node.end_mark.column else 0)
    lines.setdefault(place, (node.start_mark.line + 1, max(node.start_mark.line + 1, end)))
    if isinstance(node, yaml.SequenceNode):
        for at, each in enumerate(node.value):
            _note(each, (*place, at), lines, source)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise UsageError(f"{source}, line {line}: a key should be a word; in quotes, if it looks like a number")
            inside = (*place, key.value)
            if inside in lines:
                raise UsageError(f"{source}, line {line}: this key stands twice:", value=key.value)
            last = value.end_mark.line + (1 if value.end_mark.column else 0)
            lines[inside] = (line, max(line, last))
            _note(value, inside, lines, source)


def _spoken(place: Place) -> str:
    return ".".join(str(step) for step in place)


def _names(shape: type) -> list[str]:
    import dataclasses

    return [each.name for each in dataclasses.fields(shape) if each.init]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
