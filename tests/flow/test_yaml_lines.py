"""A user's YAML, with the line of everything in it. What shapes make of it is held in tests/chat/test_prompts.py."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pytest

from cpbench.errors import UsageError
from cpbench.flow.yaml_lines import STRICT, parse_yaml

FILE = b"""\
# a comment
name: one
list:
  - a: 1
    b: [x, y,
        z]
text: |
  first
  second {word}

folded: >-
  some words
  and {more}
"""


def test_everything_has_its_line():
    file = parse_yaml(FILE, "f.yaml")
    assert file.values["list"] == [{"a": 1, "b": ["x", "y", "z"]}]
    assert [file.line(*place) for place in [("name",), ("list",), ("list", 0), ("list", 0, "b", 2), ("text",)]] == [
        2,
        3,
        4,
        6,
        7,
    ]
    assert file.line("list", 0, "missing") == 4
    assert (file.line_of("{word}", "text"), file.line_of("{more}", "folded")) == (9, 13)
    assert file.sha256 == hashlib.sha256(FILE).hexdigest()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "should be a mapping"),
        ("a: 1\nb: 2\na: 3\n", "line 3: this key stands twice: 'a'"),
        ("a:\n  - {b: 1, b: 2}\n", "line 2: this key stands twice: 'b'"),
        ("a: &x [*x]\n", "anchors and aliases"),
        ("a: &x 1\nb: *x\n", "anchors and aliases"),
        ("on: 1\n", "line 1: a key should be a word"),
        ("a: 'b\n", "not YAML"),
        ("a: !!python/object:os.system x\n", "not YAML"),
        ("a: b\n---\nc: d\n", "not YAML"),
        ("a: \x07\n", "not YAML"),
    ],
)
def test_what_is_no_such_file_is_one_message(text, words):
    with pytest.raises(UsageError) as caught:
        parse_yaml(text.encode(), "f.yaml")
    assert words in str(caught.value)


def test_values_are_of_their_types_and_keys_are_known():
    @dataclass(frozen=True, kw_only=True)
    class Shape:
        name: str
        numbers: tuple[int, ...] = ()
        more: dict[str, float] = field(default_factory=dict)
        __pydantic_config__ = STRICT

    assert parse_yaml(b"name: a\nnumbers: [1, 2]\nmore: {x: 0.5}\n", "f").read(Shape) == Shape(
        name="a", numbers=(1, 2), more={"x": 0.5}
    )
    for text, words in {
        "name: 1\n": "line 1: name: Input should be a valid string; it says '1'",
        "name: a\nnumbers:\n  - 1\n  - '2'\n": "line 4: numbers.1",
        "name: a\nmore: {x: y}\n": "line 2: more.x",
        "name: a\nnumers: []\n": "line 2: there is no key 'numers' (did you mean 'numbers'?)",
        "nam: a\n": "line 1: there is no key 'nam' (did you mean 'name'?)",
    }.items():
        with pytest.raises(UsageError) as caught:
            parse_yaml(text.encode(), "f").read(Shape)
        assert words in str(caught.value)
