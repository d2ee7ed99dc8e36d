"""The reasoning of a thinking model, taken off before anything is scored."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

# Thinking models mark their thoughts in these ways. Inside a thought only its own family's marks count, so that a
# thought that speaks of another mark ("I should use <answer> tags") does not end there.
_WORDS = r"(?:seed:)?(?:think(?:ing)?|thoughts?)"
_THOUGHTS = {  # family: (opening, closing)
    "think": (rf"<\s{{0,4}}{_WORDS}(?:\s[^<>]{{0,200}})?>", rf"<\s{{0,4}}/\s{{0,4}}{_WORDS}\s{{0,4}}>"),
    "reasoning": (r"<\s{0,4}reasoning(?:\s[^<>]{0,200})?>", r"<\s{0,4}/\s{0,4}reasoning\s{0,4}>"),
    "mistral": (r"\[\s{0,4}think(?:ing)?\s{0,4}\]", r"\[\s{0,4}/\s{0,4}think(?:ing)?\s{0,4}\]"),
    "kimi": (r"◁\s{0,4}think\s{0,4}▷", r"◁\s{0,4}/\s{0,4}think\s{0,4}▷"),
    "gemma3": (r"<unused94>(?:thought\b)?", r"<unused95>"),
    "gemma4": (r"<\|channel>thought\b", r"<channel\|>"),
    "openthinker": (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    "cohere": (r"<\|start_thinking\|>", r"<\|end_thinking\|>"),
    "harmony": (
        r"(?:<\|start\|>assistant)?<\|channel\|>(?!final)\w{1,40}[^<>]{0,200}<\|message\|>",
        r"(?:<\|start\|>assistant)?<\|channel\|>final[^<>]{0,200}<\|message\|>|<\|end\|>",
    ),
}
_MARK = re.compile(
    r"(?=[<\[◁])(?:"
    + "|".join(
        f"(?P<{family}_{side}>{mark})"
        for family, marks in _THOUGHTS.items()
        for side, mark in zip(("opens", "closes"), marks, strict=True)
    )
    + ")",
    re.IGNORECASE,
)
_IN_WORDS = (  # marks that are plain words, trusted only where the first one opens the text
    (re.compile(r"\s{0,40}here(?:'s| is) my thought process:", re.I), re.compile("here(?:'s| is) my response:", re.I)),
    (
        re.compile(r"\s{0,40}analysis(?=[A-Z])"),
        re.compile(r"assistantfinal"),
    ),  # Harmony without its tokens
)
_WRAPPER = re.compile(
    r"<\s{0,4}(?P<slash>/?)\s{0,4}(?:final_answer|answer|response|conclusion|solution)(?:\s[^<>]{0,200})?>"
    r"|<\|(?:begin|(?P<ends>end))_of_solution\|>",
    re.IGNORECASE,
)
_END_OF_TURN = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end_of_text|end|return|message|start_response|end_response|start_text|end_text)\|>"
    r"|<\|(?:im_)?start\|>(?:assistant)?|</?s>|<(?:end_of_turn|eos|pad)>",
    re.IGNORECASE,
)
_Segment = tuple[Literal["said", "thought", "stray"], str]


def split_reasoning(raw: str) -> tuple[str | None, str, Literal["ok", "empty", "truncated"]]:
    """Split a model's words into (reasoning, answer, status), in linear time.

    A thought that is never closed leaves no answer (`truncated`). A closing mark alone means that the prompt opened the
    thought: all before it is one. No words, or nothing but punctuation, is `empty`.

    >>> split_reasoning("<think>It trembles.</think> Afraid.")
    ('It trembles.', 'Afraid.', 'ok')
    >>> split_reasoning("It trembles.</think><answer>Afraid.</answer>")
    ('It trembles.', 'Afraid.', 'ok')
    >>> split_reasoning("<think>It trem")
    ('It trem', '', 'truncated')
    """
    segments, closed = _segments(_marked(raw))
    if not closed:
        return _joined(text for _, text in segments), "", "truncated"
    begin = _answer_begins(segments)
    thoughts = [text for at, (kind, text) in enumerate(segments) if kind == "thought" or at < begin]
    said = "".join(text for kind, text in segments[begin:] if kind == "said")
    aside, answer = _unwrapped(_END_OF_TURN.sub("", said).strip())
    return _joined([*thoughts, aside]), answer, "ok" if _has_words(answer) else "empty"


def _marked(raw: str) -> str:
    """Give thoughts that are announced in plain words the marks of the others."""
    for opens, closes in _IN_WORDS:
        if opens.match(raw):
            return closes.sub("</think>", opens.sub("<think>", raw, count=1), count=1)
    return raw


def _segments(raw: str) -> tuple[list[_Segment], bool]:
    """What is said and thought, in order, and whether all is closed; `stray`: a closing mark without its opening."""
    segments: list[_Segment] = []
    inside, depth, at = "", 0, 0
    for mark in _MARK.finditer(raw):
        family, _, side = (mark.lastgroup or "").partition("_")
        if inside and family != inside:
            continue
        segments.append(("thought" if inside else "said", raw[at : mark.start()]))
        at = mark.end()
        if side == "opens":
            inside, depth = (
                family,
                1 if family == "harmony" else depth + 1,
            )  # Harmony's channels follow, and do not nest
        elif inside:
            depth -= 1
            inside = family if depth else ""
        elif mark.group().lower() != "<|end|>":  # which alone is an ordinary end of turn
            segments.append(("stray", ""))
    segments.append(("thought" if inside else "said", raw[at:]))
    return segments, not inside


def _answer_begins(segments: list[_Segment]) -> int:
    """Where the answer begins: after the last stray mark that words follow.

    A first mark counts even if no words follow; a further one at the very end is a slip that takes no answer away.
    """
    first = next((at for at, (kind, _) in enumerate(segments) if kind != "said"), 0)
    spoken = False
    for at in range(len(segments) - 1, -1, -1):
        kind, text = segments[at]
        if kind == "stray" and (spoken or at == first):
            return at
        spoken = spoken or (kind == "said" and _has_words(_END_OF_TURN.sub("", text)))
    return 0


def _unwrapped(said: str) -> tuple[str, str]:
    """Split what is said into (what stands around <answer> tags, what stands in them); without tags, all is answer."""
    if not _WRAPPER.search(said):
        return "", said
    around: list[str] = []
    within: list[str] = []
    at, inside = 0, False
    for mark in _WRAPPER.finditer(said):
        opens = not (mark["slash"] or mark["ends"])
        # An end without a beginning: the prompt opened the answer.
        (within if inside or (not opens and not within) else around).append(said[at : mark.start()])
        at, inside = mark.end(), opens
    (within if inside else around).append(said[at:])
    if not any(_has_words(text) for text in within):
        return "", "".join(around).strip()
    return "\n".join(around).strip(), "\n".join(text.strip() for text in within).strip()


def _joined(thoughts: Iterable[str]) -> str | None:
    return "\n".join(text.strip() for text in thoughts if text.strip()) or None


def _has_words(text: str) -> bool:
    """Letters, digits, or pictures such as an emoji."""
    return any(char.isalnum() or unicodedata.category(char) == "So" for char in text)
