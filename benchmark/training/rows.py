"""From items to what one optimiser step learns: the questions of a clip, packed behind the one clip.

Prompts are worded by `conditions.present`, as in a run, and rendered by the checkpoint's own chat template.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any

from cpbench.conditions import present
from cpbench.errors import UserError
from cpbench.records import Clip, Item, Request, Setting, Sound


@dataclass(frozen=True)
class Row:
    """A question as the model is asked it, and the answer it should give."""

    request: Request
    answer: str
    type: str | None = None


@dataclass(frozen=True)
class Pack:
    """Rows about the same sounds under the same condition."""

    rows: tuple[Row, ...]

    @property
    def sounds(self) -> tuple[Sound, ...]:
        return self.rows[0].request.sounds

    @property
    def transcript(self) -> str | None:
        """What is said in all of its sounds; None where that is not known, or where nothing is heard."""
        words = [sound.clip.transcript for sound in self.sounds]
        return " ".join(map(str, words)) if words and all(words) else None


@dataclass(frozen=True)
class Tokens:
    """A pack as token ids: what its prompts share, then each prompt's own rest with its answer."""

    prefix: list[int]
    branches: list[tuple[list[int], list[int]]]  # (rest of the prompt, answer and its end token)


def packs(
    items: Sequence[Item],
    conditions: Mapping[str, float],
    setting: Setting,
    seed: int,
    mix: Mapping[str, float] | None = None,
) -> list[Pack]:
    """Every clip's questions under each condition, as often as the condition says; the same for the same seed.

    `mix`: how many times as often the items of a task are asked; else 1.

    Raises UserError for items without an answer, and what the conditions raise.
    """
    if unanswered := [item.id for item in items if not item.references]:
        raise UserError(
            f"{len(unanswered)} items have no reference to learn from, the first being", value=unanswered[0]
        )
    share = {item.clips: (mix or {}).get(item.task, 1.0) for item in items}
    made: list[Pack] = []
    for condition, often_asked in conditions.items():
        draw = random.Random(f"{seed}/{condition}")
        times = {clip: often_asked * share[clip] for clip in share}
        often = {clip: int(times[clip]) + (draw.random() < times[clip] % 1) for clip in share}
        chosen = [item for item in items if often[item.clips]]
        for clip, pack in _by_clip(chosen, present(chosen, condition, setting)):
            made += [pack] * often[clip]
    return made


def _by_clip(items: Sequence[Item], requests: Sequence[Request]) -> Iterator[tuple[tuple[Clip, ...], Pack]]:
    by_key = {(item.task, item.id): item for item in items}
    asked = [(by_key[request.task, request.item_id], request) for request in requests]
    order = {clips: place for place, clips in enumerate(dict.fromkeys(item.clips for item, _ in asked))}
    asked.sort(key=lambda pair: order[pair[0].clips])
    for clips, group in groupby(asked, key=lambda pair: pair[0].clips):
        yield clips, Pack(tuple(Row(request, item.references[0], item.type) for item, request in group))


def conversation(request: Request) -> list[dict[str, Any]]:
    """The request as a chat with a place for each sound, as a run shows it to a checkpoint."""
    content = [{"type": "audio"} for _ in request.sounds]
    return [{"role": "user", "content": [*content, {"type": "text", "text": request.text}]}]


def tokens(pack: Pack, processor: Any, embeddings: Sequence[int], end: int) -> Tokens:
    """Render a pack. `embeddings`: how many audio tokens each of its sounds becomes; `end`: of a turn."""
    prompts = []
    for row in pack.rows:
        text = processor.apply_chat_template(conversation(row.request), add_generation_prompt=True, tokenize=False)
        prompts.append(_ids(processor, expanded(text, processor.audio_token, embeddings)))
    shared = len(common_prefix(prompts))
    shared = min(shared, *(len(prompt) - 1 for prompt in prompts))  # the token before an answer is its branch's own
    answers = [[*_ids(processor, row.answer), end] for row in pack.rows]
    rests = [prompt[shared:] for prompt in prompts]
    return Tokens(prompts[0][:shared], list(zip(rests, answers, strict=True)))


def end_of_turn(processor: Any) -> int:
    """The token that ends an answer: what the chat template writes behind one, else the tokenizer's own end."""
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    said = processor.apply_chat_template(chat, add_generation_prompt=False, tokenize=False)
    special = set(processor.tokenizer.all_special_ids)
    behind = _ids(processor, said.rpartition("!")[2])
    return int(next((token for token in behind if token in special), processor.tokenizer.eos_token_id))


def common_prefix(sequences: Sequence[Sequence[int]]) -> list[int]:
    """The longest beginning that all sequences share.

    >>> common_prefix([[1, 2, 3], [1, 2, 4, 5]])
    [1, 2]
    """
    columns = takewhile(lambda column: len(set(column)) == 1, zip(*sequences, strict=False))
    return [column[0] for column in columns]


def expanded(text: str, audio_token: str, embeddings: Sequence[int]) -> str:
    """The prompt with each audio token repeated once an embedding, as the processor does it."""
    before, *after = text.split(audio_token)
    return before + "".join(audio_token * count + part for count, part in zip(embeddings, after, strict=True))


def _ids(processor: Any, text: str) -> list[int]:
    return list(processor.tokenizer(text, add_special_tokens=False)["input_ids"])
