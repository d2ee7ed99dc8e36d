"""The wall time of answering over the sum of what cannot be avoided: one pass of the encoder on the valid frames of
a sound and of the adapter behind it, one reading of what its prompts share, the questions, and the new tokens.

Each piece is timed alone: while the model answers, each call of its encoder, its language model and its head is done
several times, and its shortest time counts. That is done at several batch sizes, and the best of each piece makes the
floor: bare module calls, without a feature extracted, a prompt written, a mask made or a token chosen. The wall time is
that of the engine, from files to lines on disk; loading and the trial are once a run, and outside. Where the rest of
the time goes is printed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from beside import module_at

from cpbench.engine import predict
from cpbench.flow.device import use_all_cores
from cpbench.flow.ledger import Ledger
from cpbench.models.local import LocalModel
from cpbench.models.local.generate import Speaker
from cpbench.models.local.listening import encoder_of
from cpbench.models.local.prompts import Prompts
from cpbench.records import Prediction, Turn

SMALL = module_at(Path(__file__).with_name("small.py"))
MOST = 1.2
SIZES = (4, 16, 64, 128)  # turns of a batch
AGAIN = 3  # times that each piece, and the whole, is timed
KINDS = ("encoder", "adapter", "prefix", "questions", "decoding")
Seconds = dict[str, float]
pytestmark = [
    pytest.mark.performance,
    pytest.mark.skipif(not SMALL.EMODB.is_dir(), reason="EmoDB's clips are not beside this checkout"),
]


@pytest.fixture(scope="module", params=list(SMALL.MAKERS))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    use_all_cores()
    made: Path = SMALL.MAKERS[request.param](tmp_path_factory.mktemp("checkpoints") / request.param)
    return made


@pytest.mark.parametrize("seconds", [2, 30])
def test_wall_time_over_the_floor(checkpoint: Path, seconds: int, tmp_path: Path, figure: Callable[..., None]) -> None:
    asked = SMALL.turns(SMALL.sounds(seconds, tmp_path))
    model = LocalModel(str(checkpoint), device="cpu")
    list(model.answer(asked[:8]))  # loads, and tries what may be saved
    walls = [wall(model, asked, tmp_path / str(number)) for number in range(AGAIN)]
    took, shares = min(walls, key=lambda one: one[0])
    bare = {size: pieces(checkpoint, asked, size) for size in SIZES}
    floor = {name: min(several[name] for several in bare.values()) for name in KINDS}
    least = sum(floor.values())
    shares["else"] = took - sum(shares.values())
    for name in shares:
        best = f"{floor[name] / took:6.1%} at best" if name in floor else ""
        print(f"{name:16} {shares[name]:7.3f} s {shares[name] / took:6.1%} {best}")
    for size, several in bare.items():
        print(f"in batches of {size}: " + ", ".join(f"{name} {several[name]:.3f} s" for name in KINDS))
    parts = ", ".join(f"{name} {seconds / took:.0%}" for name, seconds in (floor | beyond(shares)).items())
    figure(
        f"8. wall time over the floor, {checkpoint.name}, {seconds} s",
        took / least,
        bound=MOST,
        unit="x",
        on=f"{len(asked) // 4} clips, 4 questions a clip, {took:.2f} s; of the wall time: {parts}",
    )
    assert SMALL.FEW or took / least <= MOST


def wall(model: LocalModel, asked: Sequence[Turn], path: Path) -> tuple[float, Seconds]:
    """Seconds from files to lines on disk, and what they went into."""
    requests = [turn.request for turn in asked]
    shares: Seconds = defaultdict(float)
    with looking(model, shares):
        ledger = Ledger(path, Prediction)
        start = time.perf_counter()
        answers = list(predict(requests, model, ledger))
        took = time.perf_counter() - start
    assert len(answers) == len(asked) and {answer.status for answer in answers} == {"ok"}
    return took, shares


def beyond(shares: Seconds) -> Seconds:
    """What is not of the floor."""
    return {name: seconds for name, seconds in shares.items() if name not in KINDS}


@contextmanager
def looking(model: LocalModel, shares: Seconds) -> Iterator[None]:
    """Within it `shares` fills with the seconds of each step, those of its inner steps taken off."""
    extractor = type(model.prompts.processor.feature_extractor)
    with pytest.MonkeyPatch.context() as patch:
        inner = [0.0]

        def timing(owner: Any, method: str, name: Callable[..., str]) -> None:
            original = getattr(owner, method)

            def around(*given: Any, **named: Any) -> Any:
                what, outside = name(named), inner[0]
                inner[0] = 0.0
                made, took = SMALL.timed(lambda: original(*given, **named))
                shares[what] += took - inner[0]
                inner[0] = outside + took
                return made

            patch.setattr(owner, method, around)

        timing(Speaker, "generate", lambda _: "generate's own")
        timing(Prompts, "encoded", lambda _: "prompts")
        timing(extractor, "__call__", lambda _: "features")
        for module, name in modules(model):
            timing(module, "forward", name)
        yield


def pieces(checkpoint: Path, asked: Sequence[Turn], size: int) -> Seconds:
    """The shortest seconds of the calls of each module, in batches of `size` turns."""
    model = LocalModel(str(checkpoint), device="cpu", batch_size=size)
    least: Seconds = defaultdict(float)
    list(model.answer(asked[:8]))
    with pytest.MonkeyPatch.context() as patch:
        for module, name in modules(model):
            patch.setattr(module, "forward", repeated(module.forward, name, least))
        list(model.answer(asked))
    return least


def modules(model: LocalModel) -> list[tuple[Any, Callable[[dict[str, Any]], str]]]:
    """The encoder, the adapter behind it, the language model and its head, and how a call of each is called."""
    whole = model._speaker.model

    def of_words(named: dict[str, Any]) -> str:
        new, cache = named.get("inputs_embeds", named.get("input_ids")), named["past_key_values"]
        new = named["input_ids"] if new is None else new
        return "decoding" if new.shape[1] == 1 else "questions" if cache.get_seq_length() else "prefix"

    return [
        (encoder_of(whole), lambda _: "encoder"),
        (whole.adapter if hasattr(whole, "adapter") else whole.model.multi_modal_projector, lambda _: "adapter"),
        (whole.get_decoder(), of_words),
        (whole.get_output_embeddings(), lambda _: "decoding"),
    ]


def repeated(original: Callable[..., Any], name: Callable[[dict[str, Any]], str], least: Seconds) -> Callable[..., Any]:
    """The call, done several times; its shortest time is added to `least`. A cache is as before each time."""

    def forward(*given: Any, **named: Any) -> Any:
        what, times = name(named), []
        cache = named.get("past_key_values")
        before = 0 if cache is None else cache.get_seq_length()
        for again in reversed(range(AGAIN)):
            made, took = SMALL.timed(lambda: original(*given, **named))
            times.append(took)
            if again and cache is not None:
                cache.crop(before - cache.get_seq_length())
        least[what] += min(times)
        return made

    return forward
