"""Opening a checkpoint: config, processor and notes first, the weights later; every refusal in words that mend it."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import digest
from cpbench.flow.refusals import refusal
from cpbench.models.local.refusals import refused_processor

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class Source:
    """Where a checkpoint lies, and how far its files are trusted."""

    path: str  # a folder, or a Hub id
    revision: str | None = None  # on the Hub
    trust_remote_code: bool = False
    base: str | None = None  # of a PEFT adapter; None: what adapter_config.json names

    @property
    def local(self) -> bool:
        return Path(self.path).is_dir()

    @property
    def reading(self) -> dict[str, Any]:
        """The options of every from_pretrained."""
        return {"revision": self.revision, "trust_remote_code": self.trust_remote_code}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint without its weights."""

    source: Source  # of the weights: an adapter's base, where there is an adapter
    config: Any
    processor: Any  # a ProcessorMixin that takes audio
    generation: Any  # the checkpoint's own GenerationConfig, sampling defaults and all
    adapter: Source | None = None
    notes: Mapping[str, Any] = field(
        default_factory=dict
    )  # checkpoint.json: variant, tag_template, condition, trained_on

    @property
    def name(self) -> str:
        source = self.adapter or self.source
        return Path(source.path).resolve().name if source.local else source.path

    @property
    def revision(self) -> str | None:
        """The commit on the Hub, or a digest of a folder's files; an adapter's and its base's, joined by "+"."""
        own = _folder_digest(self.source.path) if self.source.local else getattr(self.config, "_commit_hash", None)
        if self.adapter is None:
            return own
        return f"{_folder_digest(self.adapter.path) if self.adapter.local else self.adapter.revision}+{own}"


def open_checkpoint(source: Source) -> Checkpoint:
    """Read everything but the weights, and refuse what cannot run.

    Raises UserError: no such folder or Hub id, no config, an unreachable Hub, a checkpoint without a processor, one
    that takes no audio, weights that are not safetensors, an adapter without its base.
    """
    adapter, source = _adapter_and_base(source)
    config = _config(source)
    for part in filter(None, (source, adapter)):
        _check_weights(part)
    return Checkpoint(
        source=source,
        config=config,
        processor=_processor(adapter or source, source, config),
        generation=_generation(source),
        adapter=adapter,
        notes=_read(adapter or source, "checkpoint.json") or {},
    )


def load_weights(checkpoint: Checkpoint, *, device: str, dtype: str, attn: str | None = None) -> Any:
    """The model in evaluation mode on `device`, an adapter merged into it; weights come from safetensors only.

    Raises UserError where the files leave weights of the model at random values.
    """
    import torch

    source = checkpoint.source
    options = {**source.reading, "dtype": getattr(torch, dtype), "use_safetensors": True, "output_loading_info": True}
    if attn is not None:
        options["attn_implementation"] = attn
    with quietly():
        try:
            model, info = _from_pretrained(checkpoint.config, source.path, options)
        except (OSError, ImportError) as error:
            raise refusal(source.path, error) from error
    if missing := sorted(info["missing_keys"]):
        raise UserError(f"{source.path} lacks {len(missing)} of its weights, among them", value=missing[0])
    if checkpoint.adapter is not None:
        model = _adapted(model, checkpoint.adapter)
    return model.eval().to(device)


def _adapter_and_base(source: Source) -> tuple[Source | None, Source]:
    """The adapter, where the path is one, and the checkpoint with the full weights."""
    if not source.local and _looks_like_a_path(source.path):
        raise UsageError("no such folder:", value=source.path)
    if source.local and not any(
        (Path(source.path) / name).is_file() for name in ("config.json", "adapter_config.json")
    ):
        raise UserError(
            "a checkpoint has a config.json (or, an adapter, an adapter_config.json), and this folder has neither:",
            value=source.path,
            mend="the folder that save_pretrained wrote",
        )
    if (settings := _read(source, "adapter_config.json")) is None:
        return None, source
    return source, _base(source, source.base or settings.get("base_model_name_or_path"))


def _base(adapter: Source, name: str | None) -> Source:
    """An adapter's base: a folder as named, or beside the adapter, or an id on the Hub."""
    if not name:
        raise UserError(f"the adapter {adapter.path} does not name its base", mend="-M base=PATH")
    for folder in (Path(name).expanduser(), Path(adapter.path) / name, Path(adapter.path).parent / name):
        if folder.is_dir():
            return Source(str(folder), trust_remote_code=adapter.trust_remote_code)
    if _looks_like_a_path(name):
        raise UserError(
            f"the adapter {adapter.path} needs its base, which is not here:", value=name, mend="-M base=PATH"
        )
    return Source(name, trust_remote_code=adapter.trust_remote_code)


