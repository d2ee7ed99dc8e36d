"""What the annotators with a transformers checkpoint share: loading it, refusing a random one, naming its revision."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cpbench.flow.device import best_device, best_dtype
from cpbench.flow.refusals import refusal

UNUSED = ("masked_spec_embed",)  # weights that only training uses, and checkpoints leave out


@dataclass(frozen=True)
class Checkpoint:
    """A folder or a Hub id, as the options of an annotator name it."""

    path: str
    revision: str | None
    trust_remote_code: bool
    device: str
    dtype: str

    @cached_property
    def stated_revision(self) -> str:
        """The Hub's commit; of a folder, the first 12 digits of the sha256 of its configuration and weights."""
        if commit := getattr(self.config, "_commit_hash", None):
            return str(commit)
        held, folder = hashlib.sha256(), Path(self.path)
        for file in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
            with file.open("rb") as opened:
                held.update(hashlib.file_digest(opened, "sha256").digest())
        return held.hexdigest()[:12]

    @cached_property
    def config(self) -> Any:
        from transformers import AutoConfig

        return self.load(AutoConfig)

    @cached_property
    def extractor(self) -> Any:
        from transformers import AutoFeatureExtractor

        return self.load(AutoFeatureExtractor)

    @property
    def sampling_rate(self) -> int:
        return int(self.extractor.sampling_rate)

    @property
    def longest(self) -> float:
        """Seconds that the extractor hears: beyond its window it would cut in silence."""
        if chunk := getattr(self.extractor, "chunk_length", None):  # Whisper
            return float(chunk)
        if frames := getattr(self.extractor, "max_length", None):  # the audio spectrogram transformer: 10 ms a frame
            return float(frames) / 100.0
        return 60.0

    def model(self, kind: Any) -> tuple[Any, list[str]]:
        """A model on its device, in evaluation mode, and the names of its weights that the checkpoint lacks."""
        import torch

        device = best_device() if self.device == "auto" else self.device
        dtype = getattr(torch, best_dtype(device) if self.dtype == "auto" else self.dtype)
        with _without_report():
            model, found = self.load(kind, dtype=dtype, use_safetensors=True, output_loading_info=True)
        wrong = [*found["missing_keys"], *(entry[0] for entry in found["mismatched_keys"])]
        return model.to(device).eval(), sorted(name for name in wrong if not name.endswith(UNUSED))

    def load(self, kind: Any, **options: Any) -> Any:
        """Raises UserError with the library's reason where there is no such checkpoint, or it is of another kind."""
        try:
            return kind.from_pretrained(
                self.path, revision=self.revision, trust_remote_code=self.trust_remote_code, **options
            )
        except (OSError, ValueError) as error:  # what transformers raises for what is not there, or is none of its own
            raise refusal(self.path, error) from error


@contextmanager
def _without_report() -> Iterator[None]:
    """The library's table of weights that do not fit says of a head that we load ourselves that it is unexpected."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def in_equal_lengths(waves: Iterable[Any], most: int) -> list[list[int]]:
    """Indices of waves of one length together, at most `most`: encoders differ with padding, so nothing is padded."""
    groups: dict[int, list[list[int]]] = {}
    for index, wave in enumerate(waves):
        own = groups.setdefault(len(wave), [[]])
        if len(own[-1]) == most:
            own.append([])
        own[-1].append(index)
    return [group for own in groups.values() for group in own]
