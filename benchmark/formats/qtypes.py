"""The type of a question (C, DE, DG, DS, CE, CG, CS), where it comes from: a column, a sidecar file, or rules.

A sidecar is `types.jsonl` or `types.csv` beside the data, each entry with `type` and either `id` or `question_sha256`
(of the question's UTF-8 text). The rules are keywords; they are for sets that come without types, and every report says
that they were used.
"""

from __future__ import annotations

import csv
import functools
import importlib.resources
import io
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import text_sha256
from cpbench.records import QTYPES, Item, QType

Source: TypeAlias = Literal["column", "sidecar", "rules", "none"]
Aspect: TypeAlias = Literal["E", "G", "S"]
SIDECARS = ("types.jsonl", "types.csv")
SPELLINGS: Mapping[QType, tuple[str, ...]] = {
    "C": ("content", "content only", "contextual", "semantic", "semantics"),
    "DE": ("direct emotion", "emotion", "dp emotion", "paralinguistic emotion", "emotion recognition"),
    "DG": ("direct gender", "gender", "dp gender", "paralinguistic gender", "gender recognition"),
    "DS": (
        "direct speaker",
        "direct speakers",
        "dp speaker",
        "speaker count",
        "number of speakers",
        "speaker counting",
    ),
    "CE": ("contextual emotion", "cp emotion", "content emotion", "contextual paralinguistic emotion"),
    "CG": ("contextual gender", "cp gender", "content gender", "contextual paralinguistic gender"),
    "CS": ("contextual speaker", "contextual speakers", "cp speaker", "content speaker"),
}
_KNOWN: Mapping[str, QType] = {spelling: kind for kind, more in SPELLINGS.items() for spelling in (kind.lower(), *more)}


def read_type(word: str) -> QType | None:
    """A set's own word for a type, or None.

    >>> read_type("Contextual-Emotion"), read_type("CE"), read_type("news")
    ('CE', 'CE', None)
    """
    return _KNOWN.get(" ".join(re.findall(r"[a-z]+", word.lower())))


def types_from(items: Iterable[Item]) -> Source:
    """Where the types of these items come from; the least certain source where there are several."""
    sources = {item.origin.get("types_from", "column" if item.type else "none") for item in items}
    order: tuple[Source, ...] = ("rules", "sidecar", "column")
    return next((source for source in order if source in sources), "none")


@dataclass(frozen=True)
class TypeSource:
    """Types that stand beside a set, by item id or by the sha256 of the question."""

    path: Path | None = None
    types: Mapping[str, QType] = field(default_factory=dict)

    @classmethod
    def beside(cls, place: Path | None) -> TypeSource:
        """Read the sidecar `place`, or the one in the folder `place`; without one, there are none."""
        if place is None:
            return cls()
        path = next((place / name for name in SIDECARS if (place / name).is_file()), None) if place.is_dir() else place
        return cls() if path is None else cls(path, dict(_entries(path)))

    def of(self, stated: str | None, item_id: str, question: str, answer: str) -> tuple[QType, Source]:
        """The type of a question and its source: what the row states, else the sidecar, else the rules."""
        kind = None if stated is None else read_type(stated)
        if kind is not None:
            return kind, "column"
        kind = self.types.get(item_id) or self.types.get(text_sha256(question))
        return (kind, "sidecar") if kind is not None else (tag_question(question, answer), "rules")


def _entries(path: Path) -> Iterator[tuple[str, QType]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text))) if path.suffix == ".csv" else [*map(json.loads, _filled(text))]
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read as a list of types ({error}):", value=str(path)) from None
    for number, row in enumerate(rows, 1):
        yield _entry(f"{path}, entry {number}", row)


def _entry(where: str, row: Any) -> tuple[str, QType]:
    key = str(row.get("id") or row.get("question_sha256") or "") if isinstance(row, dict) else ""
    if not key:
        raise UserError(f"{where}: has neither id nor question_sha256:", value=row, mend='{"id": "...", "type": "CE"}')
    word = str(row.get("type") or "")
    kind = read_type(word)
    if kind is None:
        raise UsageError(f"{where}: unknown question type", value=word, allowed=QTYPES)
    return key, kind


