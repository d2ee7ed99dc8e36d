"""How much a batch may hold: seconds of audio that enter the encoder, tokens that the language model keeps, and turns.

What a sound's questions share is counted once. The bounds are guesses until the trial has run on the model itself, on
this machine; then they follow from the memory that it took, and stay as they are for the run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpbench.flow.batching import is_out_of_memory

TURNS = 128  # of a batch at most: each halves what is left of a step's cost that does not grow with its rows
SLOW = 3e10
"""Turns times parameters of a batch on a CPU: an answer is on disk when its batch is done, and should not wait for
hours. By parameters, not by a clock: batches of another size would round in another way, and a run is to be
repeatable."""
SHARE = 0.6  # of the free memory that a batch may take: batches differ, and an allocator leaves gaps
LETTERS = 3.0  # of a question, that count as one token
_MEMORY = Path("/sys/fs/cgroup/memory.max")  # bytes that a container may use, or "max"
_USED = Path("/sys/fs/cgroup/memory.current")
_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Load:
    """What one turn brings into a batch."""

    sounds: str  # by name; turns of one name hear the same
    seconds: float  # that enter the encoder for these sounds, padding and all
    padded: float  # seconds of the audio as the prompt spans it
    words: float  # tokens of question and answer


@dataclass(frozen=True)
class Budget:
    """What a batch may hold when all in it are padded to the longest."""

    seconds: float
    tokens: float
    turns: int
    tokens_a_second: float = 25.0  # of audio, padding and all; 25 are those of Whisper's encoders pooled by two

    def fits(self, loads: Sequence[Load], *, once: bool) -> bool:
        """Whether these may be one batch; `once`: a sound is encoded once for its turns. One turn alone always may, and
        a sound that must be encoded in any case holds no seconds against its other turns.
        """
        if len(loads) == 1:
            return True
        encoded = len({load.sounds for load in loads} if once else loads)
        return (
            len(loads) <= self.turns
            and (encoded == 1 or max(load.seconds for load in loads) * encoded <= self.seconds)
            and max(self.tokens_a_second * load.padded + load.words for load in loads) * len(loads) <= self.tokens
        )


GUESSED = {"cpu": Budget(240.0, 24_000, 8), "gpu": Budget(960.0, 64_000, 64)}
"""Before anything is known of the model."""


@dataclass(frozen=True)
class Taken:
    """What one batch of the trial held and took."""

    seconds: float
    tokens: float
    bytes: float  # of memory beyond the weights
    tokens_a_second: float = 25.0
    parameters: float = 0.0  # of the model


def measured(taken: Taken, free: float, kind: str) -> Budget:
    """The budget of a machine with `free` bytes beside the weights, from what one batch took of them.

    All of what the batch took is laid to its seconds and to its tokens alike, so a batch within the budget fits.

    >>> measured(Taken(60.0, 4000.0, 1e9), 10e9, "gpu")
    Budget(seconds=360.0, tokens=24000.0, turns=128, tokens_a_second=25.0)
    """
    times = SHARE * free / max(taken.bytes, 1.0)
    guess = GUESSED[kind]
    most = guess if kind == "cpu" else Budget(1e9, 1e9, 0)  # on a CPU time ends first, and memory is others' as well
    return Budget(
        max(taken.seconds, min(most.seconds, times * taken.seconds)),
        max(taken.tokens, min(2 * most.tokens, times * taken.tokens)),
        TURNS if kind == "gpu" else int(max(guess.turns, min(TURNS, SLOW / max(1.0, taken.parameters)))),
        taken.tokens_a_second,
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

    `batch` answers and gives the bytes of its keys and values. On a CPU it took four times those, or what the process
    grew by where that is more: an allocator that holds free pages from earlier batches grows by less than is used.
    """
    import torch

    cuda = device.startswith("cuda")
    try:
        if cuda:
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            batch()
            return float(torch.cuda.max_memory_allocated(device) - before)
        before = _resident(forget_peak=True)
        return max(4 * batch(), float(_resident("VmHWM") - before))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def _resident(what: str = "VmRSS", *, forget_peak: bool = False) -> int:
    """Bytes of this process in memory: now, or at their peak (VmHWM). 0 where the system does not say."""
    if forget_peak:
        with contextlib.suppress(OSError):
            _FORGET.write_text("5")
    if not _STATUS.is_file():
        return 0
    said = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(said[what].split()[0]) * 1024


def cache_bytes(cache: Any) -> float:
    """Bytes that the keys and values of a cache take."""
    layers = getattr(cache, "layers", None) or []
    tensors = [getattr(layer, name, None) for layer in layers for name in ("keys", "values")]
    return float(sum(tensor.nbytes for tensor in tensors if tensor is not None))
