"""Along the whole road of `cpbench run` a sound is encoded once, however many questions are asked about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beside import TESTS, module_at

from cpbench.evaluate import evaluate
from cpbench.flow.watch import Unwatched, Watching
from cpbench.models import local
from cpbench.records import RunConfig
from cpbench.runfolder import Run

CLIPS = 6


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny = module_at(TESTS / "models" / "local" / "tiny.py")
    return Path(tiny.qwen2_audio(tmp_path_factory.mktemp("checkpoints") / "qwen2_audio"))


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often each row of features enters the encoder's first layer, below all that cpbench puts around it."""
    seen: Counter[bytes] = Counter()
    load_weights = local.load_weights

    def look(_: Any, given: tuple[Any, ...]) -> None:
        seen.update(row[:, :16].numpy().tobytes() for row in given[0])

    def counted(*given: Any, **named: Any) -> Any:
        model = load_weights(*given, **named)
        local.encoder_of(model).conv1.register_forward_pre_hook(look)  # type: ignore[union-attr]
        return model

    monkeypatch.setattr(local, "load_weights", counted)
    return seen


@pytest.fixture
def run(checkpoint: Path, items_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Run]:
    """run(questions, ...) -> a run of six clips, so many questions each."""

    def start(questions: int, **config: Any) -> Run:
        items = items_file(clips=CLIPS, questions=questions, folder=f"data{questions}")
        out = str(tmp_path / f"run{questions}")
        asked = {"tasks": (str(items),), "model": str(checkpoint), "out": out, "hearing_check": False}
        return evaluate(RunConfig(**(asked | config)), Watching(Unwatched()))

    return start


def test_one_pass_a_sound_for_any_number_of_questions(run: Callable[..., Run], entered: Counter[bytes]) -> None:
    rows = []
    for questions in (2, 7):
        made = run(questions)
        assert made.manifest["work"]["encoder_passes"] == CLIPS
        assert made.manifest["work"]["questions"] == len(list(made.predictions)) == CLIPS * questions
        rows.append(sum(entered.values()))
        assert sum(times == 1 for times in entered.values()) >= CLIPS - 2  # the other two were in the trial as well
        entered.clear()
    assert rows[0] == rows[1]


def test_one_question_at_a_time_is_a_pass_a_question(run: Callable[..., Run], entered: Counter[bytes]) -> None:
    made = run(2, model_options={"batch_size": "1"})
    assert made.manifest["work"]["encoder_passes"] == 2 * CLIPS
    assert set(entered.values()) == {2}