def _filled(text: str) -> Iterator[str]:
    return (line for line in text.split("\n") if line.strip())


def tag_question(question: str, answer: str = "") -> QType:
    """Tag an English or Mandarin question with its type, by keywords (the words stand in `qtypes.toml`).

    1. What is asked for: the number of speakers, a gender, an emotion (a feeling counts where a voice or a person is
       named that may have it); failing these, whether the question points at a speaker by gender ("the female speaker")
       or by order ("the second speaker"), or the answer does. None of these: C.
    2. Whether content is needed too: the question gives it a place ("why", "feel about", "when talking"), or words are
       left once those of function and of voice are taken away. Then CE, CG, CS, else DE, DG, DS.

    Measured on questions typed by hand (`tests/formats/*.tsv`): 164 of 164 of those by which the rules were made, and
    66 of 80 (.825) of those that were written after them, where most faults are a direct question taken for a
    contextual one or a rare wording taken for C. So the types of a set without a type column are an approximation.

    >>> tag_question("Is the speaker a man or a woman?"), tag_question("Why does she sound angry?")
    ('DG', 'CE')
    """
    chinese = len(re.findall(r"[\u4e00-\u9fff]", question)) > len(re.findall(r"[A-Za-z]+", question))
    rules = _mandarin() if chinese else _english()
    text = question.lower().replace("’", "'")
    aspect = rules.aspect(text, answer.lower())
    if aspect is None:
        return "C"
    return _TYPE[bool(rules.context.search(text)) or rules.content_left(text), aspect]


_TYPE: Mapping[tuple[bool, Aspect], QType] = {
    (False, "E"): "DE",
    (False, "G"): "DG",
    (False, "S"): "DS",
    (True, "E"): "CE",
    (True, "G"): "CG",
    (True, "S"): "CS",
}


@dataclass(frozen=True)
class _Rules:
    """One language: patterns in the order in which they are tried, and what is no content."""

    asked: tuple[tuple[Aspect | None, str], ...]  # None: the question is about content, whatever follows
    answered: tuple[tuple[Aspect, str], ...]
    context: re.Pattern[str]
    generic: re.Pattern[str]  # words of function and of voice
    least: int  # so many words, or signs, left over are content

    def aspect(self, question: str, answer: str) -> Aspect | None:
        for aspect, pattern in self.asked:
            if re.search(pattern, question):
                return aspect
        return next((aspect for aspect, pattern in self.answered if re.search(pattern, answer)), None)

    def content_left(self, question: str) -> bool:
        return len(re.findall(r"[a-z][a-z']*|[\u4e00-\u9fff]", self.generic.sub(" ", question))) >= self.least


@functools.cache
def _lexicon() -> Mapping[str, Mapping[str, str]]:
    """Language -> list -> one alternation, longer words first."""
    text = importlib.resources.files("cpbench.formats").joinpath("qtypes.toml").read_text(encoding="utf-8")
    return {
        language: {name: "|".join(sorted(words.split(), key=len, reverse=True)) for name, words in lists.items()}
        for language, lists in tomllib.loads(text).items()
    }


