"""`overlap_score`, 0 to 100: an offline scorer from labels and words, for tests, demos and a first look.

It is not a judge: it does not know what words mean, and every table that shows it says "no LLM judge".

An item with a label and options gets 100 where the label read from the answer is the item's, else 0. Any other item
gets the best over its references (and its label) of

    100 * recall * min(1, room / said)

recall = share of the reference's content words that the answer holds (each as often as it stands there); said = number
of the answer's content words; room = 20 or four times the reference's content words, whichever is more. So a short
reference that stands whole in an answer of ordinary length is full, and an answer that recites everything is not.

Words are folded (NFKC, lower case, umlauts and accents kept), number words become digits, endings of English and
German go, function words go unless the reference has nothing else. Chinese and Japanese text is taken character by
character. A content word that follows a negation within its clause ("not sad", "不高兴") is another word than
the same without. Where both begin with yes or no, and differ, the score is 0. An answer that is empty, refused or cut
off scores 0.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache, partial

from cpbench.metrics._means import mean, mean_rows
from cpbench.metrics.classification import labelled, predicted
from cpbench.parts import Metric
from cpbench.records import Outcome

ROOM = 20  # content words that any answer may have
ROOM_PER_WORD = 4  # and so many for each content word of the reference
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(
    rf"(?P<char>[{_CJK}])|(?P<number>\d+(?:[.,]\d+)?)|(?P<word>(?:(?![{_CJK}])[^\W\d_])+(?:['’](?:(?![{_CJK}])[^\W\d_])+)?)"
    r"|(?P<stop>[.,;:!?。，；：！？、])"
)
_FUNCTION = frozenset(
    re.findall(
        r"\w+",
        """
        a an the this that these those it its he she they him her his their them we us our you your i my me
        is are was were be been being am do does did has have had having will would can could should may might must
        of in on at to from by with for as and or so than then there here what which who whom whose how when where why
        very too also just about into

        der die das den dem des ein eine einen einem einer eines er sie es ihr ihm ihn ihnen sein seine seinen seinem
        seiner ihre ihren ihrem ihrer wir uns ich mein meine du dein deine und oder ist sind war waren wird werden wurde
        wurden hat haben hatte hatten im ins an auf aus bei mit nach von vom zu zum zur für als wie dass auch sehr sich
        man

        的 了 是 在 我 你 您 他 她 它 们 这 那 个 位 和 与 及 也 都 很 就 着 过 吗 呢 吧 啊 把 被 对
        从 到 为 以 有 之 其
        """,
    )
)
_NEGATIONS = frozenset(
    re.findall(
        r"\w+",
        """
        not no never neither nor without cannot
        nicht kein keine keinen keinem keiner keines nie niemals ohne weder noch
        不 没 沒 無 无 非 未 别
        """,
    )
)
_CLAUSE_ENDS = frozenset({"but", "however", "aber", "sondern", "doch", "但", "而"})
_SCOPE = {"word": 3, "char": 2}  # content words, and characters, that a negation reaches
_YES_NO = {"yes": True, "yeah": True, "ja": True, "no": False, "nope": False, "nein": False}
_NUMBERS = {
    word: str(number)
    for words in (
        "zero one two three four five six seven eight nine ten eleven twelve",
        "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "零 一 二 三 四 五 六 七 八 九 十",
    )
    for number, word in enumerate(words.split())
} | {"两": "2", "兩": "2", "〇": "0"}
_ENDING = re.compile(r"(?<=\w{3})(?:'s|’s|ing|ed|ies|ens|ern|ers|es|en|er|em|ns|s|e|n)$")


def content(text: str) -> tuple[str, ...]:
    """Return a text's content words, folded, with "¬" before each that is negated.

    >>> content("She is not sad; two Dogs barked.")
    ('¬sad', '2', 'dog', 'bark')
    >>> content("他不高兴")
    ('¬高', '¬兴')
    """
    return tuple(word for word, functional in _tokens(text) if not functional)


def overlap(answer: str, reference: str) -> float:
    """Return the overlap of an answer with one reference: 0 to 100, by the rule above.

    >>> overlap("I think the tablecloth is lying there.", "The tablecloth.")
    100.0
    >>> overlap("A letter.", "A red letter.")
    50.0
    >>> overlap("She is not sad.", "She is sad.")
    0.0
    """
    if _yes_no(answer) is not None and _yes_no(reference) is not None and _yes_no(answer) != _yes_no(reference):
        return 0.0
    wanted = content(reference)
    said = content(answer)
    if not wanted:  # nothing but function words ("It is her."): then these count
        wanted, said = (tuple(word for word, _ in _tokens(text)) for text in (reference, answer))
    if not wanted or not said:
        return 0.0
    held = (Counter(wanted) & Counter(said)).total()
    room = max(ROOM, ROOM_PER_WORD * len(wanted))
    return 100.0 * held / len(wanted) * min(1.0, room / len(said))


def overlap_score(outcome: Outcome) -> float:
    """Return an outcome's overlap with its label or the best of its references: 0 to 100."""
    if labelled(outcome):
        return 100.0 * (predicted(outcome) == outcome.item.label)
    if outcome.prediction.status != "ok":
        return 0.0
    truths = outcome.item.references + ((outcome.item.label,) if outcome.item.label else ())
    return _best(outcome.prediction.answer, truths)


def has_truth(outcome: Outcome) -> bool:
    """Whether the item says what would be right."""
    return outcome.item.label is not None or bool(outcome.item.references)


@lru_cache(maxsize=1 << 17)  # the whole and its type ask alike
def _best(answer: str, truths: tuple[str, ...]) -> float:
    return max(overlap(answer, truth) for truth in truths)


@lru_cache(maxsize=1 << 14)
def _tokens(text: str) -> tuple[tuple[str, bool], ...]:
    """A text's words, folded and marked where negated, each with whether it is a function word."""
    found: list[tuple[str, bool]] = []
    reach = 0
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        kind, word = str(match.lastgroup), match.group()
        if kind == "stop" or word in _CLAUSE_ENDS:
            reach = 0
        elif word in _NEGATIONS or word.endswith(("n't", "n’t")):
            reach = _SCOPE["char" if kind == "char" else "word"]
            found.append((_folded(word), True))
        elif word in _FUNCTION:
            found.append((word, True))
        else:
            found.append(("¬" * (reach > 0) + _folded(word), False))
            reach -= reach > 0
    return tuple(found)


def _folded(word: str) -> str:
    return _NUMBERS.get(word) or _ENDING.sub("", word)


def _yes_no(text: str) -> bool | None:
    first = _TOKEN.search(unicodedata.normalize("NFKC", text).casefold())
    return _YES_NO.get(first.group()) if first else None


METRICS = (Metric("overlap_score", partial(mean_rows, overlap_score), mean, has_truth, bounds=(0.0, 100.0)),)
