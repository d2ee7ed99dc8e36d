"""A small speech encoder whose answer to a clip does not depend on the padding beside it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from cpbench.speechlm.config import SpeechEncoderConfig


class SpeechEncoder(PreTrainedModel):  # type: ignore[misc]
    """Strided convolutions, then layers of attention, depthwise convolution (which tells the order) and feed-forward.

    Every convolution sees zeros beyond a clip's end, and no attention goes there, so padding changes nothing.
    """

    config_class = SpeechEncoderConfig
    config: SpeechEncoderConfig
    main_input_name = "input_features"
    input_modalities = ("audio",)
    _no_split_modules = ["EncoderLayer"]  # noqa: RUF012 (as the base class declares it)
    supports_gradient_checkpointing = True

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__(config)
        steps = math.log2(config.downsampling)
        if steps != int(steps):
            raise ValueError(f"downsampling should be a power of two, not {config.downsampling}")
        widths = [config.num_mel_bins] + [config.hidden_size] * int(steps)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, 5, stride=2, padding=2) for before, after in pairwise(widths)
        )
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.gradient_checkpointing = False
        self.post_init()

    def forward(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> BaseModelOutput:
        """(B, num_mel_bins, T) with mask (B, T) -> last_hidden_state (B, ceil(T / downsampling), H)."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_features[:, 0], dtype=torch.long)
        mask = attention_mask.bool()
        states = input_features.to(self.norm.weight.dtype) * mask[:, None]
        for convolution in self.convolutions:
            mask = mask[:, ::2]
            states = nn.functional.gelu(convolution(states)) * mask[:, None]
        states = self.dropout(states.transpose(1, 2))
        for layer in self.layers:
            if self.gradient_checkpointing and self.training:
                states = self._gradient_checkpointing_func(layer.__call__, states, mask)
            else:
                states = layer(states, mask)
        return BaseModelOutput(last_hidden_state=self.norm(states) * mask[..., None])


class EncoderLayer(nn.Module):
    """Self-attention, a depthwise convolution over time, and a feed-forward layer, each added to its input."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_attention_heads
        self.attention_norm = nn.LayerNorm(size)
        self.qkv = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)
        self.convolution_norm = nn.LayerNorm(size)
        self.convolution = nn.Conv1d(size, size, config.kernel_size, padding=config.kernel_size // 2, groups=size)
        self.mix = nn.Linear(size, size)
        self.feed_forward_norm = nn.LayerNorm(size)
        self.up = nn.Linear(size, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = states + self.dropout(self._attend(self.attention_norm(states), mask))
        local = self.convolution((self.convolution_norm(states) * mask[..., None]).transpose(1, 2)).transpose(1, 2)
        states = states + self.dropout(self.mix(nn.functional.silu(local)))
        hidden = nn.functional.silu(self.up(self.feed_forward_norm(states)))
        changed: torch.Tensor = states + self.dropout(self.down(hidden))
        return changed

    def _attend(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, length, size = states.shape
        query, key, value = (
            self.qkv(states).view(batch, length, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4)
        )
        heard = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        out: torch.Tensor = self.out(heard.transpose(1, 2).reshape(batch, length, size))
        return out
