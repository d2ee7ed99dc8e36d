"""Questions written by a language model: one call a clip, kept in a ledger, so that nothing is paid for twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from cpbench.chat import Chat, ChatRequest, Reply, ReplyStatus, converse
from cpbench.chat.prompts import RENDERING, Prompt, check_prompt
from cpbench.chat.structured import PARSER, read_object
from cpbench.data.generate_pairs import Known, Material, Pair
from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import digest
from cpbench.flow.yaml_lines import YamlFile, parse_yaml, read_yaml
from cpbench.labels import extract_label
from cpbench.records import QTYPES, Call

FIELDS = ("types", "count", "language", "transcript", "segments", "speakers", "gender", "seconds", "emotions")
"""What a prompt may see of a clip."""
_TEXTS = ("type", "question", "answer", "label")
_NUMBERS = ("none", "one", "two", "three", "four")
FORM = (
    'Reply with one JSON object and nothing else: {"pairs": [{"type": "...", "question": "...", "answer": "...", '
    '"label": "..."}]}, with `count` entries or fewer; with none if nothing can be asked.'
)
_LOOSE = {"type": "object", "title": "pairs", "properties": {"pairs": {"type": "array"}}, "required": ["pairs"]}
"""What a reply is read by: one wrong pair should not cost the others."""


@dataclass(frozen=True)
class Written:
    """What a model wrote of one clip: one line of FILE.written.jsonl. Only `ok` has pairs."""

    key: str
    clip: str  # sha256
    status: ReplyStatus | Literal["parse_error"]
    pairs: tuple[Pair, ...] = ()
    surplus: int = 0  # more than were asked for, left out
    raw: str | None = None  # where it could not be read
    reason: str | None = None
    calls: tuple[Call, ...] = ()

    @property
    def unpaid(self) -> bool:
        """Whether it is to be asked again by the next start."""
        return self.status in ("api_error", "expired")


@dataclass(frozen=True)
class Writing:
    """What is asked of the model; all of it belongs to the identity of what it writes."""

    model: str  # "openai/gpt-4o"
    prompt: Prompt
    prompt_sha256: str  # of the file's bytes
    types: tuple[str, ...]
    per_clip: int
    language: str = "en"
    seed: int = 0
    temperature: float | None = 0.0
    max_tokens: int = 2048
    settings: Mapping[str, str] = field(default_factory=dict)  # the client's own that change what it says

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The reply's JSON schema, as endpoints are told it."""
        text = {"type": "string"}
        properties = {name: {"type": "string", "enum": list(self.types)} if name == "type" else text for name in _TEXTS}
        pair = {"type": "object", "properties": properties, "required": list(_TEXTS), "additionalProperties": False}
        pairs = {"type": "array", "items": pair}
        return {**_LOOSE, "properties": {"pairs": pairs}, "additionalProperties": False}

    @cached_property
    def prompt_hash(self) -> str:
        """Of all that words the question: the file, the schema, the way it is rendered and read."""
        return digest(self.prompt_sha256, self.schema, FORM, RENDERING, PARSER)

    def key(self, material: Material, known: Known) -> str:
        """What identifies one paid call: prompt, model, clip, its annotation, the types, how many."""
        asked = [self.model, self.prompt_hash, self.per_clip, self.language, self.seed, self.temperature]
        seen = {name: self._fields(material, known)[name] for name in self.prompt.fields}
        return digest(*asked, self.max_tokens, dict(self.settings), material.clip.sha256, seen)

    def request(self, material: Material, known: Known) -> ChatRequest:
        """The call that asks for a clip's questions."""
        prompt = replace(self.prompt, system=f"{self.prompt.system.rstrip()}\n\n{FORM}")
        return ChatRequest(
            self.key(material, known),
            prompt.render(self._fields(material, known)),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=self.seed,
            schema=self.schema,
        )

    def read(self, text: str, material: Material, known: Known) -> tuple[list[Pair], int] | str:
        """The reply's pairs and how many were too many; or why it cannot be read."""
        read = read_object(text, _LOOSE)
        if read.status != "ok" or read.value is None:
            return read.why or read.status
        found = [_pair(value, known) for value in read.value["pairs"]]
        return found[: self.per_clip], max(0, len(found) - self.per_clip)

    def _fields(self, material: Material, known: Known) -> dict[str, Any]:
        clip = material.clip
        segments = [{name: value for name, value in vars(segment).items() if value not in (None, {})}
                    for segment in material.segments]  # fmt: skip
        return {
            "types": list(self.types),
            "count": self.per_clip,
            "language": self.language,
            "transcript": material.transcript,
            "segments": [_rounded(segment) for segment in segments],
            "speakers": len(material.speakers) or None,
            "gender": clip.gender,
            "seconds": None if clip.seconds is None else round(clip.seconds, 2),
            "emotions": list(known.emotions),
        }


