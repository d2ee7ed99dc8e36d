"""From a spec to a judge; see the door, `cpbench.judges`."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from cpbench import parts
from cpbench.chat import Chat, ChatRequest, load_chat, providers
from cpbench.errors import UsageError, UserError
from cpbench.flow.yaml_lines import STRICT, YamlFile, read_yaml
from cpbench.judges._rubric import Changes, Rubric, load_rubric
from cpbench.judges.jury import Aggregate, Jury
from cpbench.judges.llm import Asking, LLMJudge
from cpbench.judges.simulated import Kind, Simulated
from cpbench.records import Case, Judgement

DEFAULT_PROMPT = "cpqa"
LOCAL = frozenset({"base_url", "concurrency", "timeout", "max_retries", "device", "trust_remote_code"})
"""A client's options that do not change what is said, and so no judge_id; all others do."""

ASKED = ("temperature", "max_tokens", "seed")
"""Parameters of every call, whoever the client is."""

FORMS = ("openai/NAME", "anthropic/NAME", "hf/ID", "FILE.yaml", "simulated:KIND", "FILE.py:CLASS")
Wrap = Callable[[Chat], Chat]
Option = str | int | float | bool | None


class LoadedJudge(Protocol):
    """A judge, and what its caller has to know of it."""

    @property
    def judge_id(self) -> str: ...
    @property
    def name(self) -> str:
        """Its spec, for people."""
        ...

    @property
    def families(self) -> frozenset[str]:
        """Of its models, as `cpbench.chat.family` says them."""
        ...

    @property
    def third_party(self) -> bool:
        """Whether it sends questions and answers to somebody else's machine."""
        ...

    @property
    def hears(self) -> bool:
        """Whether it is sent the clips too."""
        ...

    @property
    def correct_score(self) -> float:
        """The score, 0 to 100, from which an answer counts as correct."""
        ...

    def judge(self, cases: Iterable[Case]) -> Iterator[Judgement]: ...

    def requests_for(self, case: Case) -> list[ChatRequest]:
        """What judging this case would send."""
        ...


@dataclass(frozen=True, kw_only=True)
class MemberFile:
    """One member of a judge YAML."""

    model: str
    params: Mapping[str, Option] = field(default_factory=dict)  # part of the judge's identity: temperature, ...
    options: Mapping[str, Option] = field(default_factory=dict)  # this machine's affair: base_url, concurrency, ...

    __pydantic_config__ = STRICT


@dataclass(frozen=True, kw_only=True)
class JudgeFile(Changes):
    """A judge YAML."""

    members: tuple[MemberFile, ...]
    prompt: str | None = None  # a packaged one, or a file (from the YAML's folder)
    name: str = ""  # for people; no part of the identity
    aggregate: Aggregate = "mean"
    min_members: int | None = None  # None: all

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class _Build:
    """What is the same for all members of a judge."""

    rubric: Rubric
    wrap: Wrap | None

    def member(self, model: str, options: Mapping[str, Option], *, name: str) -> LLMJudge:
        """One model under the rubric. Raises UsageError for an unknown model, option or value."""
        words = {key.replace("-", "_"): _word(value) for key, value in options.items()}
        kept = {key: word for key, word in words.items() if key in ASKED}
        client = {key: value for key, value in words.items() if key not in kept}
        fixed = {key: value for key, value in client.items() if key not in LOCAL}
        asking = Asking(model, **_numbers(kept), settings=dict(sorted(fixed.items())))
        if self.rubric.score_mode == "expected" and not model.startswith("hf/"):
            raise UsageError(
                "only a local model (hf/ID) shows an expected score:", value=model, mend="score_mode: parsed"
            )
        chat = _client(model, client)
        return LLMJudge(self.rubric, asking, self.wrap(chat) if self.wrap else chat, name)


def _client(model: str, options: Mapping[str, str]) -> Chat:
    try:
        return load_chat(model, options)
    except UsageError as error:
        if error.value in options and error.allowed is not None:  # an option that neither the client nor we know
            allowed = sorted({*error.allowed, *ASKED} - {"name"})
            raise UsageError(error.what, value=error.value, allowed=allowed) from None
        raise


