"""Other wordings of questions, as a file has them: JSONL of `{"question": ..., "paraphrases": [...]}`."""

from __future__ import annotations

import json
import re
from importlib.resources.abc import Traversable
from pathlib import Path

from cpbench.errors import UserError

EXAMPLE = '{"question": "Who speaks?", "paraphrases": ["Whose voice is this?"]}'
SLOT = re.compile(r"\{(\w+)\}")
"""A question may be a pattern: `{thing}` stands for a word, `{options}` for the list of answers to choose from."""


def read_wordings(path: Path | Traversable) -> dict[str, tuple[str, ...]]:
    """Question -> its other wordings, in their order.

    Raises UserError with file and line for what is no such line, an empty or repeated wording, a question that stands
    twice, and a slot that the question does not have.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the other wordings cannot be read ({error}):", value=str(path)) from None
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        question, wordings = _read(where, line)
        if question in found:
            raise UserError(f"{where}: the question stands there twice:", value=question)
        found[question] = wordings
    if not found:
        raise UserError("no other wordings in", value=str(path), mend=f"a line such as {EXAMPLE}")
    return found


def _read(where: str, line: str) -> tuple[str, tuple[str, ...]]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error}):", value=line[:80], mend=f"a line such as {EXAMPLE}") from None
    question, wordings = (data.get("question"), data.get("paraphrases")) if isinstance(data, dict) else (None, None)
    listed = isinstance(wordings, list) and all(isinstance(one, str) and one.strip() for one in wordings)
    if not isinstance(question, str) or not question.strip() or not wordings or not listed:
        raise UserError(f"{where}: not a question with its paraphrases:", value=line[:80], mend=EXAMPLE)
    if len({question, *wordings}) != len(wordings) + 1:
        raise UserError(f"{where}: a wording stands twice, or is the question itself:", value=question)
    for wording in wordings:
        if unknown := {*SLOT.findall(wording)} - {*SLOT.findall(question)}:
            raise UserError(f"{where}: a slot that the question does not have:", value=sorted(unknown)[0])
    return question, tuple(wordings)
