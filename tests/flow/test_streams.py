"""Streams: what is pulled, when, and where an exception comes out."""

import threading
import time

import pytest

from cpbench.flow.streams import Background, in_flight, prefetch


def test_in_flight_keeps_so_many_going_and_yields_as_they_finish():
    going, most, lock = 0, 0, threading.Lock()

    def call(n):
        nonlocal going, most
        with lock:
            going, most = going + 1, max(most, going + 1)
        time.sleep(0.05 if n == 0 else 0.005)
        with lock:
            going -= 1
        return n

    results = list(in_flight(call, range(40), 4))
    assert sorted(results) == list(range(40)) and most == 4 and results[0] != 0


def test_in_flight_pulls_work_only_when_there_is_room():
    pulled = []

    def work():
        for n in range(100):
            pulled.append(n)
            yield n

    stream = in_flight(lambda n: n, work(), 3)
    next(stream)
    assert len(pulled) <= 3
    stream.close()
    assert len(pulled) <= 6


def test_in_flight_raises_what_a_call_raises():
    def call(n):
        if n == 5:
            raise ValueError("five")
        return n

    with pytest.raises(ValueError, match="five"):
        list(in_flight(call, range(10), 2))


@pytest.mark.parametrize("where", ["call", "work"])
def test_in_flight_yields_what_is_under_way_before_it_raises(where):
    begun = []

    def call(n):
        begun.append(n)
        time.sleep(0.05)
        if n == 3 and where == "call":
            raise ValueError("three")
        return n

    def work():
        yield from range(6)
        if where == "work":
            raise ValueError("no more")
        yield from range(6, 100)

    got = []
    with pytest.raises(ValueError, match=r"three|no more"):
        got.extend(in_flight(call, work(), 4))
    assert set(got) == {0, 1, 2, 3, 4, 5} if where == "work" else set(got) == set(begun) - {3}
    assert len(begun) <= 8


def test_prefetch_keeps_the_order_and_stays_within_its_depth():
    ahead, read = 0, 0

    def stream():
        nonlocal ahead
        for n in range(30):
            ahead = max(ahead, n - read)
            yield n

    got = []
    for n in prefetch(stream(), 2):
        got.append(n)
        time.sleep(0.001)
        read = len(got)
    assert got == list(range(30)) and ahead <= 5


def test_prefetch_raises_in_place_and_ends_its_thread():
    def stream():
        yield 1
        raise ValueError("two")

    reader = prefetch(stream(), 4)
    assert next(reader) == 1
    with pytest.raises(ValueError, match="two"):
        next(reader)
    endless = prefetch(iter(int, 1), 2)
    next(endless)
    endless.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_background_works_while_its_owner_goes_on_and_says_what_went_wrong():
    seen = []
    with Background(seen.extend) as behind:
        for n in range(100):
            behind.put(n)
    assert seen == list(range(100))

    def dies(work):
        raise ValueError("dead")

    broken = Background(dies)
    with pytest.raises(ValueError, match="dead"):
        broken.finish()
