"""Batches stay within their budget, keep the order, and shrink and grow with the memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpbench.flow.batching import Shortage, in_batches, in_loads, is_out_of_memory


class Machine:
    """Squares numbers in batches; fails as torch does when a batch is larger than its memory."""

    def __init__(self, memory: Callable[[int], int] = lambda call: 10**9) -> None:
        self.memory, self.sizes, self.calls, self.released = memory, list[int](), 0, 0

    def run(self, batch: list[int]) -> list[int]:
        self.calls += 1
        if len(batch) > self.memory(self.calls):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")
        self.sizes.append(len(batch))
        return [number**2 for number in batch]

    def release(self) -> None:
        self.released += 1

    def shortage(self) -> Shortage[int, int]:
        return Shortage(lambda number, error: -number, self.release)


@given(st.lists(st.integers(1, 50)), st.integers(1, 200), st.none() | st.integers(1, 7))
def test_batches_keep_the_order_and_the_budget(work: list[int], budget: int, most: int | None) -> None:
    seen: list[list[int]] = []

    def run(batch: list[int]) -> list[int]:
        seen.append(batch)
        return batch

    assert list(in_batches(work, run, cost=float, budget=budget, most=most)) == work
    assert all(len(batch) == 1 or max(batch) * len(batch) <= budget for batch in seen)
    assert most is None or all(len(batch) <= most for batch in seen)
    # No batch could have taken the next piece: as few batches as neighbours allow.
    for batch, following in itertools.pairwise(seen):
        grown = [*batch, following[0]]
        assert len(grown) == (most or -1) + 1 or max(grown) * len(grown) > budget


def test_work_is_pulled_as_batches_are_packed() -> None:
    pulled = itertools.count()

    def endless() -> Iterator[int]:
        while True:
            yield next(pulled)

    results = in_batches(endless(), Machine().run, cost=lambda _: 1.0, budget=4)
    assert [next(results) for _ in range(4)] == [0, 1, 4, 9]
    assert next(pulled) <= 5


def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost() -> None:
    machine = Machine(lambda call: 3)
    work = list(range(20))
    results = list(in_batches(work, machine.run, cost=lambda _: 1.0, budget=16, shortage=machine.shortage()))
    assert results == [number**2 for number in work]
    assert max(machine.sizes) <= 3
    assert machine.released >= 3  # 16, 8, 4


def test_the_size_grows_back_after_successes() -> None:
    machine = Machine(lambda call: 2 if call < 10 else 10**9)
    list(in_batches(range(400), machine.run, cost=lambda _: 1.0, budget=16, shortage=machine.shortage()))
    assert machine.sizes[0] == 2
    assert 16 in machine.sizes


def test_a_size_that_fails_again_is_tried_ever_more_rarely() -> None:
    machine = Machine(lambda call: 5)
    list(in_batches(range(1000), machine.run, cost=lambda _: 1.0, budget=8, shortage=machine.shortage()))
    assert sum(machine.sizes) == 1000
    assert machine.released < 10


def test_one_piece_that_never_fits_gives_its_own_result_and_the_rest_goes_on() -> None:
    def run(batch: list[int]) -> list[int]:
        if 3 in batch:
            raise MemoryError
        return batch

    results = in_batches(range(6), run, cost=lambda _: 1.0, budget=4, shortage=Shortage(lambda number, error: -number))
    assert list(results) == [0, 1, 2, -3, 4, 5]


def test_other_errors_propagate() -> None:
    def run(batch: list[int]) -> list[int]:
        raise RuntimeError("a shape is wrong")

    with pytest.raises(RuntimeError, match="a shape is wrong"):
        list(in_batches([1], run, cost=float, budget=1, shortage=Shortage(lambda number, error: number)))


def test_a_lost_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 results for a batch of 2"):
        list(in_batches([1, 2], lambda batch: batch[:1], cost=lambda _: 1.0, budget=2))


def test_torch_s_own_error_is_recognised() -> None:
    import torch

    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    with pytest.raises(RuntimeError) as failure:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(failure.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_pieces_that_share_their_cost_are_packed_by_what_they_cost_together() -> None:
    seen: list[str] = []

    def run(batch: list[str]) -> list[str]:
        seen.append("".join(batch))
        return batch

    bound = [2]
    work = "aaabbccccd"
    assert list(in_loads(work, run, fits=lambda batch: len(set(batch)) <= bound[0])) == list(work)
    assert seen == ["aaabb", "ccccd"]
    seen.clear()
    results = in_loads(work, run, fits=lambda batch: len(set(batch)) <= bound[0])
    next(results)
    bound[0] = 1  # a bound that is measured on the first batch holds from the next
    assert list(results) == list(work)[1:]
    assert seen == ["aaabb", "cccc", "d"]


def test_a_group_is_split_only_where_a_batch_cannot_hold_it() -> None:
    seen: list[str] = []

    def run(batch: list[str]) -> list[str]:
        seen.append("".join(batch))
        return batch

    def packed(work: str) -> list[str]:
        seen.clear()
        same = in_loads(work, run, fits=lambda batch: len(batch) <= 4, together=lambda one, other: one == other)
        assert list(same) == list(work)
        return seen

    assert packed("aaabbb") == ["aaa", "bbb"]
    assert packed("abbbcc") == ["abbb", "cc"]
    assert packed("aaaaaabb") == ["aaaa", "aabb"]
    assert packed("abbbbbbc") == ["a", "bbbb", "bbc"]


def test_a_size_grows_back_where_groups_do_not_fill_it() -> None:
    machine = Machine(lambda call: 5 if call < 6 else 10**9)
    work = [number // 4 for number in range(200)]
    results = in_loads(
        work,
        machine.run,
        fits=lambda batch: len(batch) <= 11,
        together=lambda one, other: one == other,
        shortage=machine.shortage(),
    )
    assert list(results) == [number**2 for number in work]
    assert machine.sizes[0] == 4 and max(machine.sizes) == 8  # of 11 turns, then 4, then again 11: whole groups of 4


def test_a_load_that_does_not_fit_is_halved_too() -> None:
    machine = Machine(lambda call: 3)
    results = list(in_loads(range(20), machine.run, fits=lambda batch: True, shortage=machine.shortage()))
    assert results == [number**2 for number in range(20)] and max(machine.sizes) <= 3
