"""How much a batch may hold: seconds of audio that enter the encoder, tokens that the language model keeps, and turns.

What a sound's questions share is counted once. The bounds are guesses until the trial has run on the model itself, on
this machine; then they follow from the memory that it took, and stay as they are for the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpbench.flow.batching import is_out_of_memory

TURNS = {"cpu": 32, "gpu": 128}
"""Turns of a batch at most. On a CPU a step's cost grows with its rows from about 16 on, so that more bring little."""
SHARE = 0.6  # of the free memory that a batch may take: batches differ, and an allocator leaves gaps
LETTERS = 3.0  # of a question, that count as one token
_MEMORY = Path("/sys/fs/cgroup/memory.max")  # bytes that a container may use, or "max"
_USED = Path("/sys/fs/cgroup/memory.current")


@dataclass(frozen=True)
class Load:
    """What one turn brings into a batch."""

    sounds: str  # by name; turns of one name are encoded together
    seconds: float  # padded, that enter the encoder for these sounds
    tokens: float  # of prompt and answer


@dataclass(frozen=True)
class Budget:
    """What a batch may hold when all in it are padded to the longest."""

    seconds: float
    tokens: float
    turns: int

    def fits(self, loads: Sequence[Load]) -> bool:
        """Whether these may be one batch. One turn alone always may."""
        if len(loads) == 1:
            return True
        sounds = {load.sounds for load in loads}
        return (
            len(loads) <= self.turns
            and max(load.seconds for load in loads) * len(sounds) <= self.seconds
            and max(load.tokens for load in loads) * len(loads) <= self.tokens
        )


GUESSED = {"cpu": Budget(240.0, 24_000, 8), "gpu": Budget(960.0, 64_000, 64)}
"""Before anything is known of the model."""


@dataclass(frozen=True)
class Taken:
    """What one batch of the trial held and took."""

    seconds: float
    tokens: float
    bytes: float  # of memory beyond the weights


def measured(taken: Taken, free: float, kind: str) -> Budget:
    """The budget of a machine with `free` bytes beside the weights, from what one batch took of them.

    All of what the batch took is laid to its seconds and to its tokens alike, so a batch within the budget fits.

    >>> measured(Taken(60.0, 4000.0, 1e9), 10e9, "gpu")
    Budget(seconds=360.0, tokens=24000.0, turns=128)
    """
    times = SHARE * free / max(taken.bytes, 1.0)
    guess = GUESSED[kind]
    most = guess if kind == "cpu" else Budget(1e9, 1e9, 0)  # on a CPU time ends first, and memory is others' as well
    return Budget(
        max(taken.seconds, min(most.seconds, times * taken.seconds)),
        max(taken.tokens, min(2 * most.tokens, times * taken.tokens)),
        TURNS[kind],
    )


def free_bytes(device: str) -> float:
    """Bytes that are free on a device: of a GPU with what this process holds unused, of a CPU within its container."""
    import torch

    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        return float(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if _MEMORY.is_file() and _USED.is_file() and (bound := _MEMORY.read_text().strip()) != "max":
        return float(max(0, min(pages, int(bound) - int(_USED.read_text()))))
    return float(pages)


def bytes_taken(device: str, batch: Callable[[], float]) -> float | None:
    """Bytes of memory that a batch took at its peak; None: there was no memory for it.

    `batch` answers and gives the bytes of its keys and values: on a CPU, where no peak is known, four times those.
    """
    import torch

    cuda = device.startswith("cuda")
    try:
        if cuda:
            torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device) if cuda else 0
        kept = batch()
        return float(torch.cuda.max_memory_allocated(device) - before) if cuda else 4 * kept
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def cache_bytes(cache: Any) -> float:
    """Bytes that the keys and values of a cache take."""
    layers = getattr(cache, "layers", None) or []
    tensors = [getattr(layer, name, None) for layer in layers for name in ("keys", "values")]
    return float(sum(tensor.nbytes for tensor in tensors if tensor is not None))
