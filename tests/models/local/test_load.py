"""Loading, and every refusal: one message that says what is wrong and what mends it, before any data is read."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cpbench import parts
from cpbench.errors import UsageError, UserError
from cpbench.models.local import LocalModel
from cpbench.records import Turn

Ask = Callable[..., Turn]


def copied(checkpoint: Path, folder: Path, *without: str) -> Path:
    shutil.copytree(checkpoint, folder)
    for pattern in without:
        for file in folder.glob(pattern):
            file.unlink()
    return folder


def refused(path: Path | str, **options: object) -> str:
    with pytest.raises(UserError) as refusal:
        LocalModel(str(path), **options).load()  # type: ignore[arg-type]
    return str(refusal.value)


def test_no_such_folder() -> None:
    with pytest.raises(UsageError, match=r"no such folder.*'\./nowhere'"):
        LocalModel("./nowhere")


def test_a_folder_without_config(tmp_path: Path) -> None:
    assert "config.json" in refused(tmp_path)


def test_a_text_only_model_is_pointed_to_the_cascade(tiny: ModuleType, tmp_path: Path) -> None:
    message = refused(tiny.text_only(tmp_path / "words"))
    assert "takes no audio" in message and "cascade" in message


@pytest.mark.parametrize("without", [("processor_config.json",), ("processor_config.json", "tokenizer*", "*.jinja")])
def test_a_checkpoint_without_its_processor(checkpoint: Path, without: tuple[str, ...], tmp_path: Path) -> None:
    message = refused(copied(checkpoint, tmp_path / "half", *without))
    assert "without its processor" in message and "save_pretrained" in message


def test_pickled_weights_are_not_loaded(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(checkpoints["glmasr"], tmp_path / "old", "*.safetensors")
    assert "no weights" in refused(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    message = refused(folder)
    assert "pytorch_model.bin" in message and "safetensors" in message


def test_weights_that_are_missing_are_not_drawn_at_random(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = copied(checkpoints["qwen2_audio"], tmp_path / "holey")
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in sorted(weights) if "projector" in name)
    save_file(
        {name: value for name, value in weights.items() if name != lost}, folder / "model.safetensors", {"format": "pt"}
    )
    assert "lacks 1 of its weights" in refused(folder)


def test_a_broken_config(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(checkpoints["glmasr"], tmp_path / "broken")
    (folder / "config.json").write_text("{")
    assert "cannot be opened" in refused(folder)
    (folder / "config.json").write_text('{"model_type": "never_heard_of"}')
    assert "never_heard_of" in refused(folder)


def test_a_voxtral_is_refused_with_the_way_that_works(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(checkpoints["glmasr"], tmp_path / "voxtral")
    (folder / "config.json").write_text('{"model_type": "voxtral"}')
    message = refused(folder)
    assert "mistral-common" in message and "vLLM" in message


def test_a_granite_speech_asks_for_torchaudio(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Its extractor is built on torchaudio, which is not among our dependencies."""
    import importlib.util

    if importlib.util.find_spec("torchaudio") is not None:
        pytest.skip("torchaudio is installed here")
    folder = copied(checkpoints["glmasr"], tmp_path / "granite", "processor_config.json")
    (folder / "config.json").write_text('{"model_type": "granite_speech"}')
    (folder / "processor_config.json").write_text('{"processor_class": "GraniteSpeechProcessor"}')
    extractor = {"feature_extractor_type": "GraniteSpeechFeatureExtractor", "processor_class": "GraniteSpeechProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor))
    message = refused(folder)
    assert "needs a package that is not installed: torchaudio" in message
    assert "pip install torchaudio" in message


def test_a_checkpoint_s_own_code_is_not_run_unasked(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(checkpoints["glmasr"], tmp_path / "own_code")
    (folder / "configuration_own.py").write_text("raise SystemExit('its code has run')")
    own = {"model_type": "own", "auto_map": {"AutoConfig": "configuration_own.OwnConfig"}}
    (folder / "config.json").write_text(json.dumps(own))
    message = refused(folder)
    assert "not run unasked" in message and "-M trust_remote_code=true" in message


def test_a_class_that_transformers_does_not_have(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(checkpoints["audioflamingo3"], tmp_path / "unknown")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"architectures": ["AudioFlamingo9"]}))
    assert "'AudioFlamingo9'" in refused(folder)


