"""The words by which options are named, and the cues by which sentences are read: `lexicon.toml`, as patterns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

_LATIN = "a-zà-öø-ÿ0-9"
_CHINESE = re.compile(r"[一-鿿]")
MARKDOWN = re.compile(r"[*_`#~>|\\]+")
_ARTICLE = re.compile(r"\A(?:an?|the|eine?|der|die|das) (?=.)")


@dataclass(frozen=True)
class Term:
    """One way to name an option, as a regular expression over plain text."""

    pattern: str
    option: str
    sure: bool = True


def plain(answer: str) -> str:
    """One case and one width, straight apostrophes, no Markdown."""
    text = unicodedata.normalize("NFKC", answer).lower().replace("’", "'").replace("‘", "'")
    return re.sub(r"[ \t]+", " ", MARKDOWN.sub(" ", text)).strip()


@cache
def _lexicon() -> dict[str, Any]:
    import tomllib  # both cost more to import than all the rest of this file, and --help needs neither
    from importlib.resources import files

    return tomllib.loads(files("cpbench").joinpath("lexicon.toml").read_text(encoding="utf-8"))


@cache
def cue(name: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in _lexicon()["cues"][name]))


def union(patterns: list[str]) -> re.Pattern[str]:
    """Any of the patterns: whole words where the script has words; Chinese is matched anywhere."""
    chinese = [pattern for pattern in patterns if _CHINESE.search(pattern)]
    latin = [pattern for pattern in patterns if not _CHINESE.search(pattern)]
    words = rf"(?<![{_LATIN}])(?:{'|'.join(latin) or '(?!)'})(?![{_LATIN}])"
    return re.compile("|".join([words, *chinese]))


def terms_of(options: tuple[str, ...]) -> list[Term]:
    """The options' own names, then the synonyms that exactly one of them has."""
    names = names_of(options)
    own = {_literal(name): option for option, name in zip(options, names, strict=True)}
    own |= {_literal(_whole(option)): option for option in options}
    own.pop("", None)  # an option of punctuation alone has no name
    claims: dict[tuple[str, bool], set[str]] = {}
    present = {concept_of(name) for name in names}
    for option, name in zip(options, names, strict=True):
        for pattern, sure in [*_synonyms(concept_of(name), present), *_counts(_number(name))]:
            claims.setdefault((pattern, sure), set()).add(option)
    shared = [
        Term(pattern, next(iter(claimants)), sure)
        for (pattern, sure), claimants in claims.items()
        if len(claimants) == 1 and pattern not in own
    ]
    bare = {_literal(name) for name in names if _number(name)}  # "2" alone is less sure than "two speakers"
    return [*(Term(pattern, option, pattern not in bare) for pattern, option in own.items()), *shared]


def _whole(option: str) -> str:
    return _ARTICLE.sub("", plain(option).strip(" .,:;!?\"'()[]"), count=1)


def names_of(options: tuple[str, ...]) -> list[str]:
    """The options without the words that all of them share: "The speaker is sad" among its like is "sad"."""
    split = [_whole(option).split() for option in options]
    common = set.intersection(*map(set, split)) if len(split) > 1 else set()
    short = [" ".join(word for word in words if word not in common) for words in split]
    return short if all(short) and len(set(short)) == len(short) else [" ".join(words) for words in split]


def _literal(words: str) -> str:
    """A word as a pattern: "*" is any ending, an umlaut may be spelt with an e."""
    pattern = re.escape(words).replace(r"\ ", r"\s+")
    for umlaut, spelt in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        pattern = pattern.replace(umlaut, f"(?:{umlaut}|{spelt})")
    return pattern.replace(r"\*", f"[{_LATIN}]*")


@cache
def concept_of(name: str) -> str | None:
    """The concept that an option's name belongs to; a bilingual name ("生气/angry") by any of its parts."""
    parts = [name, *name.split("/")]
    concepts = _lexicon()["concepts"]
    return next((concept for part in parts for concept in concepts if _words_of(concept).fullmatch(part)), None)


@cache
def emotions() -> dict[str, str]:
    """What names an emotion outright: the concepts that are emotions, and the short forms of corpora for them."""
    shorts = _lexicon()["emotions"]
    return {word: concept for concept, short in shorts.items() for word in (concept, *short)}


@cache
def _words_of(concept: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_literal(word)})" for word in _lexicon()["concepts"][concept]["words"]))


def _synonyms(concept: str | None, present: set[str | None]) -> Iterator[tuple[str, bool]]:
    """(pattern, sure) of every word for an option's concept, and for those that fall to it for want of an option."""
    for name, entry in _lexicon()["concepts"].items():
        if concept is None or concept != falls_to(name, present):
            continue
        yield from ((_literal(word), True) for word in entry["words"])
        yield from ((pattern, True) for pattern in entry.get("patterns", ()))
        yield from ((_literal(word), False) for word in entry.get("weak", ()))


def falls_to(concept: str, present: Collection[str | None]) -> str | None:
    """The concept among those present that a concept's words name."""
    concepts = _lexicon()["concepts"]
    seen: str | None = concept if concept in concepts else None
    while seen is not None and seen not in present:
        if concepts[seen].get("unless") in present:
            return None
        seen = concepts[seen].get("else")
    return seen


@cache
def _number(name: str) -> str | None:
    """The number that an option stands for: "2", "two", "two speakers", "zwei Personen", "两个人"."""
    for number in _lexicon()["numbers"]:
        if any(re.fullmatch(pattern, name) for pattern, _ in _counts(number)):
            return str(number)
    return None


@cache
def _counts(number: str | None) -> tuple[tuple[str, bool], ...]:
    """(pattern, sure) of the ways to say a number of speakers."""
    if number is None:
        return ()
    counted = _lexicon()["counted"]
    words = _lexicon()["numbers"][number]
    chinese = "|".join(word for word in words if _CHINESE.search(word) or word.isdigit())
    latin = "|".join(_literal(word) for word in words if not _CHINESE.search(word))
    alone = [(_literal(word), False) for word in words if word not in counted["not_alone"]]
    between, nouns = counted["between"], counted["nouns"]
    return (
        (rf"(?:{latin})(?:[ -]{between})*[ -]{nouns}", True),
        (rf"(?:{chinese}){counted['nouns_zh']}", True),
        *alone,
    )