@dataclass(frozen=True)
class _Try:
    material: Material
    request: ChatRequest
    calls: tuple[Call, ...] = ()
    second: bool = False


@dataclass
class Writer:
    """A model at work on clips. A reply that cannot be read is asked for once more, afresh; both calls are kept."""

    writing: Writing
    chat: Chat
    known: Known

    def write(self, materials: Iterable[Material]) -> Iterator[Written]:
        """Yield what is written of each clip, as they finish, in any order. Raises what the chat raises."""
        again: deque[_Try] = deque()
        fresh = iter(materials)

        def work() -> Iterator[_Try]:
            for material in fresh:
                while again:
                    yield again.popleft()
                yield _Try(material, self.writing.request(material, self.known))
            while again:
                yield again.popleft()

        try:
            while True:
                for found in converse(self.chat, work(), lambda piece: piece.request, self._read):
                    if isinstance(found, _Try):
                        again.append(found)
                    else:
                        yield found
                if not again:  # those that came after the last request was pulled
                    return
        except UserError as error:  # the chat gives up; what was paid for until then is not to be lost
            for piece in again:
                why = f"could not be asked again: {error.what}"
                yield replace(self._blank(piece.material, piece.calls), status="api_error", reason=why)
            raise

    def _blank(self, material: Material, calls: tuple[Call, ...]) -> Written:
        return Written(self.writing.key(material, self.known), str(material.clip.sha256), "ok", calls=calls)

    def _read(self, piece: _Try, reply: Reply) -> Written | _Try:
        calls = piece.calls if reply.call is None else (*piece.calls, reply.call)
        blank = self._blank(piece.material, calls)
        if reply.status != "ok":
            reason = reply.error or reply.finish_reason
            return replace(blank, status=reply.status, raw=reply.text or None, reason=reason)
        read = self.writing.read(reply.text, piece.material, self.known)
        if isinstance(read, str):
            if not piece.second:
                request = replace(piece.request, key=f"{piece.request.key[:62]}-2", seed=(piece.request.seed or 0) + 1)
                return _Try(piece.material, request, calls, second=True)
            return replace(blank, status="parse_error", raw=reply.text, reason=read)
        pairs, surplus = read
        return replace(blank, pairs=tuple(pairs), surplus=surplus)


def packaged_prompts() -> list[str]:
    """The names of the prompts that come with cpbench."""
    folder = resources.files("cpbench.data") / "prompts"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_writing_prompt(prompt: str) -> tuple[Prompt, str]:
    """A packaged prompt by name, or a file by path; with the sha256 of its bytes.

    Raises UsageError for an unknown name, and with the line of a file that is wrong.
    """
    file = _file(prompt)
    said = file.read(Prompt)
    check_prompt(said, file, known=FIELDS)
    if "audio" in said.fields:
        raise file.wrong("questions are written from words and tags, not from", "fields", value="audio")
    return said, file.sha256


def _file(prompt: str) -> YamlFile:
    if prompt.endswith((".yaml", ".yml")):
        return read_yaml(Path(prompt).expanduser())
    if prompt not in packaged_prompts():
        raise UsageError(
            "unknown prompt", value=prompt, allowed=packaged_prompts(), mend="a file of your own by its path"
        )
    data = (resources.files("cpbench.data") / "prompts" / f"{prompt}.yaml").read_bytes()
    return parse_yaml(data, f"{prompt}.yaml")


def _pair(value: Any, known: Known) -> Pair:
    """A pair as it came. What is no text becomes "", which a filter drops and counts."""
    given = value if isinstance(value, dict) else {}
    texts = {name: given[name].strip() if isinstance(given.get(name), str) else "" for name in _TEXTS}
    label, options = _label(texts["type"], texts["label"], known)
    kind = texts["type"].upper()
    return Pair(kind if kind in QTYPES else texts["type"], texts["question"], texts["answer"], label, options)


def _label(kind: str, word: str, known: Known) -> tuple[str | None, tuple[str, ...]]:
    """The label in the set's own spelling; None where the word is none of them."""
    options: tuple[str, ...] = ()
    if kind in ("DE", "CE"):
        options = known.emotions
    elif kind in ("DG", "CG"):
        options = known.genders
    elif kind in ("DS", "CS"):
        options = _NUMBERS
    label = extract_label(word, options) if word and len(options) > 1 else None
    return label, options if label is not None else ()


def _rounded(value: Any) -> Any:
    """Numbers with two decimals: what annotators give beyond that only costs tokens."""
    if isinstance(value, float):
        return round(value, 2)
    return {key: _rounded(each) for key, each in value.items()} if isinstance(value, dict) else value
