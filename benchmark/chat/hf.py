"""`hf/ID`: a causal language model of transformers on this machine, one request at a time, greedy by default."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from cpbench.chat import ChatRequest, Message, Reply
from cpbench.errors import UserError
from cpbench.flow.device import best_device, best_dtype
from cpbench.records import Call


@dataclass
class LocalChat:
    """Its own chat template words the messages; a checkpoint without one gets them as paragraphs."""

    name: str  # a folder, or a Hub id
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    revision: str | None = None
    trust_remote_code: bool = False

    @property
    def third_party(self) -> bool:
        return False

    def ask(self, requests: Iterable[ChatRequest]) -> Iterator[Reply]:
        """Yield replies in order; a prompt that does not fit into the context or the memory is an `api_error`.

        Raises UserError for a checkpoint that cannot be loaded, and for a message with sounds.
        """
        import torch

        for request in requests:
            try:
                yield self._reply(request)
            except torch.OutOfMemoryError as error:
                yield Reply(request.key, "api_error", error=f"out of memory: {str(error).splitlines()[0]}")

    def _reply(self, request: ChatRequest) -> Reply:
        started, when = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
        inputs = self._inputs(request.messages).to(self._model.device)
        read = int(inputs["input_ids"].shape[1])
        most = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if most is not None and read + request.max_tokens > most:
            reason = f"{read} + {request.max_tokens} tokens do not fit into the context of {most}"
            return Reply(request.key, "api_error", error=reason)
        settings, sent = self._settings(request)
        said = self._generate(inputs, settings, request)[0, read:]
        text = self._tokenizer.decode(said, skip_special_tokens=True)
        found = [place for stop in request.stop if (place := text.find(stop)) >= 0]
        text = text[: min(found)] if found else text
        ended = bool(found) or (len(said) > 0 and int(said[-1]) in _ends(settings.eos_token_id))
        usage = {"input_tokens": read, "output_tokens": len(said)}
        latency = time.monotonic() - started
        resolved = getattr(self._model.config, "_commit_hash", None) or self.name  # a folder has no commit
        call = Call(self.name, resolved, sent, usage, when, latency_s=latency)
        status: Literal["ok", "truncated"] = "ok" if ended else "truncated"
        return Reply(request.key, status, text.strip(), finish_reason="stop" if ended else "length", call=call)

    def _generate(self, inputs: Any, settings: Any, request: ChatRequest) -> Any:
        import torch

        with torch.inference_mode(), torch.random.fork_rng(enabled=settings.do_sample):
            if settings.do_sample and request.seed is not None:
                torch.manual_seed(request.seed)
            return self._model.generate(
                **inputs, generation_config=settings, stopping_criteria=self._stopping(inputs, request.stop)
            )

    def _stopping(self, inputs: Any, stop: tuple[str, ...]) -> Any:
        """Ends at a stop text by decoding: transformers' own criterion fails on vocabularies of whole words."""
        import torch
        from transformers import StoppingCriteriaList

        read = inputs["input_ids"].shape[1]

        def said(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            text = self._tokenizer.decode(ids[0, read:], skip_special_tokens=True)
            return torch.tensor([any(word in text for word in stop)], device=ids.device)

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

    def _inputs(self, messages: tuple[Message, ...]) -> Any:
        from jinja2 import TemplateError

        if any(message.sounds for message in messages):
            raise UserError("a text LLM hears nothing:", value=f"hf/{self.name}")
        if self._tokenizer.chat_template is None:
            return self._tokenizer("\n\n".join(message.text for message in messages) + "\n", return_tensors="pt")
        try:
            return self._templated([{"role": message.role, "content": message.text} for message in messages])
        except TemplateError:  # a template without a system role
            system = "\n\n".join(message.text for message in messages if message.role == "system")
            first, *rest = [message for message in messages if message.role != "system"]
            folded = [{"role": first.role, "content": f"{system}\n\n{first.text}"}]
            return self._templated([*folded, *({"role": other.role, "content": other.text} for other in rest)])

    def _templated(self, messages: list[dict[str, str]]) -> Any:
        return self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )

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
            reason = str(error).strip().split("\n")[0]
            raise UserError(f"this text LLM cannot be loaded ({reason}):", value=self.name) from None


def _ends(eos: int | list[int] | None) -> list[int]:
    return [] if eos is None else [eos] if isinstance(eos, int) else list(eos)
