"""The hearing check: it names six planted faults on three real classes, and raises no alarm on sound models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from beside import TESTS, module_at

from cpbench.audio import clip, load
from cpbench.engine.hearing import check_hearing
from cpbench.models.local import LocalModel
from cpbench.records import Heard, ModelCard, Prediction, Sound, Turn

CLASSES = ("qwen2_audio", "audioflamingo3", "glmasr", "speechlm")
Ask = Callable[..., Turn]


@pytest.fixture(scope="module")
def tiny() -> ModuleType:
    """The makers of tiny checkpoints, tests/models/local/tiny.py."""
    return module_at(TESTS / "models" / "local" / "tiny.py")


@pytest.fixture(scope="module")
def checkpoints(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("hearing")
    return {name: str(make(folder / name)) for name, make in tiny.MAKERS.items()}


@pytest.fixture(params=CLASSES)
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[str, str]) -> str:
    return checkpoints[request.param]


def clips(tiny: ModuleType) -> list[Turn]:
    """Two clips of different lengths under one question."""
    return [tiny.turn(1, 3.0), tiny.turn(2, 3.5)]


def altered(turn: Turn, wave: Callable[[np.ndarray], np.ndarray]) -> Turn:
    heard = tuple(Heard(part.sound, wave(part.wave), part.sampling_rate) for part in turn.heard)
    return Turn(turn.request, heard)


@dataclasses.dataclass(frozen=True)
class Deafened(LocalModel):
    """A model whose preparation is broken, for answers and for the check alike, and whose own extractor is not."""

    fault: str = ""

    def _taken(self, turn: Turn) -> Turn:
        taken = super()._taken(turn)
        noise = np.random.default_rng(0)
        if self.fault == "no audio":
            return Turn(taken.request, ())
        if self.fault == "silence":
            return altered(taken, np.zeros_like)
        if self.fault == "wrong rate":
            return altered(taken, lambda wave: wave[::2])
        if self.fault == "first second only":
            return altered(taken, lambda wave: wave[:16000])
        return altered(taken, lambda wave: (0.05 * noise.standard_normal(len(wave))).astype(np.float32))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no audio", "no audio enters"),
        ("silence", "silence enters"),
        ("wrong rate", "wrong rate"),
        ("first second only", "only the beginning"),
        ("another clip", "another sound enters"),
    ],
)
def test_a_fault_in_the_preparation_is_found_and_named(
    checkpoint: str, fault: str, words: str, tiny: ModuleType
) -> None:
    check = check_hearing(Deafened(checkpoint, fault=fault), clips(tiny))
    assert check.outcome == "deaf"
    assert words in check.reason


@dataclasses.dataclass(frozen=True)
class Confused(LocalModel):
    """Gives every turn the audio of the turn before it: clips of one batch are mixed up."""

    def listen(self, turns: Any) -> Any:
        waves = [turn.heard[0].wave for turn in turns]
        mixed = [altered(turn, lambda _, w=waves[place - 1]: w) for place, turn in enumerate(turns)]  # type: ignore[misc]
        return super().listen(mixed)


def test_clips_mixed_up_in_a_batch_are_found(checkpoint: str, tiny: ModuleType) -> None:
    first, second = clips(tiny)
    check = check_hearing(Confused(checkpoint), [first, second])
    assert check.outcome == "deaf"
    assert "the other clip enters" in check.reason


def test_a_muted_adapter_is_found(checkpoint: str, tiny: ModuleType) -> None:
    """The clip enters the encoder, and the projector's zero weights let nothing of it through but its bias."""
    import torch

    model = LocalModel(checkpoint)
    projector = next(
        module for name, module in model._speaker.model.named_modules() if name.endswith(("projector", "adapter"))
    )
    with torch.no_grad():
        for name, parameter in projector.named_parameters():
            parameter.copy_(torch.zeros_like(parameter) if "weight" in name else torch.ones_like(parameter))
    check = check_hearing(model, clips(tiny))
    assert check.outcome == "deaf"
    assert "muted adapter" in check.reason
    assert check.clips is not None and check.clips < 1e-4


