"""On a GPU the next clips are decoded while a batch is answered; on a CPU that costs memory, and saves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cpbench.models.local as module
from cpbench.models.local import LocalModel
from cpbench.records import Turn

Ask = Callable[..., Turn]


class Decoder:
    """Hands out turns, and keeps which thread asked for each."""

    def __init__(self, turns: list[Turn]) -> None:
        self.turns, self.threads = turns, list[str]()

    def __iter__(self) -> Iterator[Turn]:
        for turn in self.turns:
            self.threads.append(threading.current_thread().name)
            yield turn


@pytest.fixture
def checkpoint(checkpoints: dict[str, Path]) -> Path:
    return checkpoints["speechlm"]


def test_decoding_ahead_changes_no_answer_and_happens_beside(
    checkpoint: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [ask(number, 1.0) for number in range(8)]
    model, plain, ahead = LocalModel(str(checkpoint), device="cpu", batch_size=2), Decoder(turns), Decoder(turns)
    expected = list(model.answer(plain))
    monkeypatch.setitem(module.AHEAD, "cpu", 4)
    stream = model.answer(ahead)
    first = next(stream)
    assert len(ahead.threads) >= 6  # the batch of two, and four ahead
    assert [first, *stream] == expected
    assert {*plain.threads} == {threading.current_thread().name} and {*ahead.threads} == {"prefetch"}


def test_a_run_that_is_left_early_leaves_no_thread(checkpoint: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.AHEAD, "cpu", 2)
    stream = LocalModel(str(checkpoint), device="cpu", batch_size=1).answer(ask(number, 1.0) for number in range(8))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]