def _config(source: Source) -> Any:
    from transformers import AutoConfig, PretrainedConfig

    try:
        kind = PretrainedConfig.get_config_dict(source.path, revision=source.revision)[0].get("model_type")
        if kind == "speechlm":
            from cpbench import speechlm

            speechlm.register()
        config = AutoConfig.from_pretrained(source.path, **source.reading)
    except (OSError, ValueError, KeyError) as error:
        raise refusal(source.path, error) from error
    if str(kind).startswith("voxtral"):
        raise UserError(
            f"{source.path} is a Voxtral, which takes audio through mistral-common's requests alone",
            mend="serve it with vLLM, and --model openai/NAME -M base_url=...",
        )
    return config


def _processor(first: Source, second: Source, config: Any) -> Any:
    """The processor of the adapter's folder, else of the base's: one that takes audio and text."""
    from transformers import AutoProcessor, ProcessorMixin

    found: Any = None
    for source in dict.fromkeys((first, second)):
        try:
            found = AutoProcessor.from_pretrained(source.path, **source.reading)
        except (OSError, ValueError, ImportError, TypeError) as error:
            if source == second:
                raise refused_processor(source.path, config, error) from error
            continue
        if isinstance(found, ProcessorMixin):
            break
    if not isinstance(found, ProcessorMixin) or found._audio_processor is None:
        raise refused_processor(second.path, config, None)
    return found


def _generation(source: Source) -> Any:
    """The checkpoint's generation_config.json; most have one."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(source.path, revision=source.revision)
    except OSError:
        return GenerationConfig()


def _check_weights(source: Source) -> None:
    if not source.local or any(Path(source.path).glob("*.safetensors")):
        return
    pickled = sorted(file.name for pattern in PICKLED for file in Path(source.path).glob(pattern))
    what = f"only pickled weights ({pickled[0]}), which can run code when loaded" if pickled else "no weights"
    raise UserError(
        f"{source.path} holds {what}; cpbench loads safetensors",
        mend="model.save_pretrained(FOLDER) in the environment that trained it",
    )


def _read(source: Source, name: str) -> dict[str, Any] | None:
    """One of a checkpoint's JSON files that not every checkpoint has; None: this one has not."""
    path = Path(source.path) / name if source.local else _downloaded(source, name)
    if path is None or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} should hold one object")
    return content


def _downloaded(source: Source, name: str) -> Path | None:
    """A file of the Hub's, from the cache where it is there; None: the Hub has none, or a cached model came without."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(source.path, name, revision=source.revision))
    except LocalEntryNotFoundError as error:
        if isinstance(try_to_load_from_cache(source.path, "config.json", revision=source.revision), str):
            return None
        raise refusal(source.path, error) from error
    except EntryNotFoundError:
        return None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise refusal(source.path, error) from error


def _from_pretrained(config: Any, path: str, options: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Through the Auto class; through the class that the config names where the Auto class does not know it."""
    import transformers

    try:
        return transformers.AutoModelForMultimodalLM.from_pretrained(path, **options)  # type: ignore[no-any-return]
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise UserError(f"{path} cannot be loaded: {error}") from error
    name = next(iter(config.architectures or ()), None)
    cls = getattr(transformers, name or "", None)
    if cls is None or not hasattr(cls, "generate"):
        raise UserError(
            f"{path} is of a class that transformers {transformers.__version__} cannot let answer:",
            value=name or config.model_type,
            mend="-M trust_remote_code=true, if its own code is to be run; or serve it, and --model openai/NAME",
        )
    return cls.from_pretrained(path, **options)  # type: ignore[no-any-return]


def _adapted(model: Any, adapter: Source) -> Any:
    """The model with the adapter merged into its weights; one that cannot be merged (prompt tuning) stays around it."""
    import peft

    try:
        with warnings.catch_warnings():  # PEFT 0.21 asks transformers 5.23 by an old name
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            adapted = peft.PeftModel.from_pretrained(model, adapter.path, revision=adapter.revision)
    except (ValueError, RuntimeError, OSError) as error:
        raise UserError(f"the adapter {adapter.path} does not fit {model.config._name_or_path}: {error}") from error
    return adapted.merge_and_unload() if hasattr(adapted.base_model, "merge_and_unload") else adapted


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "~", "/")) or name.count("/") > 1


def _folder_digest(folder: str) -> str:
    """A digest of a folder's weights and settings by name, size, first and last MiB: quick for weights of any size."""
    lines = []
    for file in sorted(Path(folder).iterdir()):
        if file.suffix in (".safetensors", ".json", ".jinja"):
            with file.open("rb") as opened:
                size, head = file.stat().st_size, opened.read(2**20)
                opened.seek(max(0, size - 2**20))
                lines.append([file.name, size, head.hex(), opened.read().hex()])
    return f"files:{digest(*lines)[:16]}"


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without transformers' own progress bars (weights, shards), which would run into ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