def test_checkpoint_json_that_is_no_json(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(checkpoints["glmasr"], tmp_path / "notes")
    (folder / "checkpoint.json").write_text("variant: implicit")
    assert "is not JSON" in refused(folder)


def test_a_batch_size_below_one(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        LocalModel(str(checkpoints["glmasr"]), batch_size=0)


def test_options_come_as_words(checkpoints: dict[str, Path]) -> None:
    words = {"path": str(checkpoints["glmasr"]), "batch_size": "3", "dtype": "bfloat16", "max_new_tokens": "7"}
    model = parts.build(LocalModel, words)
    assert (model.batch_size, model.max_new_tokens, model.card.details["dtype"]) == (3, 7, "bfloat16")
    assert parts.build(LocalModel, {**words, "batch_size": "auto"}).batch_size == "auto"
    assert parts.find("models", "local") is LocalModel
    with pytest.raises(UsageError, match="dtype"):
        parts.build(LocalModel, {**words, "dtype": "int3"})


def test_a_card_needs_no_weights_and_knows_them(checkpoints: dict[str, Path], tiny: ModuleType, tmp_path: Path) -> None:
    model = LocalModel(str(checkpoints["glmasr"]))
    assert "_speaker" not in vars(model)
    other = tiny.glmasr(tmp_path / "glmasr", seed=1)
    assert LocalModel(str(other)).card.revision != model.card.revision
    same = copied(checkpoints["glmasr"], tmp_path / "same")
    assert LocalModel(str(same)).card.revision == model.card.revision


# PEFT adapters


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT's own, in the reference
@pytest.mark.parametrize("named", ["absolute", "beside", "option"])
def test_an_adapter_loads_its_base_and_changes_it(
    checkpoint: Path, named: str, tiny: ModuleType, ask: Ask, tmp_path: Path
) -> None:
    base = copied(checkpoint, tmp_path / "base")
    name = {"absolute": str(base), "beside": "base", "option": "/gone"}[named]
    adapter = tiny.lora(base, tmp_path / "adapter", base_name=name)
    model = LocalModel(str(adapter), base=str(base) if named == "option" else None)
    (plain,) = LocalModel(str(base)).listen([ask(1)])
    (adapted,) = model.listen([ask(1)])
    assert np.abs(plain.scores - adapted.scores).max() > 0.1
    np.testing.assert_allclose(adapted.scores, _scores_by_peft(tiny, base, adapter, ask(1)), atol=1e-4)
    assert model.card.name == "adapter" and model.card.details["base"] == str(base)
    assert len({model.card.revision, LocalModel(str(base)).card.revision}) == 2


def _scores_by_peft(tiny: ModuleType, base: Path, adapter: Path, turn: Turn) -> np.ndarray:
    """PEFT's own way: the adapter around the base, not merged."""
    import peft
    import torch

    adapted = peft.PeftModel.from_pretrained(tiny.plain(base), adapter).eval()
    with torch.no_grad():
        return adapted(**LocalModel(str(base)).prompts.encoded([turn])).logits[0, -1].numpy()  # type: ignore[no-any-return]


def test_an_adapter_without_its_base(checkpoints: dict[str, Path], tiny: ModuleType, tmp_path: Path) -> None:
    adapter = tiny.lora(checkpoints["glmasr"], tmp_path / "adapter", base_name="/gone/base")
    message = refused(adapter)
    assert "'/gone/base'" in message and "-M base=PATH" in message


def test_an_adapter_of_another_model(checkpoints: dict[str, Path], tiny: ModuleType, tmp_path: Path) -> None:
    adapter = tiny.lora(checkpoints["glmasr"], tmp_path / "adapter")
    settings = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(settings | {"target_modules": ["no_such_layer"]}))
    assert "does not fit" in refused(adapter)


# The Hub


ERRORS = {
    "gated": (403, "GatedRepo"),
    "private": (401, "RepoNotFound"),
    "missing": (404, "RepoNotFound"),
    "unversioned": (404, "RevisionNotFound"),
}


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hub does to those whom it lets see nothing."""

    def do_HEAD(self) -> None:
        name = self.path.split("/")[2]
        status, code = ERRORS[name]
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"{name}, says the Hub")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A local server in the Hub's place, and an empty cache."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    _point(monkeypatch, address, tmp_path)
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


def _point(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    from huggingface_hub import constants
    from transformers.utils import hub as transformers_hub

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("HF_HUB_CACHE", "TRANSFORMERS_CACHE"):
        if hasattr(transformers_hub, name):
            monkeypatch.setattr(transformers_hub, name, str(cache / "hub"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gated", "is gated on the Hub"),
        ("private", "neither a folder here nor a model on the Hub"),
        ("missing", "neither a folder here nor a model on the Hub"),
        ("unversioned", "no such revision"),
    ],
)
def test_what_the_hub_refuses(name: str, words: str, hub: str) -> None:
    assert words in refused(f"somebody/{name}")


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _point(monkeypatch, "http://127.0.0.1:9", tmp_path)  # the discard port: refused at once
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the Hub's client waits between attempts
    message = refused("somebody/model")
    assert "cannot be reached" in message and "hf download somebody/model" in message


def test_offline_is_named_and_opens_no_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    _point(monkeypatch, "http://127.0.0.1:9", tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def forbidden(*arguments: object, **named: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket.connect", forbidden)
    assert "HF_HUB_OFFLINE is set" in refused("somebody/model")