def load_judge(
    spec: str,
    options: Mapping[str, str] | None = None,
    *,
    prompt: str | None = None,
    otherwise: str | None = None,
    wrap: Wrap | None = None,
) -> LoadedJudge:
    """The judge that `spec` names; see the door's docstring. Nothing is asked and no weights are loaded yet.

    `prompt` is asked for, and refused where it would not be used; `otherwise` is that of a judge without one.
    """
    options = dict(options or {})
    name, _, kind = spec.partition(":")
    if name == "overlap":
        mend = "no --judge: overlap_score is printed anyway; simulated:oracle to try the machinery"
        raise UsageError("overlap compares words and is not a judge:", value=spec, mend=mend)
    if name == "simulated":
        _check_promptless(spec, prompt)
        return _simulated(kind, options)
    if spec.endswith((".yaml", ".yml")):
        return _from_file(Path(spec).expanduser(), options, _Asked(prompt, otherwise or DEFAULT_PROMPT), wrap=wrap)
    if spec.partition("/")[0] in providers() and spec.partition("/")[2]:
        return _Build(load_rubric(prompt or otherwise or DEFAULT_PROMPT), wrap).member(spec, options, name=spec)
    _check_promptless(spec, prompt)
    return _foreign(spec, options)


def _check_promptless(spec: str, prompt: str | None) -> None:
    if prompt is not None:
        raise UsageError(f"{spec} asks by no prompt, so this one would not be used:", value=prompt)


def _simulated(kind: str, options: Mapping[str, str]) -> Simulated:
    kinds = cast(Any, Kind).__args__
    if kind not in kinds:
        raise UsageError("unknown simulated judge", value=kind, allowed=kinds, mend="simulated:oracle")
    return parts.build(Simulated, {**options, "kind": kind})


@dataclass(frozen=True)
class _Asked:
    """The prompt that is asked for, and the one of a judge that has none."""

    prompt: str | None
    otherwise: str


def _from_file(path: Path, options: Mapping[str, str], asked: _Asked, *, wrap: Wrap | None) -> LoadedJudge:
    """The judge of a YAML: one model, or a jury."""
    file = read_yaml(path)
    said = file.read(JudgeFile)
    if said.prompt is not None and asked.prompt is not None:
        mend = f"one of the two; {path}, line {file.line('prompt')}, names {said.prompt}"
        raise UsageError("the judge's file has a prompt, so this one would not be used:", value=asked.prompt, mend=mend)
    if not_local := sorted({key.replace("-", "_") for key in options} - LOCAL):
        mend = f"params: {{{not_local[0]}: ...}} of a member in {path}"
        raise UsageError(
            "this option makes another judge, so it belongs into the judge's file:", value=not_local[0], mend=mend
        )
    changes = Changes(**{key: getattr(said, key) for key in Changes.__dataclass_fields__})
    try:
        rubric = load_rubric(
            said.prompt or asked.prompt or asked.otherwise, changes, beside=path.parent if said.prompt else None
        )
    except UsageError as error:
        raise UsageError(f"{path}, line {file.line('prompt')}: {error}") from None
    name = said.name or str(path)
    members = _members(said, file, _Build(rubric, wrap), options)
    if len(members) == 1:
        only = next(iter(members.values()))
        only.name = name
        return only
    needed = len(members) if said.min_members is None else said.min_members
    if not 1 <= needed <= len(members):
        raise file.wrong(f"min_members is between 1 and {len(members)}, not", "min_members", value=needed)
    return Jury(members, said.aggregate, needed, name)


