"""What transformers' own errors about checkpoints come to, in words that mend."""

from pathlib import Path

import pytest

from cpbench.errors import UserError
from cpbench.flow.refusals import refusal


def refused(path: str) -> UserError:
    from transformers import AutoConfig

    with pytest.raises((OSError, ValueError)) as caught:
        AutoConfig.from_pretrained(path)
    return refusal(path, caught.value)


def test_a_model_that_is_not_in_the_cache_is_fetched_where_there_is_internet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said = str(refused("nobody/no-such-model"))
    assert said.startswith("nobody/no-such-model is not in the local cache, and HF_HUB_OFFLINE is set")
    assert "hf download nobody/no-such-model" in said


def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    assert str(refused(f"{tmp_path}/nowhere")) == f"{tmp_path}/nowhere cannot be opened: there is no such folder"


def test_a_folder_without_a_checkpoint_keeps_the_librarys_reason(tmp_path: Path) -> None:
    assert str(refused(str(tmp_path))).startswith(f"{tmp_path} cannot be opened: ")
