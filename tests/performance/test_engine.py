"""A run beside a bare loop on the very same batches: what the engine, its ledger and its scores cost.

The model is loaded, and its ways are tried, before either clock starts; the run's clock then covers all of `evaluate`,
from reading the items and hashing the clips to results.json. The bare loop decodes the same clips, prepares the same
batches by the same processor and lets the same model answer them, and keeps nothing but the texts.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from beside import module_at

from cpbench.audio import load
from cpbench.evaluate import evaluate
from cpbench.flow.device import use_all_cores
from cpbench.flow.ledger import Ledger
from cpbench.models import local
from cpbench.models.local import LocalModel
from cpbench.records import Heard, Prediction, Request, RunConfig, Sound, Turn

SMALL, RUNS = (module_at(Path(__file__).with_name(name)) for name in ("small.py", "runs.py"))
CLIPS, ROUNDS = SMALL.FEW or 120, 3
INSTANT = """
from cpbench.records import ModelCard

class Instant:
    "Says the same at once."
    card = ModelCard("instant", "test")

    def answer(self, turns):
        return (turn.request.answered("The speaker is sad.", heard=turn.heard[0].seconds) for turn in turns)
"""
pytestmark = pytest.mark.performance
real = pytest.mark.skipif(not SMALL.EMODB.is_dir(), reason="EmoDB's clips are not beside this checkout")


@dataclasses.dataclass
class Batches:
    """What a model was asked, batch by batch."""

    seen: list[list[Request]] = dataclasses.field(default_factory=list)

    def watched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answered = LocalModel._answered

        def record(model: LocalModel, turns: list[Turn]) -> list[Prediction]:
            self.seen.append([turn.request for turn in turns])
            return answered(model, turns)

        monkeypatch.setattr(LocalModel, "_answered", record)


def bare(model: LocalModel, batches: list[list[Request]]) -> dict[str, str]:
    """The same sounds, batches and embeddings, and nothing around them."""
    model._reuse.forget()
    assert model._reuse.verdict is not None
    ways, texts = model._reuse.verdict.ways, dict[str, str]()
    heard: dict[tuple[Sound, ...], tuple[Heard, ...]] = {}
    for requests in batches:
        heard = {request.sounds: heard.get(request.sounds) or _decoded(request) for request in requests}
        turns = [Turn(request, heard[request.sounds]) for request in requests]
        asked = model._asked(turns, ways)
        said = model._reuse.generated(asked, model._speaker.options(model._generation(turns[0])), ways)
        read = model._speaker.tokenizer.batch_decode(said.tokens, skip_special_tokens=True)
        texts |= {request.key: text for request, text in zip(requests, read, strict=True)}
    return texts


def _decoded(request: Request) -> tuple[Heard, ...]:
    return tuple(load(sound, 16000) for sound in request.sounds)


@pytest.fixture(scope="module", params=list(SMALL.MAKERS))
def warm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    use_all_cores()
    folder: Path = SMALL.MAKERS[request.param](tmp_path_factory.mktemp("checkpoints") / request.param)
    return LocalModel(str(folder), device="cpu", max_new_tokens=SMALL.NEW_TOKENS)


@real
def test_a_run_takes_at_most_a_twentieth_longer_than_a_bare_loop(
    warm: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[..., None]
) -> None:
    model = RUNS.handed(warm, tmp_path)
    items = RUNS.asked_of(sorted(SMALL.EMODB.iterdir())[:CLIPS], tmp_path / "items.jsonl")

    def run(name: str) -> Path:
        config = RunConfig(model, (str(items),), out=str(tmp_path / name), hearing_check=False)
        return evaluate(config).folder

    run("first")  # imports, and the model tries its ways
    batches = Batches()
    batches.watched(monkeypatch)
    folder = run("recorded")
    monkeypatch.undo()
    assert sum(map(len, batches.seen)) == CLIPS * len(RUNS.QUESTIONS)
    with Ledger(folder / "predictions.jsonl", Prediction) as said:
        assert {one.key: one.raw for one in said} == bare(warm, batches.seen)
    took = [
        (RUNS.seconds(lambda: run(f"round {number}")), RUNS.seconds(lambda: bare(warm, batches.seen)))  # noqa: B023
        for number in range(ROUNDS)
    ]
    ratio = statistics.median(ours / loop for ours, loop in took)
    print("\n" + "; ".join(f"run {ours:.2f} s, bare loop {loop:.2f} s" for ours, loop in took))
    asked = f"{CLIPS} clips of EmoDB, {CLIPS * len(RUNS.QUESTIONS)} questions in {len(batches.seen)} batches"
    figure(f"2. run over a bare loop on the same batches, {warm.card.name}", ratio, bound=1.05, unit="x", on=asked)
    assert SMALL.FEW or ratio <= 1.05


@real
def test_decoding_ahead_on_a_cpu(
    warm: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[..., None]
) -> None:
    """Why `AHEAD` is 0 on a CPU: hardly anything is saved. Nothing is held; with processors to spare it may be more."""
    files = list(SMALL.sounds(30, tmp_path))
    model, items = RUNS.handed(warm, tmp_path), RUNS.asked_of(files, tmp_path / "items.jsonl")

    def run(name: str, ahead: int) -> float:
        monkeypatch.setitem(local.AHEAD, "cpu", ahead)
        config = RunConfig(model, (str(items),), out=str(tmp_path / name), hearing_check=False)
        return float(RUNS.seconds(lambda: evaluate(config)))

    run("first", 0)
    pairs = [(run(f"ahead {number}", 64), run(f"in turn {number}", 0)) for number in range(2)]
    ratio = statistics.median(ahead / in_turn for ahead, in_turn in pairs)
    figure(
        f"decoding ahead, over in turn, {warm.card.name}", ratio, bound=None, unit="x", on=f"{len(files)} clips of 30 s"
    )


def test_an_item_costs_little_beside_its_model(tmp_path: Path, figure: Callable[..., None]) -> None:
    """5,000 questions about 1,250 clips to a model that answers at once: all of it is ours."""
    draw = np.random.default_rng(0)
    files = [tmp_path / f"{number}.wav" for number in range(1250)]
    for file in files:
        soundfile.write(file, 0.1 * draw.standard_normal(8000), 16000)
    (tmp_path / "instant.py").write_text(INSTANT)
    items = RUNS.asked_of(files, tmp_path / "items.jsonl")

    def run(name: str) -> None:
        model = f"{tmp_path / 'instant.py'}:Instant"
        evaluate(RunConfig(model, (str(items),), out=str(tmp_path / name), hearing_check=False))

    run("first")
    least = min(RUNS.seconds(lambda: run("second")), RUNS.seconds(lambda: run("third")))
    took = 1000 * least / (len(files) * len(RUNS.QUESTIONS))
    on = "5,000 questions about 1,250 clips of 0.5 s; the model answers at once; from reading the items to results.json"
    figure("run: an item, without its model", took, bound=None, unit="ms", on=on)
    assert took < 5
