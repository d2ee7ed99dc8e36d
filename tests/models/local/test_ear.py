"""What an extractor is spared changes no feature: a wave of several texts once, the silence behind it as one frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cpbench.models.local import LocalModel
from cpbench.models.local.ear import MARGIN, Saving
from cpbench.records import Turn

Ask = Callable[..., Turn]


@pytest.mark.parametrize("name", ["qwen2_audio", "audioflamingo3", "glmasr"])
@pytest.mark.parametrize("lengths", [(1.0, 0.3), (2.5, 0.1), (3.9, 1.0), (4.0, 0.05)])
def test_silence_is_extracted_as_one_frame(
    name: str, lengths: tuple[float, float], checkpoints: dict[str, Path], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = LocalModel(str(checkpoints[name])).prompts
    turns = [ask(number, seconds) for number, seconds in enumerate(lengths)]
    expected = prompts.encoded(turns)
    samples: list[int] = []
    extractor = type(prompts.ear.extractor)
    plain = extractor._torch_extract_fbank_features
    monkeypatch.setattr(
        extractor,
        "_torch_extract_fbank_features",
        lambda self, waves, *rest: samples.append(waves.shape[-1]) or plain(self, waves, *rest),
    )
    found = prompts.encoded(turns, saving=Saving(short=True))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-5)
    assert samples == [round(min(4.0, seconds + MARGIN) * 16000) for seconds in lengths]


def test_what_is_extracted_ahead_is_extracted_once(
    checkpoints: dict[str, Path], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, saving = LocalModel(str(checkpoints["qwen2_audio"])).prompts, Saving(once=True, short=True)
    turns = [ask(number, 1.0) for number in range(3)]
    prompts.sparing.ahead([turns[0].heard[0].wave])
    assert not prompts.sparing.made  # nobody has asked yet: it is not known how
    expected = prompts.encoded(turns, saving=saving)
    for turn in turns[:2] * 2:
        prompts.sparing.ahead([turn.heard[0].wave])
    assert len(prompts.sparing.made) == 2
    waves: list[int] = []
    extractor = type(prompts.ear.extractor)
    plain = extractor.__call__
    monkeypatch.setattr(
        extractor,
        "__call__",
        lambda self, some, *given, **named: waves.append(len(some)) or plain(self, some, *given, **named),
    )
    found = prompts.encoded(turns, saving=saving)
    assert waves == [1] and not prompts.sparing.made
    for key, value in expected.items():
        assert torch.equal(found[key], value)


def test_both_savings_together(checkpoints: dict[str, Path], ask: Ask) -> None:
    prompts = LocalModel(str(checkpoints["qwen2_audio"])).prompts
    turns = [ask(number, seconds) for number, seconds in ((0, 1.0), (0, 1.0), (1, 0.5))]
    shared = [turns[0], Turn(turns[1].request, turns[0].heard), turns[2]]
    expected = prompts.encoded(turns)
    for key, value in prompts.encoded(shared, saving=Saving(once=True, short=True)).items():
        torch.testing.assert_close(value, expected[key], rtol=0, atol=1e-5)
