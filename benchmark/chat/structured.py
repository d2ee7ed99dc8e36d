"""From a model's text to one JSON object of a known shape: a ladder of two steps, and a reason where both fail.

    read = read_object(reply.text, schema)
    read.value if read.status == "ok" else read.why

First the whole text must be the object. Else thoughts are taken off, and the last JSON object whose keys are the
schema's counts (fences, words around it, an earlier object). Nothing is guessed: no number is looked for in prose, "4"
is not 4, NaN and Infinity are no numbers, and a key that stands twice is refused. All of it takes linear time.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cpbench.labels import split_reasoning

PARSER = 1
"""The version of these rules; it enters the identity of what was made with them."""

Schema = Mapping[str, Any]
"""JSON Schema, of which these words are known: type, properties, required, additionalProperties, items, minItems,
maxItems, enum; title and description say nothing."""

_KNOWN = frozenset({"type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "enum"})
_NOTES = frozenset({"description", "title"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
}
_LONGEST_INTEGER = 18  # digits; what is longer is no score, and int() would refuse 4,300
_BROKEN = 100  # broken objects in one text; each costs the decoder a count of the lines before it


@dataclass(frozen=True)
class Read:
    """What a text holds: `value` if `ok`, else why not. `out_of_range`: all is right but a number outside its enum."""

    status: Literal["ok", "parse_error", "out_of_range", "truncated"]
    value: Mapping[str, Any] | None = None
    why: str | None = None


def read_object(text: str, schema: Schema) -> Read:
    """Return the object of this schema that the text is, or ends with. An unclosed thought is `truncated`.

    >>> schema = {"type": "object", "properties": {"score": {"type": "integer", "enum": [0, 1]}}, "required": ["score"]}
    >>> read_object('Here it is: {"score": 1}', schema).value
    {'score': 1}
    >>> read_object('{"score": 7}', schema)
    Read(status='out_of_range', value=None, why='score: 7 is none of 0, 1')
    >>> read_object('{"score": "1"}', schema)
    Read(status='parse_error', value=None, why='score: "1" is no integer')
    """
    whole = _whole(text)
    if whole is not None and _keys_match(whole, schema):
        return check_object(whole, schema)
    _, said, status = split_reasoning(text)
    if status == "truncated":
        return Read("truncated", why="a thought that was never closed")
    found: dict[str, Any] | None = None
    for candidate in _objects(said, schema):
        if candidate is None:
            return Read("parse_error", why="broken JSON: what follows may be a quotation")
        if _keys_match(candidate, schema):
            found = candidate
    if found is None:
        keys = ", ".join(schema.get("properties", {}))
        return Read("parse_error", why=f"no JSON object with the keys {keys}" if text.strip() else "an empty reply")
    return check_object(found, schema)


def check_object(value: Any, schema: Schema) -> Read:
    """Hold a value against the schema. Raises ValueError for a schema with words that are not known here."""
    fault = _fault(value, schema, "")
    return Read("ok", value) if fault is None else Read(fault.status, why=fault.why)


@dataclass(frozen=True)
class _Fault:
    status: Literal["parse_error", "out_of_range"]
    why: str


class _Doubled(dict[str, Any]):
    """An object in which a key stands twice."""


def _fault(value: Any, schema: Schema, where: str) -> _Fault | None:
    """The first thing that is wrong. A wrong kind goes before a number out of range."""
    if unknown := set(schema) - _KNOWN - _NOTES:
        raise ValueError(f"this reader knows no {', '.join(sorted(unknown))} in a JSON schema")
    kind = schema["type"]
    named = f"{where}: " if where else ""
    if not _is(value, kind):
        return _Fault("parse_error", f"{named}{_short(value)} is no {kind}")
    if isinstance(value, dict):
        return _fault_of_object(value, schema, where)
    if isinstance(value, list):
        return _fault_of_list(value, schema, where)
    if "enum" in schema and value not in schema["enum"]:
        range_or_word: Literal["out_of_range", "parse_error"] = "parse_error" if kind == "string" else "out_of_range"
        return _Fault(range_or_word, f"{named}{_short(value)} is none of {', '.join(map(str, schema['enum']))}")
    if kind == "integer" and value != int(value):
        return _Fault("parse_error", f"{named}{_short(value)} is no integer")
    return None


def _fault_of_object(value: dict[str, Any], schema: Schema, where: str) -> _Fault | None:
    if isinstance(value, _Doubled):
        return _Fault("parse_error", "a key stands twice")
    if not _keys_match(value, schema):
        return _Fault("parse_error", f"{where or 'the object'}: its keys are {', '.join(value) or 'none'}")
    properties = schema.get("properties", {})
    inside = (_fault(each, properties[name], f"{where}.{name}".lstrip(".")) for name, each in value.items())
    return _worst(inside)


def _fault_of_list(value: list[Any], schema: Schema, where: str) -> _Fault | None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return _Fault("parse_error", f"{where}: {len(value)} entries")
    items = schema.get("items")
    if items is None:  # as in JSON Schema: a list of anything
        return None
    return _worst(_fault(each, items, f"{where}[{at}]") for at, each in enumerate(value))


def _worst(faults: Iterator[_Fault | None]) -> _Fault | None:
    found = [fault for fault in faults if fault is not None]
    return next((fault for fault in found if fault.status == "parse_error"), found[0] if found else None)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, _TYPES[kind])


def _keys_match(value: Mapping[str, Any], schema: Schema) -> bool:
    return set(schema.get("required", ())) <= set(value) <= set(schema.get("properties", {}))


def _whole(text: str) -> dict[str, Any] | None:
    """The object that the text is, or None."""
    try:
        value = _DECODER.decode(text.strip())
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _objects(text: str, schema: Schema) -> Iterator[dict[str, Any] | None]:
    """The text's outermost JSON objects, in order; None for one that begins with a key of the schema and is broken,
    and where there is no end of broken ones.

    After a failure the search goes on where the decoder gave up, so no character is read more than twice; what lies
    inside an object that was read is never looked at: it is somebody's quotation.
    """
    broken = 0
    begins = re.compile(r'\{\s*"(?:' + "|".join(map(re.escape, schema.get("properties", {}))) + r')"\s*:')
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except RecursionError:  # thousands of objects in each other: nobody's verdict
            yield None
            return
        except json.JSONDecodeError as error:
            broken += 1
            if broken > _BROKEN or begins.match(text, at):
                yield None
                return
            end = max(at + 1, error.pos)
        else:
            yield value
        at = text.find("{", end)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Doubled(made)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer)


def _short(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = repr(type(value).__name__)
    return text if len(text) <= 60 else text[:57] + "..."
