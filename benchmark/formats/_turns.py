"""Chats about sounds, as training tools lay them out, read into items: one item an answer.

Known are `messages` of role and content, `conversations` of from and value, query and response with a history,
instruction, input and output; contents as a text with `<audio>` for each sound, or as blocks
(`{"type": "audio", "path": ...}`, `{"type": "text", "text": ...}`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.formats._files import read_objects
from cpbench.formats.line import AUDIO, ClipsOf, checked_audio
from cpbench.records import Clip, Item

_USERS, _ASSISTANTS, _SYSTEMS = ("user", "human"), ("assistant", "gpt", "bot", "model"), ("system", "developer")
_SOUNDS = ("audios", "audio", "sound")
_BLOCK_SOUNDS = ("audio", "path", "audio_url", "url", "input_audio", "file")


@dataclass
class _Row:
    """One row as turns, each with how many sounds its text stands for."""

    turns: list[tuple[str, str]]  # (role, text)
    sounds: list[str] = field(default_factory=list)
    system: str = ""


def read_turns(path: Path, *, task: str) -> Iterator[Item]:
    """Read a file of chats, in whichever of the layouts; every answer of a chat becomes an item of its own.

    A later answer's item has its own question and all sounds so far, without the turns before. A system text is put
    before the question as the model is asked it. Raises UserError with file and line for a row without a sound, and for
    one whose sounds are not as many as its places for them.
    """
    return checked_audio(path, _items(path, task))


def _items(path: Path, task: str) -> Iterator[Item]:
    clips, count = ClipsOf(path.absolute().parent), dict[str, int]()
    for where, value in read_objects(path):
        row = _row(where, value)
        named = value.get("id")
        for number, (sounds, question, answer) in enumerate(_asked(where, row)):
            heard = tuple(clips(sound) for sound in sounds)
            identity = f"{named}{f'-{number}' if number else ''}" if named is not None else _identity(heard, question)
            count[identity] = count.get(identity, 0) + 1
            yield Item(
                identity if count[identity] == 1 else f"{identity}-{count[identity]}",
                task,
                heard,
                question,
                (answer,),
                prompt=f"{row.system}\n\n{question}" if row.system else "",
                split="train",
            )


def _identity(clips: Sequence[Clip], question: str) -> str:
    return digest([one.sha256 or one.path for one in clips], question)[:16]


def _asked(where: str, row: _Row) -> Iterator[tuple[list[str], str, str]]:
    """(sounds so far, question, answer) of every answer."""
    places = sum(text.count(AUDIO) for role, text in row.turns if role == "user")
    if not row.sounds:
        raise UserError(f"{where}: there is no sound in this row")
    if places not in (0, len(row.sounds)):
        raise UserError(f"{where}: {len(row.sounds)} sounds, and places for them ({AUDIO}):", value=places)
    heard, question = (len(row.sounds) if places == 0 else 0), ""
    found = False
    for role, text in row.turns:
        if role == "user":
            heard += text.count(AUDIO)
            question = text.replace(AUDIO, "").strip()
        elif not question or not text.strip() or not heard:
            raise UserError(f"{where}: an answer without a question, a question without a sound, or an empty answer")
        else:
            found = True
            yield row.sounds[:heard], question, text.strip()
    if not found:
        raise UserError(f"{where}: a question without an answer")


def _row(where: str, value: Mapping[str, Any]) -> _Row:
    said = next((value[key] for key in ("messages", "conversations", "conversation") if value.get(key)), None)
    turns = list(_messages(where, said)) if isinstance(said, list) else _fields(where, value)
    system = "\n".join([str(value.get("system") or ""), *(text for role, text, _ in turns if role == "system")])
    sounds = [_name(where, sound) for _, _, inside in turns for sound in inside]
    column: Any = next((value[key] for key in _SOUNDS if value.get(key)), [])
    sounds += [_name(where, sound) for sound in (column if isinstance(column, list) else [column])]
    return _Row([(role, text) for role, text, _ in turns if role != "system"], sounds, system.strip())


def _messages(where: str, said: Sequence[Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """(role, text, sounds that stand in it) of every message."""
    for message in said:
        if not isinstance(message, dict):
            raise UserError(f"{where}: a message is an object, not", value=str(message)[:80])
        role = str(message.get("role", message.get("from")))
        content = message.get("content", message.get("value"))
        kind = next((one for one, names in _ROLES.items() if role in names), None)
        if kind is None:
            raise UserError(
                f"{where}: a turn of", value=role, allowed=[name for names in _ROLES.values() for name in names]
            )
        if isinstance(content, str):
            yield kind, content, []
        elif isinstance(content, list):
            yield kind, *_blocks(where, content)
        else:
            raise UserError(f"{where}: the content of a message is a text or a list of blocks, not", value=content)


_ROLES: Mapping[str, tuple[str, ...]] = {"user": _USERS, "assistant": _ASSISTANTS, "system": _SYSTEMS}


def _blocks(where: str, blocks: Iterable[Any]) -> tuple[str, list[Any]]:
    """Blocks as a text with its places, and the sounds. A block's place without a sound takes one of the column."""
    texts, sounds = list[str](), list[Any]()
    for block in blocks:
        known = block if isinstance(block, dict) else {"type": "text", "text": block}
        if known.get("type") == "text":
            texts.append(str(known.get("text", "")))
        elif known.get("type") in ("audio", "audio_url", "input_audio"):
            texts.append(AUDIO)
            sounds += [known[key] for key in _BLOCK_SOUNDS if known.get(key)][:1]
        else:
            raise UserError(
                f"{where}: a block of type", value=known.get("type"), allowed=["text", "audio", "audio_url"]
            )
    return "".join(texts), sounds


def _fields(where: str, value: Mapping[str, Any]) -> list[tuple[str, str, list[Any]]]:
    """Turns out of query, response and history, or instruction, input and output."""
    asked = [str(value[key]) for key in ("query", "instruction", "input") if value.get(key)]
    answer = next((value[key] for key in ("response", "output") if value.get(key)), None)
    if not asked or not isinstance(answer, str):
        raise UserError(
            f"{where}: neither messages nor a question with its answer; its keys are", value=", ".join(value)
        )
    turns = list[tuple[str, str, list[Any]]]()
    for before in value.get("history") or []:
        turns += [("user", str(before[0]), []), ("assistant", str(before[1]), [])]
    return [*turns, ("user", "\n".join(asked), []), ("assistant", answer, [])]


def _name(where: str, sound: Any) -> str:
    """A sound's path, however it is wrapped."""
    while isinstance(sound, dict):
        sound = next((sound[key] for key in ("path", "url", "audio") if sound.get(key)), None)
    if not isinstance(sound, str) or sound.startswith(("data:", "http://", "https://")):
        raise UserError(f"{where}: a sound is named by a path to a file, not", value=str(sound)[:80])
    return sound.removeprefix("file://")
