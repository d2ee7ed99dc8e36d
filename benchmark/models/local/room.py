"""A prefix's keys and values handed to each of its questions, with room for what is still to be said.

transformers' own cache copies all that it holds for each new token: with half a minute of audio in the prompt that is
most of a step's time. Here the room is made once and filled; the numbers, and what attends to them, are the same.
"""

from __future__ import annotations

import functools
from typing import Any


def hand_out(cache: Any, rows: Any, more: int) -> None:
    """Let the cache hold these rows of itself, in this order, with room for so many more positions, where its layers
    are of the plain growing kind; other layers (sliding windows) only get the rows.

    `rows`: int64 (B,), a row as often as it has questions.
    """
    from transformers.cache_utils import DynamicLayer

    for place, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer and layer.get_seq_length():
            cache.layers[place] = _roomy()(layer.keys, layer.values, rows, more)
        else:
            layer.batch_select_indices(rows)


@functools.cache
def _roomy() -> type:
    import torch
    from transformers.cache_utils import DynamicLayer

    class Roomy(DynamicLayer):  # type: ignore[misc]
        """`keys` and `values` are the filled beginning of a larger room."""

        def __init__(self, keys: Any, values: Any, rows: Any, more: int) -> None:
            super().__init__()
            self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
            self._rooms = [_room(keys, rows, more), _room(values, rows, more)]
            self.keys, self.values = (room[..., : keys.shape[-2], :] for room in self._rooms)

        def update(self, key_states: Any, value_states: Any, *others: Any, **named: Any) -> tuple[Any, Any]:
            start = self.keys.shape[-2]
            end = start + key_states.shape[-2]
            if end > self._rooms[0].shape[-2] or self.keys.data_ptr() != self._rooms[0].data_ptr():
                return super().update(key_states, value_states, *others, **named)  # type: ignore[no-any-return]
            for room, states in zip(self._rooms, (key_states, value_states), strict=True):
                room[..., start:end, :] = states
            self.keys, self.values = (room[..., :end, :] for room in self._rooms)
            return self.keys, self.values

    def _room(held: Any, rows: Any, more: int) -> Any:
        """The rows of what is held, with room behind them: (B, heads, positions + more, size)."""
        _, heads, positions, size = held.shape
        room = torch.empty(len(rows), heads, positions + more, size, dtype=held.dtype, device=held.device)
        torch.index_select(held, 0, rows.to(held.device), out=room[..., :positions, :])
        return room

    return Roomy