@functools.cache
def _english() -> _Rules:
    words = {name: f"(?:{pattern})" for name, pattern in _lexicon()["english"].items()}
    man, woman, role, feeling, holder = (words[name] for name in ("man", "woman", "role", "feeling", "holder"))
    of_voice = rf"(?=.*\b{holder}\b)"
    return _Rules(
        asked=(
            ("S", r"how many (?:\w+ )?(?:speakers|voices|participants)\b"),
            ("S", rf"\b(?:number|count) (?:of )?(?:the )?{role}\b"),
            ("S", rf"how many (?:\w+ )?{role}\b.*\b{words['talk']}\b"),
            ("S", r"\b(?:more than|only|just) one (?:person|speaker|voice)\b|\bmonologue\b|\bone voice or\b"),
            ("S", r"\b(?:any|some)(?:one|body) else\b|\b(?:speaker|person)\b.*\b(?:alone|the only one)\b"),
            ("G", rf"\bgender\b|\b(?:what|which) sex\b|\bsex of\b|\b{man},? or (?:an? |the )?{woman}\b"),
            (
                "G",
                rf"\b{woman},? or (?:an? |the )?{man}\b|\bhear an? {man}(?:'s)? voice|\bhear an? {woman}(?:'s)? voice",
            ),
            ("E", rf"\b{words['emotion']}\b|\bhow (?:do|does|did) (?:\w+ ){{1,3}}sounds?\b(?! like)"),
            (
                None,
                r"^what (?:do|does|did) (?:the )?\w+ (?:say|tell|mention|explain)\b|\btones? of (?!voice|the speaker)",
            ),
            ("E", rf"^{of_voice}.*\b{feeling}\b"),
            ("G", rf"\b(?:fe)?male {role}\b"),
            ("S", r"\b(?:first|second|third|fourth|other|another|both|which) (?:speaker|voice)s?\b(?! assistant)"),
            ("S", r"\b(?:different|two|three|all) (?:speaker|voice)s\b"),
            ("S", r"\bsame (?:person|speaker|voice)\b|\bspeakers? (?:one|two|three|[ab12])\b"),
            ("S", r"\bthe (?:person|speaker|one|caller|guest) who\b.*\b(?:also|too|as well)\b"),
        ),
        answered=(
            ("G", rf"^(?:an?|the) (?:{man}|{woman})\W*$"),
            (
                "S",
                r"^(?:the )?(?:first|second|third) (?:speaker|person|voice)\W*$|^speaker (?:one|two|three|[ab12])\W*$",
            ),
        ),
        context=re.compile(
            r"\bwhy\b|\breasons?\b|\bcaus(?:e|es|ed|ing)\b|\bbecause\b|\baccording to\b"
            r"|\bwhat (?:ma[dk]es?|brings?|brought)\b"
            r"|\b(?:feel|feels|felt|feelings?|attitudes?|react\w*) (?:about|towards?|to|regarding|when|while)\b"
        ),
        generic=re.compile(rf"\b(?:{words['generic']}|{words['emotion']}|{feeling})(?:'s)?(?![\w'])"),
        least=1,
    )


@functools.cache
def _mandarin() -> _Rules:
    words = {name: f"(?:{pattern})" for name, pattern in _lexicon()["mandarin"].items()}
    man, woman, role, talk = (words[name] for name in ("man", "woman", "role", "talk"))
    many = r"(?:几|多少)(?:个|位|名|种)?(?:不同的?)?"
    gap = r"[^，。？]{0,4}还是[^，。？]{0,2}"
    return _Rules(
        asked=(
            ("S", rf"{many}(?:说话人|说话者|说话的人|讲话者|发言者|声音|嗓音)|说话人数|说话人的?数量|独白"),
            ("S", rf"{many}{role}.*{talk}|不止一个?人|只有一个?人|还有(?:别人|其他人)"),
            ("G", rf"性别|{man}{gap}{woman}|{woman}{gap}{man}|男女"),
            ("E", words["emotion"]),
            ("G", r"[男女](?:性)?(?:的)?(?:说话|讲话|发言|讲者|主持|嘉宾|声)"),
            ("S", r"第[一二三四两](?:个|位|名)?(?:说话|讲话|发言|人)|[两三四](?:个|位|名)(?:说话|讲话|发言)"),
            ("S", r"同一个?(?:人|说话)|哪(?:个|位|一位)(?:说话|讲话|发言)"),
        ),
        answered=(("G", rf"^(?:一[个位名])?(?:{man}|{woman})\W*$"),),
        context=re.compile(r"为什么|为何|原因|导致|是什么(?:让|使|令)|[谈提说讲]到|对于|关于|因为|哪件事"),
        generic=re.compile(words["generic"]),
        least=2,
    )
