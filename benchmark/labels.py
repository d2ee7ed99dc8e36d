"""From a model's words to what is scored: which of a question's options an answer names, if it names one.

An answer is read in steps. It is made plain (one case, no Markdown); the mentions of each option are found; each is
read in its sentence as asserted, denied ("not angry"), aside (a first impression, a list to choose from), or content
(what the words say, not the voice); and what stands asserted is the verdict, if it is one option. A hedge has no label.

The words are data: `lexicon.toml`, in English, German and Chinese; options of any other wording match as they stand.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

from cpbench.lexicon import MARKDOWN, Term, concept_of, cue, emotions, falls_to, names_of, plain, terms_of, union
from cpbench.reasoning import split_reasoning

__all__ = ["emotion_among", "emotion_named", "extract_label", "labels_named", "split_reasoning"]

Reading = Literal["asserted", "denied", "aside", "content"]
# Bounded, since runaway answers repeat themselves without an end.
_SENTENCE = re.compile(r"(?:[^.!?。;\n]|(?<=\d)\.(?=\d)){1,1000}[.!?。;\n]*")
_LETTER = re.compile(  # a choice by its letter: alone, in front of the answer, or after "Answer:"
    r"\A\s*[(\[]?(?P<alone>[A-Za-z])[)\].:]?\s*\Z"
    r"|\A\s*(?:[(\[](?P<boxed>[A-Za-z])[)\]]|(?P<first>[A-Za-z])[).:])\s"
    r"|(?i:\b(?:answer|option|choice|antwort)|答案|选项?|選項?)(?i:\s*(?:is|ist|would be|is option|是|为|:))*\s*"
    r"(?:[(\[](?P<called_boxed>[A-Za-z])[)\]]|(?P<called>[A-Z])(?![\w'-])(?!\s+[a-z]+ing\b))"
)
_LETTERS = re.compile(
    r"\b([A-Z])\b\)?\s*,?\s*(?:or|and|oder|und|/|,|&|或|和)\s*"
    r"(?:possibly |maybe |perhaps |even |vielleicht )?\(?([A-Z])\b"
)
# The choices repeated, a line each: "A. ...", "B. ...".
_CHOICES = re.compile(r"(?:^[ \t]*\(?[A-Za-z][).:][ \t].*(?:\n\s*|\Z)){2,}", re.MULTILINE)


@dataclass(frozen=True)
class _Mention:
    start: int
    end: int
    option: str
    sure: bool = True  # False: a pronoun, a number alone
    reading: Reading = "asserted"


def extract_label(answer: str, options: Sequence[str]) -> str | None:
    """Return the one option that the answer commits itself to, or None: none named, several, all denied, or a refusal.

    Where options are choices, a letter ("B", "(b)", "Answer: B") is the option of that place; if the words beside it
    name another option, there is no label. Names of options win over synonyms, and a synonym that two options share
    names neither. A second label, however weakly put ("with a hint of sadness"), is a hedge.

    >>> extract_label("Not angry, but rather sad.", ["anger", "sadness", "joy"])
    'sadness'
    >>> extract_label("Either angry or sad.", ["anger", "sadness", "joy"])
    >>> extract_label("Of anger, sadness and joy, I would say sadness.", ["anger", "sadness", "joy"])
    'sadness'
    >>> extract_label("A woman.", ["male", "female"])
    'female'
    >>> extract_label("(b)", ["yes", "no"])
    'no'
    """
    options = tuple(options)
    answer = _CHOICES.sub("", answer)
    text = plain(answer)
    reader = _reader(options)
    mentions = reader.read(text)
    letters = _letters(answer, options)
    if letters:
        asserted = {m.option for m in mentions if m.reading == "asserted"}
        return letters[0] if len(letters) == 1 and asserted <= {letters[0]} else None
    if (void := _refused(text, mentions, reader.neutral)) is not None:
        mentions = void
    return _verdict(text, mentions)


def labels_named(answer: str, options: Sequence[str]) -> tuple[str, ...]:
    """Return every option that the answer names, in order of mention and once each; what it denies is left out.

    >>> labels_named("Sad or angry, but not happy.", ["anger", "sadness", "joy"])
    ('sadness', 'anger')
    """
    options = tuple(options)
    mentions = [m for m in _reader(options).read(plain(answer)) if m.reading != "denied"]
    return tuple(dict.fromkeys([*_letters(answer, options), *(m.option for m in mentions)]))


def emotion_named(label: str) -> str | None:
    """Return the emotion that a label of any data set or classifier stands for, in our one spelling; None: none known.

    >>> [emotion_named(label) for label in ("Angry", "生气/angry", "hap", "Freude", "male", "<unk>")]
    ['anger', 'anger', 'happiness', 'happiness', None, None]
    """
    known = emotions()
    name = plain(label)
    return known.get(name) or next((known[part] for part in name.split("/") if part in known), None) or _known(name)


def emotion_among(label: str, labels: Collection[str]) -> str:
    """Return the one of `labels` (our spelling) that takes in an emotion which is not among them; else `label` itself.

    >>> emotion_among("excitement", {"happiness", "anger"}), emotion_among("fear", {"happiness", "anger"})
    ('happiness', 'fear')
    """
    return falls_to(label, set(labels)) or label


def _known(name: str) -> str | None:
    concept = concept_of(name)
    return concept if concept in emotions().values() else None


def _letters(answer: str, options: tuple[str, ...]) -> list[str]:
    """The options that the answer names by their letters, A being the first."""
    text = MARKDOWN.sub(" ", unicodedata.normalize("NFKC", answer)).strip()
    found = [letter for match in _LETTER.finditer(text) for letter in match.groups() if letter]
    found += [letter for match in _LETTERS.finditer(text) for letter in match.groups()]
    places = [ord(letter.upper()) - ord("A") for letter in found]
    single = {option.casefold() for option in options if len(option) == 1 and option.isascii()}
    if single & {letter.casefold() for letter in found}:
        return []  # the letters are the options' own names
    return list(dict.fromkeys(options[place] for place in places if place < len(options)))


# --- Reading mentions in their sentences ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reader:
    """Finds the mentions of one tuple of options."""

    terms: re.Pattern[str]
    owners: tuple[Term, ...]
    options: int
    neutral: frozenset[str]  # the options that also stand for "no emotion"
    known: dict[str, Term] = field(default_factory=dict)  # words already met, and whose they are

    def read(self, text: str) -> list[_Mention]:
        """Every mention, each read in its sentence."""
        found = list(self._find(text))
        if not found:
            return []
        read: list[_Mention] = []
        for sentence in _SENTENCE.finditer(text):
            inside = [m for m in found if sentence.start() <= m.start < sentence.end()]
            for group in _groups(text, inside):
                reading = _reading(_Place(text, sentence.start(), sentence.end(), inside, group, self.options))
                sure = any(m.sure for m in group)
                read += [dataclasses.replace(m, reading=reading, sure=sure) for m in group]
        return read

    def _find(self, text: str) -> Iterator[_Mention]:
        for match in self.terms.finditer(text):
            term = self.known.get(match.group()) or self._owner(match.group())
            yield _Mention(match.start(), match.end(), term.option, term.sure)

    def _owner(self, words: str) -> Term:
        self.known[words] = next(term for term in self.owners if re.fullmatch(term.pattern, words))
        return self.known[words]


@dataclass(frozen=True)
class _Place:
    """A group of mentions and what stands around it."""

    text: str
    start: int  # of the sentence
    end: int
    inside: list[_Mention]  # of the sentence
    group: list[_Mention]
    options: int  # how many there are

    @cached_property  # asked for every negation of the sentence
    def before(self) -> str:
        """From the mention before, or the sentence's beginning."""
        ends = [m.end for m in self.inside if m.end <= self.group[0].start]
        return self.text[max([self.start, *ends]) : self.group[0].start]

    @property
    def after(self) -> str:
        return self.text[self.group[-1].end : self.end]

    @property
    def several(self) -> bool:
        return len({m.option for m in self.group}) > 1


