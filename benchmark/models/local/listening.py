"""What truly enters a model's audio encoder: seen by a hook on the encoder itself, behind all preparation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from cpbench.errors import UserError

NAMES = ("audio_tower", "audio_encoder", "speech_encoder", "audio_model", "encoder")


def encoder_of(model: Any) -> Any | None:
    """The audio encoder inside a model: the outermost part that states audio as its only modality, or is called so."""
    from torch import nn

    for module in model.modules():
        if module is not model and getattr(module, "input_modalities", None) in ("audio", ("audio",), ["audio"]):
            return module
    for wanted in NAMES:
        for name, module in model.named_modules():
            if name.rpartition(".")[2] == wanted and isinstance(module, nn.Module):
                return module
    return None


@contextlib.contextmanager
def entering(model: Any) -> Iterator[list[Any]]:
    """A list that fills with the encoder's input features, (rows, ...) each time that it is called.

    Raises UserError for a model in which no audio encoder is found.
    """
    encoder = encoder_of(model)
    if encoder is None:
        raise UserError(f"no audio encoder is found in {type(model).__name__}", mend="--no-hearing-check")
    entered: list[Any] = []

    def look(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        values = [*arguments, *named.values()]
        floating = [value for value in values if getattr(value, "ndim", 0) > 1 and value.is_floating_point()]
        features = [value for value in floating if value.ndim == 3] or [value[:, None] for value in floating]
        entered.extend(features[:1])  # a wave is one feature a frame

    hook = encoder.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield entered
    finally:
        hook.remove()
