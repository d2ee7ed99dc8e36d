"""Several questions of each clip, beside the peers' ways in the same run: `generate` on one item after the other, and
lm-eval's own audio class, at the batch size that suits it best.

Every answer must be the one that the item gets alone. What is done once a run (loading, the trial of what may be saved)
is done before the clock starts. With CPBENCH_PERF_CLIPS set the ratios are printed and not held.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beside import module_at

from cpbench.flow.device import use_all_cores
from cpbench.models.local import LocalModel
from cpbench.models.local.listening import encoder_of
from cpbench.records import Turn

SMALL = module_at(Path(__file__).with_name("small.py"))
LEAST = {2: 5.0, 30: 2.5}  # times as many items a second, by the clips' seconds
SIZES = (1, 4, 16)  # of lm-eval's batches that are tried
pytestmark = [
    pytest.mark.performance,
    pytest.mark.skipif(not SMALL.EMODB.is_dir(), reason="EmoDB's clips are not beside this checkout"),
    pytest.mark.filterwarnings("ignore:.*generation flags.*"),
]


@pytest.fixture(scope="module", params=list(SMALL.MAKERS))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    use_all_cores()
    made: Path = SMALL.MAKERS[request.param](tmp_path_factory.mktemp("checkpoints") / request.param)
    return made


@pytest.mark.parametrize("seconds", [2, 30])
def test_items_a_second_beside_the_peers(
    checkpoint: Path, seconds: int, tmp_path: Path, figure: Callable[..., None]
) -> None:
    asked = SMALL.turns(SMALL.sounds(seconds, tmp_path))
    answers, took, passes = ours(checkpoint, asked)
    clips = len(asked) // len(SMALL.QUESTIONS)
    on = f"{checkpoint.name}, {clips} clips of {seconds} s, 4 questions a clip"
    assert passes == clips

    peer = SMALL.one_by_one(checkpoint)
    peer(asked[:1])
    expected, alone = SMALL.timed(lambda: peer(asked))
    assert answers == expected
    theirs, lm_eval, size = at_its_best(checkpoint, asked)
    same = sum(one == two for one, two in zip(theirs, expected, strict=True)) / len(asked)
    assert same > 0.9  # audio reaches it; its batches of unlike lengths may round a tie the other way

    least = LEAST[seconds]
    rates = f"{on}: {len(asked) / took:.2f} items/s"
    figure(
        f"1. items/s over one-by-one generate, {checkpoint.name}, {seconds} s",
        alone / took,
        bound=least,
        unit="x",
        on=f"{rates} against {len(asked) / alone:.2f}; answers equal, {passes} encoder passes",
        at="least",
    )
    figure(
        f"1. items/s over lm-eval's audio class, {checkpoint.name}, {seconds} s",
        lm_eval / took,
        bound=least,
        unit="x",
        on=f"{rates} against {len(asked) / lm_eval:.2f} in its best batches, of {size}; {same:.0%} of answers equal",
        at="least",
    )
    assert SMALL.FEW or min(alone, lm_eval) / took >= least


def ours(checkpoint: Path, asked: list[Turn]) -> tuple[list[str], float, int]:
    """Our answers, the seconds they took, and how many rows of features entered the encoder's first layer."""
    model = LocalModel(str(checkpoint), device="cpu")
    list(model.answer(asked[: 2 * len(SMALL.QUESTIONS)]))  # loads, and tries what may be saved
    before, rows = model.account()["encoder_passes"], list[int]()
    hook = _first_layer(model).register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    answers, took = SMALL.timed(lambda: [answer.raw for answer in model.answer(asked)])
    hook.remove()
    print(f"\n{model.account()}")
    assert sum(rows) == model.account()["encoder_passes"] - before
    return answers, took, sum(rows)


def at_its_best(checkpoint: Path, asked: list[Turn]) -> tuple[list[str], float, int]:
    """lm-eval's answers, and the seconds it needs at the batch size that is fastest on a part of the items: at its rate
    on that part, or on all of them where that is higher.
    """
    part = asked[:: len(asked) // 16 or 1][:16]

    def tried(size: int) -> float:
        peer = SMALL.by_lm_eval(checkpoint, size)
        peer(part[:1])
        return float(SMALL.timed(lambda: peer(part))[1])

    took, size = min((tried(size), size) for size in SIZES)
    peer = SMALL.by_lm_eval(checkpoint, size)
    answers, whole = SMALL.timed(lambda: peer(asked))
    return answers, min(whole, took * len(asked) / len(part)), size


def _first_layer(model: LocalModel) -> Any:
    encoder: Any = encoder_of(model._speaker.model)
    return encoder.conv1 if hasattr(encoder, "conv1") else encoder.convolutions[0]
