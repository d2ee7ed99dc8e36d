"""What a batch may hold: a sound's seconds once, tokens of every turn, and no more than the memory allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from cpbench.models.local import LocalModel
from cpbench.models.local.budget import GUESSED, Budget, Load, Taken, bytes_taken, free_bytes, measured
from cpbench.records import Turn


def load(sounds: str, seconds: float, words: float) -> Load:
    return Load(sounds, seconds, seconds, words)


def test_the_seconds_of_a_sound_count_once_and_tokens_for_every_turn() -> None:
    held = Budget(seconds=60.0, tokens=1000.0, turns=8, tokens_a_second=1.0)
    two = [load("a", 30.0, 70.0)] * 4 + [load("b", 20.0, 70.0)] * 4
    assert held.fits(two, once=True)  # two sounds, padded to 30 s
    assert not held.fits(two[:3], once=False)  # three passes of 30 s
    assert not held.fits([load(name, 21.0, 1.0) for name in "abc"], once=True)  # 63 s
    assert not held.fits([load("a", 3.0, 1.0)] * 9, once=True)  # turns
    assert held.fits([load("a", 25.0, 475.0)] * 2, once=True)  # as many tokens as may be
    assert not held.fits([*[load("a", 1.0, 1.0)] * 2, load("a", 25.0, 309.0)], once=True)
    assert held.fits([load("a", 600.0, 9e9)], once=True)  # one alone is always tried
    assert held.fits([load("a", 90.0, 10.0)] * 8, once=True) and not held.fits([load("a", 90.0, 10.0)] * 2, once=False)


def test_the_budget_follows_the_memory() -> None:
    taken = Taken(seconds=60.0, tokens=4000.0, bytes=2e9)
    assert measured(taken, 20e9, "gpu") == Budget(360.0, 24_000.0, 128)
    assert measured(taken, 1e9, "gpu") == Budget(60.0, 4000.0, 128)  # what has been seen to fit is not taken back
    cpu = Budget(GUESSED["cpu"].seconds, 2 * GUESSED["cpu"].tokens, 128)
    assert measured(taken, 1e15, "cpu") == cpu
    large = [dataclasses.replace(taken, parameters=count) for count in (15e6, 1e9, 7e9)]
    assert [measured(one, 1e15, "cpu").turns for one in large] == [128, 30, 8]
    assert [measured(one, 1e15, "gpu").turns for one in large] == [128] * 3
    assert free_bytes("cpu") > 0


def test_memory_that_is_not_there_is_no_error() -> None:
    def full() -> float:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    assert bytes_taken("cpu", full) is None
    with pytest.raises(RuntimeError, match="something else"):
        bytes_taken("cpu", lambda: (_ for _ in ()).throw(RuntimeError("something else")))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system does not say")
def test_on_a_cpu_a_batch_took_what_the_process_grew_by_or_four_times_its_cache() -> None:
    import torch

    before = torch.ones(50_000_000)  # freed before: it is not the batch's
    del before

    def batch() -> float:
        torch.ones(25_000_000)
        return 1000.0

    assert 9e7 < (bytes_taken("cpu", batch) or 0) < 1.5e8
    assert bytes_taken("cpu", lambda: 1e9) == 4e9


def test_memory_that_is_short_for_a_while_costs_batches_and_no_answer(
    checkpoints: dict[str, Path], ask: Callable[..., Turn]
) -> None:
    """Somebody else's process takes half of the device, and leaves."""
    import torch

    turns = about(30, ask)
    model = LocalModel(str(checkpoints["speechlm"]))
    expected = list(model.answer(turns))
    sizes: list[int] = []

    def full(module: object, given: object, named: dict[str, torch.Tensor]) -> None:
        sizes.append(len(named["input_ids"]))
        if sizes[-1] > 10 and len(sizes) < 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    hook = model._speaker.model.register_forward_pre_hook(full, with_kwargs=True)
    answers = list(model.answer(turns))
    hook.remove()
    assert answers == expected
    assert sizes[0] == 30  # all at once: the thirty sounds' prefixes
    assert max(sizes[8:20]) <= 10 < max(sizes[20:])  # halved until it fits, and grown back


def about(count: int, ask: Callable[..., Turn]) -> list[Turn]:
    """Four questions about each of so many sounds of a second."""
    turns = []
    for number in range(count):
        base = ask(number, 1.0, max_new_tokens=2)
        for place in range(4):
            request = dataclasses.replace(base.request, item_id=f"{number}-{place}", text=f"what is said {place}")
            turns.append(Turn(request, base.heard))
    return turns


def test_batches_are_as_large_as_the_measured_memory_lets_them_be(
    checkpoints: dict[str, Path], ask: Callable[..., Turn], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = about(10, ask)

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
    assert max(ample) == len(turns) - 8  # after the trial's
    assert max(tight) <= GUESSED["cpu"].turns