def _groups(text: str, mentions: list[_Mention]) -> list[list[_Mention]]:
    """Mentions that are listed together: only commas, "and", "or" and the like between them."""
    groups: list[list[_Mention]] = []
    for mention in mentions:
        if groups and cue("glue").fullmatch(text, groups[-1][-1].end, mention.start):
            groups[-1].append(mention)
        else:
            groups.append([mention])
    return groups


def _reading(place: _Place) -> Reading:
    if _denied(place):
        return "denied"
    if _listed(place) or _first_impression(place) or _conceded(place):
        return "aside"
    if cue("content_before").search(place.before) or cue("content_after").match(place.after):
        return "content"
    return "asserted"


def _denied(place: _Place) -> bool:
    """A negation stands between the last mention and this group, with no break behind it; or right after the group."""
    before = place.text[place.start : place.group[0].start]
    harmless = [match.span() for match in cue("no_negation").finditer(place.text[place.start : place.end])]
    for match in cue("negation").finditer(before):
        if match.end() <= len(before) - len(place.before):
            continue
        if any(start < match.end() and match.start() < end for start, end in harmless):
            continue
        if not cue("breaks").search(before, match.end()):
            return True
    return cue("negation_after").match(place.text, place.group[-1].end) is not None


def _listed(place: _Place) -> bool:
    """Options repeated to choose from, or asked about."""
    asked = place.text[place.start : place.end].rstrip().endswith("?")
    if asked and len({m.option for m in place.inside}) > 1:
        return True
    if len({m.option for m in place.group}) == max(3, place.options):
        return True
    return place.several and bool(cue("choices").search(place.before)) and not cue("mixture").search(place.before)


