"""`hf/ID`: a causal language model of transformers on this machine: greedy by default, or weighing given choices."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from typing import Any, Literal

from cpbench.chat import ChatRequest, Message, Reply
from cpbench.errors import UserError
from cpbench.flow.batching import Shortage, in_batches
from cpbench.flow.device import best_device, best_dtype
from cpbench.flow.refusals import refusal
from cpbench.records import Call


@dataclass
class LocalChat:
    """Its own chat template words the messages; a checkpoint without one gets them as paragraphs.

    A request with choices is not generated from: `Reply.expected` is the sum of p(choice) * choice, p being the
    probability that the reply begins with the choice, over the sum of all choices'. A schema is not enforced.
    `batch_size`: greedy requests at once; above 1 padding can move a close decision.
    """

    name: str  # a folder, or a Hub id
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    revision: str | None = None
    trust_remote_code: bool = False
    batch_size: int = 1

    @property
    def third_party(self) -> bool:
        return False

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield replies in order; a prompt that does not fit into the context or the memory is an `api_error`.

        Raises UserError for a checkpoint that cannot be loaded, and for a message with sounds.
        """
        for kind, group in groupby(requests, key=_together):
            yield from in_batches(
                group,
                self._weighed if kind[0] else self._said,
                cost=lambda request: 1.0,
                budget=1.0 if kind[0] else float(self.batch_size),
                shortage=Shortage(_too_much, _empty_cache),
            )

    def _said(self, requests: list[ChatRequest]) -> list[Reply]:
        """Generate the replies to requests of one kind, together."""
        started, when = time.monotonic(), _now()
        prompts = [self._ids(*self._prompt(request.messages)) for request in requests]
        replies = {request.key: self._beyond(request, len(ids)) for request, ids in zip(requests, prompts, strict=True)}
        fit = [(request, ids) for request, ids in zip(requests, prompts, strict=True) if not replies[request.key]]
        if not fit:
            return [reply for reply in replies.values() if reply is not None]
        settings, sent = self._settings(fit[0][0])
        said = self._generate([ids for _, ids in fit], settings, fit[0][0])
        latency = time.monotonic() - started
        for (request, ids), row in zip(fit, said, strict=True):
            text, count, ended = self._cut(row, request.stop, _ends(settings.eos_token_id))
            usage = {"input_tokens": len(ids), "output_tokens": count}
            status: Literal["ok", "truncated"] = "ok" if ended else "truncated"
            call = self._call(sent, usage, when, latency, request)
            replies[request.key] = Reply(
                request.key, status, text, finish_reason="stop" if ended else "length", call=call
            )
        return [reply for reply in replies.values() if reply is not None]

    def _cut(self, row: list[int], stop: tuple[str, ...], ends: list[int]) -> tuple[str, int, bool]:
        """The text of a row of tokens, how many they are, and whether it came to its end."""
        last = next((place for place, token in enumerate(row) if token in ends), None)
        row = row if last is None else row[: last + 1]
        text = self._tokenizer.decode(row, skip_special_tokens=True)
        found = [place for word in stop if (place := text.find(word)) >= 0]
        while (
            found
            and len(row) > 1
            and any(word in self._tokenizer.decode(row[:-1], skip_special_tokens=True) for word in stop)
        ):
            row = row[:-1]  # what pads a row that stopped before its batch
        return (text[: min(found)] if found else text).strip(), len(row), bool(found) or last is not None

    def _weighed(self, requests: list[ChatRequest]) -> list[Reply]:
        return [self._weigh(request) for request in requests]

    def _weigh(self, request: ChatRequest) -> Reply:
        started, when = time.monotonic(), _now()
        text, special = self._prompt(request.messages)
        prompt = self._ids(text, special)
        ways = [self._continuation(text, special, prompt, choice) for choice in request.choices]
        if len(set(map(tuple, ways))) < len(ways):
            raise UserError("this tokenizer cannot tell the choices apart:", value=", ".join(request.choices))
        if (beyond := self._beyond(request, len(prompt), max(map(len, ways)))) is not None:
            return beyond
        weights = _exclusive(ways, self._likelihoods(prompt, ways))
        total = math.fsum(weights)
        if not total > 0:
            return Reply(request.key, "api_error", error=f"no choice has a probability above 0: {weights}")
        expected = math.fsum(
            weight / total * float(choice) for weight, choice in zip(weights, request.choices, strict=True)
        )
        best = request.choices[max(range(len(weights)), key=weights.__getitem__)]
        sent = {"choices": list(request.choices)}
        usage = {"input_tokens": len(prompt), "output_tokens": 0}
        call = self._call(sent, usage, when, time.monotonic() - started, request)
        return Reply(request.key, "ok", best, finish_reason="choices", call=call, expected=expected)

    def _likelihoods(self, prompt: list[int], ways: list[list[int]]) -> list[float]:
        """How likely the model goes on in each of these ways: the product over a way's tokens."""
        import torch

        longest = max(map(len, ways))
        rows = (
            [prompt] if longest == 1 else [[*prompt, *way[:-1], *[prompt[-1]] * (longest - len(way))] for way in ways]
        )
        keep = (
            {"logits_to_keep": longest} if "logits_to_keep" in inspect.signature(self._model.forward).parameters else {}
        )
        with torch.inference_mode():
            ids = torch.tensor(rows, device=self._model.device)
            logits = self._model(input_ids=ids, attention_mask=torch.ones_like(ids), **keep).logits[:, -longest:]
        logs = logits.double().log_softmax(-1).cpu()  # what fills a row up stands behind all that is read
        return [
            math.exp(math.fsum(float(logs[n if longest > 1 else 0, step, token]) for step, token in enumerate(way)))
            for n, way in enumerate(ways)
        ]

    def _continuation(self, text: str, special: bool, prompt: list[int], choice: str) -> list[int]:
        """The tokens of a choice as they follow the prompt, which can be others than those of the choice alone."""
        whole = self._ids(text + choice, special)
        if whole[: len(prompt)] == prompt and len(whole) > len(prompt):
            return whole[len(prompt) :]
        return self._ids(choice, special=False)

    def _call(
        self, sent: Mapping[str, Any], usage: Mapping[str, int], when: str, latency: float, request: ChatRequest
    ) -> Call:
        resolved = getattr(self._model.config, "_commit_hash", None) or self.name  # a folder has no commit
        left_out = ("schema",) if request.schema is not None else ()
        return Call(self.name, resolved, sent, usage, when, latency_s=latency, params_rejected=left_out)

    def _beyond(self, request: ChatRequest, read: int, more: int | None = None) -> Reply | None:
        most = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        more = request.max_tokens if more is None else more
        if most is None or read + more <= most:
            return None
        return Reply(request.key, "api_error", error=f"{read} + {more} tokens do not fit into the context of {most}")

    def _generate(self, prompts: list[list[int]], settings: Any, request: ChatRequest) -> list[list[int]]:
        import torch

        longest = max(map(len, prompts))
        ids = [[settings.pad_token_id] * (longest - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        with torch.inference_mode(), torch.random.fork_rng(enabled=settings.do_sample):
            if settings.do_sample and request.seed is not None:
                torch.manual_seed(request.seed)
            said = self._model.generate(
                input_ids=torch.tensor(ids, device=self._model.device),
                attention_mask=torch.tensor(mask, device=self._model.device),
                generation_config=settings,
                stopping_criteria=self._stopping(longest, request.stop),
            )
        return [row[longest:] for row in said.tolist()]

    def _stopping(self, read: int, stop: tuple[str, ...]) -> Any:
        """Ends at a stop text by decoding: transformers' own criterion fails on vocabularies of whole words."""
        import torch
        from transformers import StoppingCriteriaList

        def said(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            texts = self._tokenizer.batch_decode(ids[:, read:], skip_special_tokens=True)
            return torch.tensor([any(word in text for word in stop) for text in texts], device=ids.device)

        return StoppingCriteriaList([said] if stop else [])

    def _settings(self, request: ChatRequest) -> tuple[Any, Mapping[str, Any]]:
        """A generation configuration of our own: a checkpoint's sampling defaults would make greedy answers random."""
        from transformers import GenerationConfig

        own, warm = self._model.generation_config, request.temperature or 0.0
        sent: dict[str, Any] = {"max_new_tokens": request.max_tokens, "do_sample": warm > 0}
        if warm > 0:
            sent |= {"temperature": warm, "seed": request.seed}
        if request.stop:
            sent["stop"] = list(request.stop)
        settings = GenerationConfig(**{name: value for name, value in sent.items() if name not in ("seed", "stop")})
        settings.eos_token_id = own.eos_token_id if own.eos_token_id is not None else self._tokenizer.eos_token_id
        pad = own.pad_token_id
        settings.pad_token_id = next(iter(_ends(settings.eos_token_id)), 0) if pad is None else pad
        return settings, sent

    def _prompt(self, messages: tuple[Message, ...]) -> tuple[str, bool]:
        """The words of the prompt, and whether special tokens are still to be put around them."""
        from jinja2 import TemplateError

        if any(message.sounds for message in messages):
            raise UserError("a text LLM hears nothing:", value=f"hf/{self.name}")
        if self._tokenizer.chat_template is None:
            return "\n\n".join(message.text for message in messages) + "\n", True
        try:
            return self._templated([{"role": message.role, "content": message.text} for message in messages]), False
        except TemplateError:  # a template without a system role
            system = "\n\n".join(message.text for message in messages if message.role == "system")
            first, *rest = [message for message in messages if message.role != "system"]
            folded = [{"role": first.role, "content": f"{system}\n\n{first.text}"}]
            turns = [*folded, *({"role": other.role, "content": other.text} for other in rest)]
            return self._templated(turns), False

    def _templated(self, messages: list[dict[str, str]]) -> str:
        return str(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def _ids(self, text: str, special: bool) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=special)["input_ids"])

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return self._loaded(AutoTokenizer)

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        device = best_device() if self.device == "auto" else self.device
        dtype = getattr(torch, best_dtype(device) if self.dtype == "auto" else self.dtype)
        return self._loaded(AutoModelForCausalLM, dtype=dtype, use_safetensors=True).to(device).eval()

    def _loaded(self, kind: Any, **options: Any) -> Any:
        try:
            return kind.from_pretrained(
                self.name, revision=self.revision, trust_remote_code=self.trust_remote_code, **options
            )
        except (OSError, ValueError) as error:  # what transformers raises for what is not there, or is none of its own
            raise refusal(self.name, error) from error


def _ends(eos: int | list[int] | None) -> list[int]:
    return [] if eos is None else [eos] if isinstance(eos, int) else list(eos)


def _together(request: ChatRequest) -> tuple[bool, Any]:
    """Requests of one kind may share a batch; one that samples goes alone, by its own seed."""
    if request.choices:
        return True, None
    return False, (request.max_tokens, request.stop, request.key if request.temperature else None)


def _exclusive(ways: Sequence[list[int]], likelihoods: Sequence[float]) -> list[float]:
    """The probability of each way and no longer one: "1" without "10", of which it is the beginning."""
    weights = []
    for way, likelihood in zip(ways, likelihoods, strict=True):
        longer = [other for other in ways if len(other) > len(way) and other[: len(way)] == way]
        nearest = [other for other in longer if not any(other != one and other[: len(one)] == one for one in longer)]
        weights.append(max(0.0, likelihood - math.fsum(likelihoods[list(ways).index(other)] for other in nearest)))
    return weights


def _too_much(request: ChatRequest, error: BaseException) -> Reply:
    return Reply(request.key, "api_error", error=f"out of memory: {str(error).splitlines()[0]}")


def _empty_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
