"""From a submission's bytes to its records: strict JSON of one spelling, under the schema, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pydantic
from pydantic_core import from_json

from cpbench.fingerprint import canonical
from cpbench.leaderboard.codes import Refused
from cpbench.leaderboard.reading import JUDGEMENTS, PREDICTIONS, SUBMISSION
from cpbench.leaderboard.schema import SCHEMA_VERSION, FileFacts, JudgementLine, PredictionLine, Submission

L = TypeVar("L", PredictionLine, JudgementLine)
LINE_LIMIT = 256 << 10  # bytes
MEAN_ANSWER = 2000  # characters; labels are looked for in every answer, and that takes its time
DEPTH = 20  # how deeply a submission's JSON may be nested; a judge's output schema takes six


@dataclass(frozen=True)
class Parsed:
    """A submission's three files as records."""

    submission: Submission
    answers: tuple[PredictionLine, ...]
    judged: tuple[JudgementLine, ...]


def parse(files: Mapping[str, bytes]) -> Parsed:
    """Read a submission's files. Raises Refused at the first thing that is wrong, the cheapest to find first."""
    submission = parse_submission(files[SUBMISSION])
    for name, facts in ((PREDICTIONS, submission.predictions), (JUDGEMENTS, submission.judgements)):
        _check_facts(name, files[name], facts)
    answers = _lines(PREDICTIONS, files[PREDICTIONS], PredictionLine)
    if (letters := sum(len(line.answer) for line in answers)) > MEAN_ANSWER * len(answers):
        raise Refused("too_large", f"the answers have {letters // len(answers)} characters each, on average")
    judged = _lines(JUDGEMENTS, files[JUDGEMENTS], JudgementLine)
    return Parsed(submission, answers, judged)


def parse_submission(data: bytes) -> Submission:
    """Read submission.json. Raises Refused."""
    value = _value(SUBMISSION, data.removesuffix(b"\n"))
    _check_depth(SUBMISSION, value)
    if not isinstance(value, dict):
        raise Refused("schema", f"{SUBMISSION} is no object")
    version = value.get("schema_version", 0)
    if type(version) is int and version != SCHEMA_VERSION:
        code = "schema_old" if version < SCHEMA_VERSION else "schema_new"
        raise Refused(code, f"{SUBMISSION} is of version {version}, this cpbench reads {SCHEMA_VERSION}")
    submission: Submission = _validated(SUBMISSION, Submission, data)
    if not data.endswith(b"\n") or data != _spelled(SUBMISSION, value) + b"\n":
        raise Refused("not_canonical", f"{SUBMISSION} is not spelled as canonical JSON with one newline at its end")
    return submission


def facts_of(data: bytes) -> FileFacts:
    """What submission.json says of a file."""
    return FileFacts(sha256=hashlib.sha256(data).hexdigest(), lines=data.count(b"\n"), bytes=len(data))


def _check_facts(name: str, data: bytes, facts: FileFacts) -> None:
    own, code = facts_of(data), f"{name.removesuffix('.jsonl')}_hash"
    for key in ("sha256", "lines", "bytes"):
        said, is_ = getattr(facts, key), getattr(own, key)
        if said != is_:
            raise Refused(code, f"{SUBMISSION} says {key} {str(said)[:12]} of {name}, and it is {str(is_)[:12]}")


def _lines(name: str, data: bytes, record: type[L]) -> tuple[L, ...]:
    if data and not data.endswith(b"\n"):
        raise Refused("json", f"{name} is torn: its last line has no end")
    found: list[L] = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        where = f"{name}, line {number}"
        if len(line) > LINE_LIMIT:
            raise Refused("too_large", f"{where} has {len(line)} bytes")
        value = _value(where, line)
        found.append(_validated(where, record, line))
        if line != _spelled(where, value):
            raise Refused("not_canonical", f"{where} is not spelled as canonical JSON")
    _check_order(name, found)
    return tuple(found)


def _check_order(name: str, lines: list[L]) -> None:
    before: tuple[Any, ...] | None = None
    for line in lines:
        if before is not None and line.key == before:
            code = "item_doubled" if isinstance(line, PredictionLine) else "judgement_doubled"
            raise Refused(code, f"{name}: {line.item_id!a} stands twice under {line.condition!a}")
        if before is not None and line.key < before:
            raise Refused("not_canonical", f"{name} is not sorted: {line.item_id!a} under {line.condition!a}")
        before = line.key


def _value(where: str, data: bytes) -> Any:
    """A JSON value; the reader itself bounds how deeply it is nested, at 200."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("encoding", f"{where} is not UTF-8 at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise Refused("encoding", f"{where} begins with a byte order mark")
    try:
        value = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise Refused("json", f"{where}: {error}") from None
    return value


def _check_depth(where: str, value: Any) -> None:
    """A judge's identity is the one field that may hold any JSON."""
    level = _inside([value])
    for _ in range(DEPTH):
        if not level:
            return
        level = _inside(each for one in level for each in (one.values() if isinstance(one, dict) else one))
    raise Refused("json", f"{where} is nested more than {DEPTH} deep")


def _inside(values: Iterable[Any]) -> list[dict[str, Any] | list[Any]]:
    return [value for value in values if isinstance(value, dict | list)]


def _spelled(where: str, value: Any) -> bytes:
    try:
        return canonical(value)
    except ValueError as error:  # 1e999, which is no NaN but infinite; a lone half of a character
        raise Refused("json", f"{where}: {error}") from None


def _validated(where: str, record: type[pydantic.BaseModel], data: bytes) -> Any:
    try:
        return record.model_validate_json(data)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        at = ".".join(ascii(part)[1:-1] if isinstance(part, str) else str(part) for part in first["loc"])
        raise Refused("schema", f"{where}: {at[:200] + ': ' if at else ''}{first['msg'][:300]}") from None
