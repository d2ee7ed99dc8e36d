"""Prompts as files: what stays the same for every item, a template for what does not, and examples.

    prompt = load_prompt(path, known=("question", "answer"))
    messages = prompt.render({"question": "Who speaks?", "answer": "A woman."})

The template's variables are `{data}` (all of the prompt's fields as one JSON object) and `{field}` (one of them as one
JSON value). Rendering is a single pass over the template: what a field holds is never looked at again, so an answer of
"{reference}" stays what it is. A JSON text is its own delimiter: nothing in it can end it, quotes, fences and fake
roles included, and `json.loads` gives back what went in, character by character. Letters of every script stand as they
are, so that a model can read them; NUL and other control characters stand as escapes, as do lone surrogates, which no
transport would carry. (Two surrogates in a row that form one character become that character.)

The system text and the examples hold no variables: they are the same bytes for all items, and stand first, so that
providers can cache them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpbench.chat import Message
from cpbench.errors import UsageError
from cpbench.flow.yaml_lines import STRICT, YamlFile, read_yaml

RENDERING = 1
"""The version of the rules above; it enters the identity of what was made with them."""

AUDIO = "audio"
"""The field that is no text: sounds, put before the words."""

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TEMPLATE_ENGINE = re.compile(r"\{\{\s*\w+\s*\}\}|\{%")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One worked example: what is given, and the reply that is wished for."""

    given: Mapping[str, Any]  # field -> value
    reply: Mapping[str, Any] | str  # an object is written as JSON

    __pydantic_config__ = STRICT


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt as its file says it."""

    name: str
    version: int | str
    fields: tuple[str, ...]  # what it sees
    system: str
    user: str  # the template
    title: str = ""
    examples: tuple[Example, ...] = ()

    __pydantic_config__ = STRICT

    @property
    def hears(self) -> bool:
        return AUDIO in self.fields

    def render(self, values: Mapping[str, Any], *, sounds: tuple[bytes, ...] = ()) -> tuple[Message, ...]:
        """The messages for one item. `sounds`: WAV files; `values` may hold more than the prompt sees.

        Raises KeyError for a field that `values` lacks.
        """
        return (*self._stable(), Message("user", self._worded(values), sounds))

    def _stable(self) -> Iterator[Message]:
        yield Message("system", self.system)
        for example in self.examples:
            yield Message("user", self._worded(example.given))
            reply = example.reply
            yield Message("assistant", reply if isinstance(reply, str) else as_json(reply, indent=None))

    def _worded(self, values: Mapping[str, Any]) -> str:
        given = {name: values[name] for name in self.fields if name != AUDIO}
        return _VARIABLE.sub(lambda found: as_json(given if found[1] == "data" else given[found[1]]), self.user)


def load_prompt(path: Path, *, known: Collection[str] | None = None) -> Prompt:
    """Read a prompt file; `known`: the fields that its caller can fill, None for any.

    Raises UsageError with the line that is wrong.
    """
    file = read_yaml(path)
    prompt = file.read(Prompt)
    check_prompt(prompt, file, known=known)
    return prompt


def check_prompt(prompt: Prompt, file: YamlFile, *, known: Collection[str] | None = None) -> None:
    """Hold what a prompt says against itself: fields, variables, examples. Raises UsageError with the line."""
    for name in ("name", "system", "user"):
        if not getattr(prompt, name).strip():
            raise file.wrong(f"{name} is empty", name)
    _check_fields(prompt, file, known)
    _check_system(prompt, file)
    _check_template(prompt, file)
    _check_examples(prompt, file)


def as_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON that a model can read and `json.loads` gives back exactly: one key a line, escapes only where needed.

    >>> print(as_json({"answer": 'Traurig: "ü"\\0'}))
    {
      "answer": "Traurig: \\"ü\\"\\u0000"
    }
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _check_fields(prompt: Prompt, file: YamlFile, known: Collection[str] | None) -> None:
    if not prompt.fields:
        raise file.wrong("fields is empty: the prompt would see nothing", "fields", allowed=known)
    for at, name in enumerate(prompt.fields):
        if name in prompt.fields[:at]:
            raise file.wrong("this field stands twice:", "fields", at, value=name)
        if known is not None and name not in known:
            raise file.wrong("there is no field", "fields", at, value=name, allowed=known)
        if name == "data" or not _VARIABLE.fullmatch(f"{{{name}}}"):
            raise file.wrong("a field cannot be called", "fields", at, value=name)


def _check_system(prompt: Prompt, file: YamlFile) -> None:
    for found in _VARIABLE.finditer(prompt.system):
        if found[1] in (*prompt.fields, "data"):
            raise _in_text(file, "system", found[0], "the system text is the same for all items; `user` can hold")


def _check_template(prompt: Prompt, file: YamlFile) -> None:
    if engine := _TEMPLATE_ENGINE.search(prompt.user):
        raise _in_text(file, "user", engine[0], "there is no template engine here: write {field} for")
    allowed = [*(name for name in prompt.fields if name != AUDIO), "data"]
    used = _VARIABLE.findall(prompt.user)
    for name in used:
        if name == AUDIO:
            raise _in_text(file, "user", "{audio}", "sounds stand before the text by themselves: leave out")
        if name not in allowed:
            raise _in_text(file, "user", f"{{{name}}}", "unknown variable", [f"{{{each}}}" for each in allowed])
    for at, name in enumerate(prompt.fields):
        if name != AUDIO and not {name, "data"} & set(used):
            mend = f"{{{name}}} or {{data}} in `user`"
            raise file.wrong("this field is never shown:", "fields", at, value=name, mend=mend)


def _check_examples(prompt: Prompt, file: YamlFile) -> None:
    wanted = {name for name in prompt.fields if name != AUDIO}
    for at, example in enumerate(prompt.examples):
        for name in example.given:
            if name not in wanted:
                place = ("examples", at, "given", name)
                raise file.wrong("the prompt does not see the field", *place, value=name, allowed=sorted(wanted))
        if missing := sorted(wanted - set(example.given)):
            raise file.wrong("this example lacks the field", "examples", at, "given", value=missing[0])


def _in_text(file: YamlFile, key: str, words: str, what: str, allowed: Collection[str] | None = None) -> UsageError:
    """The error about some words of a text of several lines."""
    return UsageError(f"{file.source}, line {file.line_of(words, key)}: {what}", value=words, allowed=allowed)