def _members(said: JudgeFile, file: YamlFile, build: _Build, options: Mapping[str, str]) -> dict[str, LLMJudge]:
    if not said.members:
        raise file.wrong("a judge has one member or more:", "members", value=[], mend="members: [{model: openai/NAME}]")
    for key in options:
        if not any(key.replace("-", "_") in _options_of(member.model) for member in said.members):
            raise UsageError(f"no member of {file.source} has the option", value=key)
    times = Counter(member.model for member in said.members)
    found: dict[str, LLMJudge] = {}
    for at, each in enumerate(said.members):
        name = each.model if times[each.model] == 1 else f"{each.model}#{at + 1}"
        if local := sorted(set(each.params) & LOCAL):
            mend = f"options: {{{local[0]}: ...}}"
            raise file.wrong(
                "this does not change the judge:", "members", at, "params", local[0], value=local[0], mend=mend
            )
        if other := sorted(set(each.options) - LOCAL):
            mend = f"params: {{{other[0]}: ...}}"
            raise file.wrong("this changes the judge:", "members", at, "options", other[0], value=other[0], mend=mend)
        fitting = {key: value for key, value in options.items() if key.replace("-", "_") in _options_of(each.model)}
        try:
            member = build.member(each.model, {**fitting, **each.options, **each.params}, name=name)
        except UserError as error:
            raise UsageError(f"{file.source}, line {file.line('members', at)}: {error}") from None
        if any(member.judge_id == other.judge_id for other in found.values()):
            mend = "one of them; --repeats K measures a judge's own noise"
            raise file.wrong("this member is in the jury already:", "members", at, value=each.model, mend=mend)
        found[name] = member
    return found


def _options_of(model: str) -> frozenset[str]:
    """What the model's client can be told; nothing for an unknown one, which is refused when it is built."""
    provider = model.partition("/")[0]
    if provider not in providers():
        return frozenset()
    return frozenset(each.name for each in dataclasses.fields(parts.find("chat", provider)) if each.init)


def _numbers(words: Mapping[str, str]) -> dict[str, Any]:
    """Temperature, max_tokens and seed as numbers."""
    found: dict[str, Any] = {}
    for key, word in words.items():
        try:
            none = word in ("none", "null") and key != "max_tokens"
            found[key] = None if none else float(word) if key == "temperature" else int(word)
        except ValueError:
            raise UsageError(f"{key} is a number, not", value=word) from None
    if found.get("max_tokens", 1) < 1 or not 0 <= (found.get("temperature") or 0.0) <= 2:
        raise UsageError("max_tokens is 1 or more, temperature 0 to 2, not", value=dict(words))
    return found


def _word(value: Option) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Foreign:
    """A judge of the user's own. What it does not say is taken at worst: it may send texts away."""

    own: parts.Judge
    name: str

    @property
    def judge_id(self) -> str:
        return self.own.judge_id

    @property
    def families(self) -> frozenset[str]:
        return frozenset(getattr(self.own, "families", ()))

    @property
    def third_party(self) -> bool:
        return bool(getattr(self.own, "third_party", True))

    @property
    def hears(self) -> bool:
        return bool(getattr(self.own, "hears", False))

    @property
    def correct_score(self) -> float:
        return float(getattr(self.own, "correct_score", 60.0))

    def judge(self, cases: Iterable[Case]) -> Iterator[Judgement]:
        return self.own.judge(cases)

    def requests_for(self, case: Case) -> list[ChatRequest]:
        """Unknown: a judge of one's own speaks to whom it likes."""
        asked: Any = getattr(self.own, "requests_for", None)
        return asked(case) if asked else []


def _foreign(spec: str, options: Mapping[str, str]) -> Foreign:
    own = {"llm", "jury", "simulated", "validity"}
    if not re.search(r"\.py(:|$)", spec):
        known = [name for name in parts.names("judges") if name not in own]
        if spec not in known:
            raise UsageError(
                "unknown judge", value=spec, allowed=[*FORMS, *known], mend="a model by its provider: openai/NAME"
            )
    judge = parts.build(parts.find("judges", spec), options)
    if not callable(getattr(judge, "judge", None)) or not isinstance(getattr(judge, "judge_id", None), str):
        raise UserError(f"{spec} should have a judge_id and a method judge(cases)")
    return Foreign(cast(parts.Judge, judge), spec)