def _first_impression(place: _Place) -> bool:
    """ "At first I thought of anger, but ...": set aside if something follows."""
    if not cue("first_impression").search(place.before):
        return False
    return cue("contrast").search(place.text, place.group[-1].end) is not None


def _conceded(place: _Place) -> bool:
    """ "Although the words are happy, the voice is sad": set aside unless the main clause only adds to it."""
    if not cue("concession").search(place.before) or any(m.end <= place.group[0].start for m in place.inside):
        return False
    comma, main = place.after.partition(",")[1:]
    follows = any(m.start >= place.group[-1].end for m in place.inside)
    return bool(comma) and follows and not cue("also").search(main)


# --- From readings to a verdict ---------------------------------------------------------------------------------------


def _refused(text: str, mentions: list[_Mention], neutral: frozenset[str]) -> list[_Mention] | None:
    """The mentions that a refusal leaves standing; None if the answer refuses nothing.

    What is said after "but" counts. "Neutral" never does after a refusal, and after a doubt only behind a "but".
    """
    refusal = cue("refusal").search(text)
    doubt = refusal or cue("unsure").search(text)
    if doubt is None:
        return None
    contrast = cue("contrast").search(text, doubt.end())
    turned = contrast.end() if contrast else len(text)
    if refusal:
        return [m for m in mentions if m.start >= turned and m.option not in neutral]
    return [m for m in mentions if m.start >= turned or m.option not in neutral]


def _verdict(text: str, mentions: list[_Mention]) -> str | None:
    asserted = [m for m in mentions if m.reading == "asserted"]
    if not asserted:
        return _only(m for m in mentions if m.reading == "content")
    for marker in reversed(list(cue("verdict").finditer(text))):
        later = [m for m in asserted if m.start >= marker.end()]
        if later and re.fullmatch(r"\s*[,:]?[^,.;!?。]*", text[marker.end() : later[0].start]):
            asserted = later
            break
    return _only(m for m in asserted if m.sure) if any(m.sure for m in asserted) else _only(asserted)


def _only(mentions: Iterable[_Mention]) -> str | None:
    options = {m.option for m in mentions}
    return options.pop() if len(options) == 1 else None


@lru_cache(maxsize=1024)
def _reader(options: tuple[str, ...]) -> _Reader:
    """Compile the ways to name each option. Longer terms are tried first, so "two speakers" is not read as "two"."""
    terms = sorted(terms_of(options), key=lambda term: (-len(term.pattern), term.pattern))
    concepts = {option: concept_of(name) for option, name in zip(options, names_of(options), strict=True)}
    neutral = frozenset(option for option, concept in concepts.items() if concept in ("neutral", "calm"))
    return _Reader(union([term.pattern for term in terms]), tuple(terms), len(options), neutral)
