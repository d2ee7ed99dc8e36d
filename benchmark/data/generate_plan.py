"""What is asked for when questions are generated: how many of which types, by whom, checked by whom, in which parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cpbench.chat import Chat, load_chat
from cpbench.chat.paying import Paying
from cpbench.data.generate_llm import Writing, load_writing_prompt
from cpbench.data.splits import By
from cpbench.data.templates import TYPES as TEMPLATE_TYPES
from cpbench.errors import UsageError
from cpbench.records import QTYPES

_ASKING = ("temperature", "max_tokens")


@dataclass(frozen=True)
class Plan:
    """What questions are made, whoever writes them."""

    types: tuple[str, ...] = ()  # (): all that the writer knows
    per_clip: int = 8
    seed: int = 0
    baseline: bool = True  # speech recognition, gender, emotion: the rows that every variant is trained on
    language: str = "en"  # of questions and answers
    parts: Mapping[str, float] = field(default_factory=dict)  # (): all are "train"
    split_by: By = "both"
    most_repeats: int | None = None
    license: str | None = None


@dataclass(frozen=True)
class Model:
    """A text model, as it is asked and paid for."""

    spec: str
    options: Mapping[str, str] = field(default_factory=dict)  # the client's, and temperature, max_tokens
    prompt: str = "cpqa"
    paying: Paying = field(default_factory=Paying)

    def chat(self) -> Chat:
        """The model's client. Raises UsageError for a spec or an option that there is not."""
        own = {name: value for name, value in self.options.items() if name not in _ASKING}
        return load_chat(self.spec, own)

    def number(self, name: str, default: float) -> float:
        """An option of the asking. Raises UsageError for what is no number."""
        try:
            return float(self.options.get(name, default))
        except ValueError:
            raise UsageError(f"{name} is a number, not", value=self.options[name]) from None


@dataclass(frozen=True)
class Generating:
    """One piece of work: the clips' file, the lines' file, who writes and who checks."""

    clips: Path
    out: Path
    plan: Plan = Plan()
    writer: Model | None = None  # None: templates
    checker: Model | None = None

    def beside(self, name: str) -> Path:
        """A file beside the lines: `train.jsonl` has `train.written.jsonl`."""
        return self.out.with_name(f"{self.out.stem}.{name}")

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types to write. Raises UsageError for one that there is not, or that the templates do not know."""
        able = TEMPLATE_TYPES if self.writer is None else QTYPES
        for kind in self.plan.types:
            if kind not in able:
                what = "the templates know no questions of type" if kind in QTYPES else "unknown question type"
                raise UsageError(what, value=kind, allowed=able)
        return self.plan.types or tuple(able)

    @cached_property
    def writing(self) -> Writing | None:
        """How the model is asked; None for templates."""
        if self.writer is None:
            return None
        prompt, sha256 = load_writing_prompt(self.writer.prompt)
        options, temperature = self.writer.options, self.writer.number("temperature", 0.0)
        tokens = self.writer.number("max_tokens", 2048)
        said = {name: value for name, value in options.items() if name in ("dtype", "revision", "reasoning_effort")}
        plan = self.plan
        return Writing(
            self.writer.spec,
            prompt,
            sha256,
            self.types,
            plan.per_clip,
            language=plan.language,
            seed=plan.seed,
            temperature=temperature,
            max_tokens=int(tokens),
            settings=said,
        )
