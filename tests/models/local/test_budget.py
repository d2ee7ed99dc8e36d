"""What a batch may hold: a sound's seconds once, tokens of every turn, and no more than the memory allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from cpbench.models.local import LocalModel, budget
from cpbench.models.local.budget import GUESSED, Budget, Load, Taken, bytes_taken, free_bytes, measured
from cpbench.records import Turn


def test_the_seconds_of_a_sound_count_once_and_tokens_for_every_turn() -> None:
    held = Budget(seconds=60.0, tokens=1000.0, turns=8)
    assert held.fits([Load("a", 30.0, 100.0)] * 4 + [Load("b", 20.0, 100.0)] * 4)  # two sounds, padded to 30 s
    assert not held.fits([Load(name, 21.0, 1.0) for name in "abc"])  # 63 s
    assert not held.fits([Load("a", 30.0, 100.0)] * 9)  # turns
    assert held.fits([Load("a", 1.0, 500.0)] * 2) and not held.fits([*[Load("a", 1.0, 1.0)] * 2, Load("a", 1.0, 334.0)])
    assert held.fits([Load("a", 600.0, 9e9)])  # one alone is always tried


def test_the_budget_follows_the_memory() -> None:
    taken = Taken(seconds=60.0, tokens=4000.0, bytes=2e9)
    assert measured(taken, 20e9, "gpu") == Budget(360.0, 24_000.0, 128)
    assert measured(taken, 1e9, "gpu") == Budget(60.0, 4000.0, 128)  # what has been seen to fit is not taken back
    assert measured(taken, 1e15, "cpu") == Budget(GUESSED["cpu"].seconds, 2 * GUESSED["cpu"].tokens, 32)
    assert free_bytes("cpu") > 0


def test_memory_that_is_not_there_is_no_error() -> None:
    def full() -> float:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    assert bytes_taken("cpu", full) is None
    assert bytes_taken("cpu", lambda: 100.0) == 400.0
    with pytest.raises(RuntimeError, match="something else"):
        bytes_taken("cpu", lambda: (_ for _ in ()).throw(RuntimeError("something else")))


def test_batches_are_as_large_as_the_measured_memory_lets_them_be(
    checkpoints: dict[str, Path], ask: Callable[..., Turn], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = []
    for number in range(10):
        base = ask(number, 1.0, max_new_tokens=2)
        for place in range(4):
            request = dataclasses.replace(base.request, item_id=f"{number}-{place}", text=f"what is said {place}")
            turns.append(Turn(request, base.heard))

    def sizes(free: float) -> tuple[list[int], list[str]]:
        monkeypatch.setattr("cpbench.models.local.free_bytes", lambda device: free)
        model = LocalModel(str(checkpoints["qwen2_audio"]))
        seen: list[int] = []
        hook = model._speaker.model.get_output_embeddings().register_forward_hook(
            lambda _, given, made: seen.append(len(made))
        )
        said = [answer.raw for answer in model.answer(turns)]
        hook.remove()
        assert model.account()["encoder_passes"] == 10
        return seen, said

    ample, said = sizes(1e12)
    tight, same = sizes(1.0)
    assert said == same
    assert max(ample) == budget.TURNS["cpu"] == 32
    assert max(tight) <= GUESSED["cpu"].turns
