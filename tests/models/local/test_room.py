"""A shared prefix with room behind it holds what transformers' own cache would hold, and copies nothing for a token."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.cache_utils import DynamicCache, DynamicSlidingWindowLayer

from cpbench.models.local.room import hand_out

ROWS = torch.tensor([0, 0, 0, 1, 1])


def states(rows: int, positions: int, seed: int) -> tuple[Any, Any]:
    draw = torch.Generator().manual_seed(seed)
    keys, values = (torch.randn(rows, 2, positions, 8, generator=draw) for _ in range(2))
    return keys, values


def prefix() -> DynamicCache:
    cache = DynamicCache()
    for layer in range(3):
        cache.update(*states(2, 7, layer), layer)
    return cache


def test_it_holds_what_the_library_s_cache_would_and_copies_nothing() -> None:
    plain, roomy = prefix(), prefix()
    plain.batch_select_indices(ROWS)
    hand_out(roomy, ROWS, 6)
    places = [layer.keys.data_ptr() for layer in roomy.layers]
    for step, positions in enumerate((3, 1, 1, 1)):
        for layer in range(3):
            new = states(5, positions, 10 * step + layer)
            for own, its in zip(roomy.update(*new, layer), plain.update(*new, layer), strict=True):
                assert torch.equal(own, its)
        assert roomy.get_seq_length() == plain.get_seq_length()
        assert roomy.get_mask_sizes(1, 0) == plain.get_mask_sizes(1, 0)
    assert [layer.keys.data_ptr() for layer in roomy.layers] == places


@pytest.mark.parametrize("change", ["more than there is room for", "rows of their own", "cropped"])
def test_what_was_not_foreseen_is_done_as_the_library_does_it(change: str) -> None:
    plain, roomy = prefix(), prefix()
    plain.batch_select_indices(ROWS)
    hand_out(roomy, ROWS, 2)
    rows = 5
    for cache in (plain, roomy):
        cache.update(*states(5, 2, 20), 0)
        if change == "rows of their own":
            cache.batch_select_indices(torch.tensor([4, 1]))
            rows = 2
        elif change == "cropped":
            cache.layers[0].crop(-1)
    for step in range(3):
        new = states(rows, 1, 30 + step)
        for own, its in zip(roomy.update(*new, 0), plain.update(*new, 0), strict=True):
            assert torch.equal(own, its)


def test_a_sliding_window_stays_one() -> None:
    cache = DynamicCache()
    cache.layers = [DynamicSlidingWindowLayer(sliding_window=4)]
    cache.layer_class_to_replicate = None
    cache.update(*states(2, 7, 0), 0)
    hand_out(cache, ROWS, 6)
    assert type(cache.layers[0]) is DynamicSlidingWindowLayer
    assert cache.layers[0].keys.shape == (5, 2, 3, 8)
