"""`cascade`: speech recognition, then a text LLM that reads the words: the baseline without a voice.

    cpbench run --model cascade -M asr=openai/whisper-large-v3 -M llm=hf/Qwen/Qwen3-8B

The words stand in the prompt as under the condition `transcript`, so that the two can be compared.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from cpbench.annotators import load_recogniser
from cpbench.chat import Chat, family, load_chat, providers
from cpbench.errors import UsageError
from cpbench.fingerprint import digest
from cpbench.models._chat import Asking
from cpbench.models._spec import load_model
from cpbench.parts import Annotator, Model
from cpbench.records import Heard, ModelCard, Prediction, Request, Turn


@dataclass
class Cascade:
    """`asr`: a recogniser (a checkpoint's path or Hub id, `command:PROGRAM`); `llm`: `openai/NAME`, `hf/ID` (a text
    LLM), or any other model, which is then asked by words alone (`demo`).

    `asr_options` and `llm_options` are theirs: `device=cuda,language=en`. The rest stands before the task's generation.
    """

    asr: str
    llm: str
    asr_options: str = ""
    llm_options: str = ""
    system: str | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None

    @cached_property
    def card(self) -> ModelCard:
        rate = getattr(self._ear, "sampling_rate", 16000)
        chat = self._chat
        third_party = self._model.card.third_party if chat is None else chat.third_party
        kin = self._model.card.family if chat is None else family(self.llm)
        details = {"asr": self.asr, "llm": self.llm, "asr_options": self.asr_options, "llm_options": self.llm_options}
        return ModelCard(
            name=f"{self.asr} + {self.llm}",
            family=kin,
            sampling_rate=rate,
            max_clips=8,
            kind="cascade",
            third_party=third_party,
            details=details,
        )

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        """Yield answers as they come. Each distinct sound is recognised once, and dropped before the LLM reads."""
        spoken: dict[str, tuple[Request, float]] = {}
        failed: list[Prediction] = []

        def worded() -> Iterator[Turn]:
            for request, words, heard in self._transcribed(turns):
                if words is None:
                    failed.append(request.failed(f"{self._ear.name} gave no transcript"))
                else:
                    spoken[request.key] = (request, heard)
                    yield Turn(self._worded(request, words), ())

        for read in self._answers(worded()):
            yield _as_spoken(read, *spoken.pop(read.key))
            yield from _drained(failed)
        yield from _drained(failed)

    def _transcribed(self, turns: Iterable[Turn]) -> Iterator[tuple[Request, str | None, float]]:
        """Yield (request, the words of all its sounds, their seconds) once these are recognised; None: not."""
        known: dict[str, str | None] = {}
        asked: set[str] = set()
        waiting: deque[tuple[Request, tuple[str, ...], float]] = deque()

        def sounds() -> Iterator[Heard]:
            for turn in turns:
                named = [_named(heard) for heard in turn.heard]
                keys = tuple(heard.sound.clip.sha256 or "" for heard in named)
                waiting.append((turn.request, keys, sum(heard.seconds for heard in named)))
                for heard, key in zip(named, keys, strict=True):
                    if key not in asked:
                        asked.add(key)
                        yield heard

        def ready() -> Iterator[tuple[Request, str | None, float]]:
            for _ in range(len(waiting)):
                request, keys, seconds = waiting.popleft()
                if all(key in known for key in keys):
                    words = [known[key] for key in keys]
                    yield request, None if None in words else " ".join(word or "" for word in words), seconds
                else:
                    waiting.append((request, keys, seconds))

        for annotation in self._ear.annotate(sounds()):
            known[annotation.key] = annotation.transcript
            yield from ready()
        known |= dict.fromkeys(asked - known.keys())
        yield from ready()

    def _worded(self, request: Request, words: str) -> Request:
        asked, generation = request.in_words(words) if request.sounds else request, request.generation
        if self.max_new_tokens is not None:
            generation = dataclasses.replace(generation, max_new_tokens=self.max_new_tokens)
        if self.temperature is not None:
            generation = dataclasses.replace(generation, temperature=self.temperature)
        return dataclasses.replace(asked, generation=generation)

    def _answers(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        if self._chat is not None:
            return Asking(self._chat, self.system).answer(turns)
        return self._model.answer(turns)

    @cached_property
    def _ear(self) -> Annotator:
        return load_recogniser(self.asr, _options(self.asr_options, "asr_options"))

    @cached_property
    def _chat(self) -> Chat | None:
        """The text LLM; None: `llm` is a model of this wing."""
        provider, slash, _ = self.llm.partition("/")
        if slash and provider in providers():
            return load_chat(self.llm, _options(self.llm_options, "llm_options"))
        if self.system is not None:
            raise UsageError("a system prompt needs a text LLM, openai/NAME or hf/ID, and llm is", value=self.llm)
        return None

    @cached_property
    def _model(self) -> Model:
        return load_model(self.llm, _options(self.llm_options, "llm_options"))


def _options(text: str, name: str) -> dict[str, str]:
    """`device=cuda,language=en` as a dictionary."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if bad := [key for key, equals, _ in pairs if not equals or not key.strip()]:
        raise UsageError(f"{name} are KEY=VALUE,KEY=VALUE, not", value=bad[0])
    return {key.strip(): value.strip() for key, _, value in pairs}


def _named(heard: Heard) -> Heard:
    """The sound under a name of its own: an annotation names the clip only, whatever was done to it."""
    sound = heard.sound
    if not sound.effects:
        return heard
    clip = dataclasses.replace(sound.clip, sha256=digest(sound.clip.sha256, [repr(effect) for effect in sound.effects]))
    return dataclasses.replace(heard, sound=dataclasses.replace(sound, clip=clip))


def _as_spoken(read: Prediction, request: Request, heard: float) -> Prediction:
    """The LLM's answer to the words as the answer to the spoken request."""
    if read.status == "error":
        return request.failed(read.error or "the LLM gave no reason")
    return request.answered(
        read.raw,
        heard=heard,
        status=read.status,
        finish_reason=read.finish_reason,
        input_tokens=read.input_tokens,
        output_tokens=read.output_tokens,
    )


def _drained(predictions: list[Prediction]) -> Iterator[Prediction]:
    while predictions:
        yield predictions.pop(0)
