"""A rubric: a prompt with a scale. It words a case for a judge, and reads the judge's words as a score.

What a judge is asked for is made here from the scale and the aspects, so that a prompt file cannot contradict it: a
JSON object with the reason before the score, the score one of the scale's integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from cpbench.audio import load, wav_bytes
from cpbench.chat import Message
from cpbench.chat.prompts import AUDIO, RENDERING, Prompt, check_prompt
from cpbench.chat.structured import PARSER, Read, check_object, read_object
from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import digest
from cpbench.flow.yaml_lines import STRICT, YamlFile, parse_yaml, read_yaml
from cpbench.records import Case, Sound, Tag

ScoreMode = Literal["parsed", "expected"]
FIELDS = ("question", "reference", "answer", "transcript", "tags", "audio")
"""What a judge's prompt may see of a case."""

SAMPLING_RATE = 16000  # of the sounds that a judge hears
_RESERVED = ("reason", "score")


@dataclass(frozen=True, kw_only=True)
class RubricFile(Prompt):
    """What a judge's prompt file says beyond a prompt."""

    scale: tuple[int, ...]  # from worst to best
    correct_from: int | None = None  # None: the first value above the scale's middle
    aspects: Mapping[str, float] = field(default_factory=dict)  # name -> weight; scored apart, and averaged
    score_mode: ScoreMode = "parsed"

    __pydantic_config__ = STRICT


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a judge YAML may change of a rubric; None: as the prompt file has it."""

    scale: tuple[int, ...] | None = None
    correct_from: int | None = None
    aspects: Mapping[str, float] | None = None
    score_mode: ScoreMode | None = None

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Rubric:
    """A prompt, a scale, and what follows from them."""

    prompt: Prompt
    sha256: str  # of the prompt file's bytes
    scale: tuple[int, ...]
    correct_from: int
    aspects: Mapping[str, float]
    score_mode: ScoreMode

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The reply's JSON schema. An enum of integers survives what providers do to schemas; a minimum does not."""
        number = {"type": "integer", "enum": list(self.scale)}
        properties = {"reason": {"type": "string"}, **dict.fromkeys(self._scored, number)}
        return {
            "type": "object",
            "title": "judgement",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    @property
    def correct_score(self) -> float:
        """The score, 0 to 100, from which an answer counts as correct."""
        return self._share(self.correct_from)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What of it makes a judge another judge."""
        return {
            "prompt": self.sha256,
            "schema": self.schema,
            "parser": PARSER,
            "rendering": RENDERING,
            "aspects": dict(self.aspects),
            "score_mode": self.score_mode,
            "thresholds": {"correct_from": self.correct_from},
        }

    def messages(self, case: Case) -> tuple[Message, ...]:
        """The messages that put a case to a judge; the clips are decoded here if the prompt hears.

        Raises UserError for an item without a reference, BadClip for a clip that cannot be heard.
        """
        sounds: tuple[bytes, ...] = ()
        if self.prompt.hears:
            sounds = tuple(wav_bytes(load(Sound(clip), SAMPLING_RATE)) for clip in case.item.clips)
        return self._asked.render(_values(case, self.prompt), sounds=sounds)

    def read(self, text: str) -> Read:
        """A judge's words by the ladder of `cpbench.chat.structured`."""
        return read_object(text, self.schema)

    def scores(self, value: Mapping[str, Any]) -> dict[str, float]:
        """The scores of a reply that was read, 0 to 100: of each aspect, or one called "score"."""
        return {name: self._share(value[name]) for name in self._scored}

    def total(self, scores: Mapping[str, float]) -> float:
        """One score of them all: the weighted mean of the aspects."""
        weights = {name: self.aspects.get(name, 1.0) for name in scores}
        return sum(weights[name] * score for name, score in scores.items()) / sum(weights.values())

    def expected(self, value: float) -> float:
        """An expected value on the scale, as a score from 0 to 100."""
        return self._share(value)

    def reordered(self) -> Rubric | None:
        """The same rubric with the fields of `{data}` turned round; None where the template puts each in its place.

        To the rest of cpbench it is another prompt: its judgements are never taken for those of this one.
        """
        texts = [name for name in self.prompt.fields if name != AUDIO]
        if "{data}" not in self.prompt.user or len(texts) < 2:
            return None
        fields = (*reversed(texts), *(name for name in self.prompt.fields if name == AUDIO))
        return replace(self, prompt=replace(self.prompt, fields=fields), sha256=digest(self.sha256, fields))

    @property
    def _scored(self) -> tuple[str, ...]:
        return tuple(self.aspects) or ("score",)

    @cached_property
    def _asked(self) -> Prompt:
        examples = tuple(replace(each, reply=self._reply(each.reply)) for each in self.prompt.examples)
        return replace(self.prompt, system=f"{self.prompt.system.rstrip()}\n\n{self._form()}", examples=examples)

    def _reply(self, reply: Any) -> dict[str, Any] | str:
        """An example's reply with the reason first, the order in which a judge is to think; or its number alone."""
        if self.score_mode == "expected":
            return str(reply["score"])
        return {name: reply[name] for name in self.schema["properties"]}

    def _form(self) -> str:
        """What the reply should look like, for endpoints that know no schema too."""
        among = ", ".join(map(str, self.scale[:-1])) + f" or {self.scale[-1]}"
        if self.score_mode == "expected":
            return f"Reply with one number and nothing else: {among}."
        keys = ['"reason": "..."', *(f'"{name}": N' for name in self._scored)]
        form = f"Reply with one JSON object and nothing else: {{{', '.join(keys)}}}."
        each = "N is" if len(self._scored) == 1 else "each N is"
        return f"{form} The reason is one or two short sentences; {each} {among}."

    def _share(self, value: float) -> float:
        return 100.0 * (value - self.scale[0]) / (self.scale[-1] - self.scale[0])


def packaged_prompts() -> list[str]:
    """The names of the prompts that come with cpbench."""
    folder = resources.files("cpbench.judges") / "prompts"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def prompt_text(name: str) -> str:
    """A packaged prompt's file. Raises UsageError for a name that is none of them."""
    if name not in packaged_prompts():
        mend = "cpbench judge prompts; a file of your own by its path, with .yaml"
        raise UsageError("unknown judge prompt", value=name, allowed=packaged_prompts(), mend=mend)
    return (resources.files("cpbench.judges") / "prompts" / f"{name}.yaml").read_text(encoding="utf-8")


def new_prompt(path: Path) -> Path:
    """Write a commented start of a judge's prompt. Raises UsageError for a file that is there, or no YAML by name."""
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError("a prompt file ends in .yaml:", value=str(path), mend=str(path.with_suffix(".yaml")))
    start = resources.files("cpbench.judges") / "start.yaml.txt"
    try:
        with path.open("xb") as file:
            file.write(start.read_bytes())
    except FileExistsError:
        raise UsageError("this file exists, and is kept:", value=str(path), mend="another name") from None
    except OSError as error:
        raise UserError(f"this file cannot be written ({error.strerror}):", value=str(path)) from None
    return path


def load_rubric(prompt: str, changes: Changes | None = None, *, beside: Path | None = None) -> Rubric:
    """The rubric of a packaged prompt, by name, or of a prompt file, by path (from the folder `beside`).

    Raises UsageError with the line of the file that is wrong.
    """
    file = _file(prompt, beside)
    said = file.read(RubricFile)
    check_prompt(said, file, known=FIELDS)
    if "answer" not in said.fields:
        raise file.wrong(
            "a judge has to see the answer:", "fields", value=", ".join(said.fields), mend="fields: answer"
        )
    changed = {key: value for key, value in vars(changes or Changes()).items() if value is not None}
    made = replace(said, **changed)
    _check_scale(made, file)
    _check_aspects(made, file)
    rubric = Rubric(said, file.sha256, made.scale, _correct_from(made), made.aspects, made.score_mode)
    _check_examples(rubric, file)
    return rubric


def _file(prompt: str, beside: Path | None) -> YamlFile:
    path = (beside or Path()) / Path(prompt).expanduser()
    if prompt not in packaged_prompts() and (path.suffix in (".yaml", ".yml") or path.is_file()):
        return read_yaml(path)
    return parse_yaml(prompt_text(prompt).encode(), f"{prompt}.yaml")


def _check_scale(said: RubricFile, file: YamlFile) -> None:
    scale = said.scale
    if len(scale) < 2:
        mend = "scale: [0, 1, 2, 3, 4, 5]"
        raise file.wrong("a scale has two values or more:", "scale", value=list(scale), mend=mend)
    for at, value in enumerate(scale):
        if value in scale[:at]:
            raise file.wrong("this value of the scale stands twice:", "scale", at, value=value)
        if at and value < scale[at - 1]:
            mend = f"scale: {sorted(scale)}"
            raise file.wrong("a scale goes up, from worst to best:", "scale", at, value=list(scale), mend=mend)
    if said.correct_from is not None and said.correct_from not in scale[1:]:
        allowed = [str(value) for value in scale[1:]]
        what = "correct_from is none of the scale's values above its lowest:"
        raise file.wrong(what, "correct_from", value=said.correct_from, allowed=allowed)


def _correct_from(said: RubricFile) -> int:
    if said.correct_from is not None:
        return said.correct_from
    middle = (said.scale[0] + said.scale[-1]) / 2
    return next(value for value in said.scale if value > middle)


def _check_aspects(said: RubricFile, file: YamlFile) -> None:
    for name, weight in said.aspects.items():
        if name in _RESERVED or not name.isidentifier():
            raise file.wrong("an aspect cannot be called", "aspects", name, value=name)
        if not 0 < weight < float("inf"):
            raise file.wrong(f"the weight of {name} is a number above 0, not", "aspects", name, value=weight)
    if said.aspects and said.score_mode == "expected":
        raise file.wrong("an expected score is one score: leave the aspects out, or say", "score_mode", value="parsed")


def _check_examples(rubric: Rubric, file: YamlFile) -> None:
    for at, example in enumerate(rubric.prompt.examples):
        read = check_object(example.reply, rubric.schema)
        if read.status != "ok":
            place = ("examples", at, "reply")
            name = (read.why or "").partition(":")[0]
            raise file.wrong(f"this example's reply is none that the rubric allows: {read.why}", *place, name)


def _values(case: Case, prompt: Prompt) -> dict[str, Any]:
    item = case.item
    values: dict[str, Any] = {
        "question": item.question,
        "answer": case.answer,
        "transcript": _one([clip.transcript for clip in item.clips]),
        "tags": [_tag(tag) for clip in item.clips for tag in clip.tags],
    }
    if "reference" in prompt.fields:
        references = item.references or ((item.label,) if item.label else ())
        if not references:
            raise UserError("this item has no reference that a judge could compare with:", value=item.id)
        values["reference"] = _one(references)
    return values


def _one(values: Any) -> Any:
    """The one value, or a list of several."""
    return values[0] if len(values) == 1 else list(values)


def _tag(tag: Tag) -> dict[str, Any]:
    return {name: dict(value) if name == "emotion" else value for name, value in vars(tag).items() if value is not None}