def test_a_sound_model_is_heard_to_hear(checkpoint: str, tiny: ModuleType) -> None:
    check = check_hearing(LocalModel(checkpoint), clips(tiny))
    assert check.outcome == "heard", check.reason
    assert check.clips is not None and check.silence is not None and check.repeat is not None
    assert min(check.clips, check.silence) > 100 * check.repeat


@pytest.mark.parametrize("seconds", [(0.2, 0.2), (0.73, 9.01), (11.0, 30.0), (4.0, 4.05)])
def test_no_alarm_at_any_length(checkpoint: str, seconds: tuple[float, float], tiny: ModuleType) -> None:
    check = check_hearing(LocalModel(checkpoint), [tiny.turn(1, seconds[0]), tiny.turn(2, seconds[1])])
    assert check.outcome == "heard", check.reason


def test_no_alarm_on_real_speech(checkpoint: str, tiny: ModuleType) -> None:
    """EmoDB's real clips, decoded by our own decoder, any two of different speakers."""
    files = sorted((Path(__file__).resolve().parents[2] / "../shared/data/emodb").rglob("*.flac"))
    if not files:
        pytest.skip("the EmoDB clips are not beside this checkout")
    one, two = (load(Sound(clip(file, recording=file.name[:2])), 16000) for file in (files[0], files[-1]))
    asked = tiny.turn(0).request
    turns = [Turn(dataclasses.replace(asked, sounds=(heard.sound,)), (heard,)) for heard in (one, two)]
    check = check_hearing(LocalModel(checkpoint), turns)
    assert check.outcome == "heard", check.reason


def test_no_alarm_in_bfloat16(checkpoint: str, tiny: ModuleType) -> None:
    check = check_hearing(LocalModel(checkpoint, dtype="bfloat16"), clips(tiny))
    assert check.outcome == "heard", check.reason


def test_one_clip_is_held_against_silence(checkpoints: dict[str, str], tiny: ModuleType) -> None:
    check = check_hearing(LocalModel(checkpoints["qwen2_audio"]), clips(tiny)[:1])
    assert (check.outcome, check.clips) == ("heard", None)


def test_the_same_clip_twice_shows_nothing_between_clips(checkpoints: dict[str, str], tiny: ModuleType) -> None:
    check = check_hearing(LocalModel(checkpoints["glmasr"]), [tiny.turn(1, 2.0), tiny.turn(1, 2.0)])
    assert check.outcome == "not_shown"


def test_words_alone_are_not_applicable(checkpoints: dict[str, str], tiny: ModuleType) -> None:
    assert check_hearing(LocalModel(checkpoints["glmasr"]), [tiny.turn(1, None)]).outcome == "not_applicable"


@dataclasses.dataclass
class Speaking:
    """A model that shows words only, as an endpoint does: its answers are a function of the turn and of the call."""

    says: Callable[[Turn, int], str]
    card: ModelCard = dataclasses.field(default_factory=lambda: ModelCard("words", "words"))
    calls: int = 0

    def answer(self, turns: Iterable[Turn]) -> Iterator[Prediction]:
        for turn in reversed(list(turns)):  # in any order
            self.calls += 1
            said = self.says(turn, self.calls)
            yield turn.request.failed("503") if said == "down" else turn.request.answered(said, heard=1.0)


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        (lambda turn, call: f"{np.abs(turn.heard[0].wave).sum():.1f}", "heard"),
        (lambda turn, call: "I hear it well", "not_shown"),
        (lambda turn, call: f"answer {call}", "not_shown"),
        (lambda turn, call: "down", "not_shown"),
        (lambda turn, call: "quiet" if not turn.heard[0].wave.any() else "somebody speaks", "heard"),
    ],
)
def test_a_model_that_shows_words_only(says: Callable[[Turn, int], str], outcome: str, tiny: ModuleType) -> None:
    model = Speaking(says)
    check = check_hearing(model, clips(tiny))
    assert check.outcome == outcome
    assert model.calls == 4
    assert (check.clips, check.silence, check.repeat) == (None, None, None)


def test_a_model_that_wants_no_audio(tiny: ModuleType) -> None:
    model = Speaking(lambda turn, call: "", ModelCard("null", "null", sampling_rate=None))
    assert check_hearing(model, clips(tiny)).outcome == "not_applicable"
    assert model.calls == 0
