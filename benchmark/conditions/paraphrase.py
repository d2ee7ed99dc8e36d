"""`paraphrase:2`: the question in its second other wording.

The wordings come from `--paraphrases FILE`; the packaged tasks bring their own (`tasks/paraphrases.jsonl`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from cpbench.conditions._wordings import EXAMPLE, SLOT
from cpbench.errors import UsageError, UserError
from cpbench.records import Item, Request, Setting

MEANING = "How far the answer hangs on the wording of the question."
IN = {"perturbations": "paraphrase:1"}
ANY, WORD = ".+", r"[^\s,.?!:;]+"
LEFT_OUT = "their question has no such other wording"


def needs(argument: str) -> tuple[str, None]:
    return "wordings", None


def change(items: Sequence[Item], requests: Sequence[Request], argument: str, setting: Setting) -> Iterable[Request]:
    """Put the wording in the question's place within the prompt; all else of the prompt stays.

    Raises UserError where no question has such a wording, and where a wording loses the options that the question
    lists.
    """
    if not re.fullmatch(r"[1-9]\d*", argument):
        raise UsageError("paraphrase takes a number from 1 on", value=argument, mend="--condition paraphrase:1")
    wordings = Wordings(setting.paraphrases)
    made = []
    for item, request in zip(items, requests, strict=True):
        known = wordings.of(item.question)
        before, found, after = request.text.rpartition(item.question)  # the last one: a transcript stands before it
        if found and len(known) >= int(argument):
            wording = known[int(argument) - 1]
            _check_options(item, wording)
            made.append(dataclasses.replace(request, text=f"{before}{wording}{after}"))
    if requests and not made:
        raise UserError(
            f"none of {len(items)} items has {argument} other wording(s) of its question, {items[0].id} first",
            mend=f"--paraphrases FILE, with lines such as {EXAMPLE}",
        )
    return made


class Wordings:
    """The other wordings of questions, where a question stands as it is or is made after a pattern.

    >>> Wordings({"Who took the {thing}?": ("By whom was the {thing} taken?",)}).of("Who took the lamp?")
    ('By whom was the lamp taken?',)
    """

    def __init__(self, paraphrases: Mapping[str, Sequence[str]]) -> None:
        self._exact = paraphrases
        self._patterns = [
            (_pattern(question), found) for question, found in paraphrases.items() if SLOT.search(question)
        ]

    def of(self, question: str) -> tuple[str, ...]:
        """The wordings of a question in their order; () where there are none."""
        if question in self._exact:
            return tuple(self._exact[question])
        for pattern, wordings in self._patterns:
            if (found := pattern.fullmatch(question)) is not None:
                words = found.groupdict()
                return tuple(SLOT.sub(lambda slot: words[slot[1]], wording) for wording in wordings)  # noqa: B023
        return ()


def _pattern(question: str) -> re.Pattern[str]:
    """The questions that a pattern stands for: a slot is one word, `{options}` any list."""
    pieces, seen = SLOT.split(question), set()  # text, slot, text, slot, ..., text
    made = ""
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            made += re.escape(piece)
        elif piece in seen:
            made += f"(?P={piece})"
        else:
            seen.add(piece)
            made += f"(?P<{piece}>{ANY if piece == 'options' else WORD})"
    return re.compile(made)


def _check_options(item: Item, wording: str) -> None:
    """A question that lists its options must go on listing them."""
    asked, said = item.question.casefold(), wording.casefold()
    named = [option.casefold() in asked for option in item.options]
    lost = [option for option in item.options if option.casefold() not in said]
    if named and all(named) and lost:
        raise UserError(f"{item.task}/{item.id}: the question lists its options, and {wording!r} loses", value=lost[0])
