"""Attention that is written out gives what torch's own gives, and is asked for where it is faster."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from cpbench.training.attention import WRITTEN_OUT, attend, pays, written_out


@pytest.mark.parametrize("shared_heads", [4, 2])
def test_it_is_torchs_attention(shared_heads: int) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, 4, 5, 8, requires_grad=True)
    key, value = (torch.randn(2, shared_heads, 5, 8, requires_grad=True) for _ in range(2))
    seen = torch.rand(2, 1, 5, 5) > 0.5
    seen |= torch.eye(5, dtype=torch.bool)
    added = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    made, _ = attend(nn.Identity(), query, key, value, added, scaling=8**-0.5)
    expected = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, enable_gqa=True)
    torch.testing.assert_close(made, expected.transpose(1, 2))
    wanted = torch.randn_like(made)
    ours = torch.autograd.grad(made, (query, key, value), wanted)
    torch.testing.assert_close(ours, torch.autograd.grad(expected.transpose(1, 2), (query, key, value), wanted))


def _text() -> LlamaForCausalLM:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(**size, num_key_value_heads=2, vocab_size=30)).eval()


def test_a_language_model_takes_it_and_gives_it_back() -> None:
    text, ids = _text(), torch.arange(12).reshape(2, 6)
    added = torch.zeros(2, 1, 6, 6).masked_fill(torch.ones(6, 6).triu(1).bool(), torch.finfo(torch.float32).min)
    before = text(input_ids=ids).logits
    with written_out(text):
        assert text.config._attn_implementation == WRITTEN_OUT
        torch.testing.assert_close(text(input_ids=ids, attention_mask=added).logits, before)
    assert text.config._attn_implementation == "sdpa"
    assert torch.equal(text(input_ids=ids).logits, before)


def test_where_it_pays() -> None:
    text = _text()
    assert pays(text, bfloat16=True, checkpointing=False)
    assert not pays(text, bfloat16=False, checkpointing=False)
    assert not pays(text, bfloat16=True, checkpointing=True)  # what is computed again would be another
    text.config._attn_implementation = "eager"  # asked for
    assert not pays(text, bfloat16=True, checkpointing=False)
