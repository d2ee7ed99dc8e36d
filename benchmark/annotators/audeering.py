"""`audeering/PATH`: arousal, dominance and valence by audeering's wav2vec2-large-robust-12-ft-emotion-msp-dim.

Its checkpoints hold an encoder and two layers that transformers has no class for (Wagner et al. 2023, "Dawn of the
Transformer Era in Speech Emotion Recognition"): the mean over time, `classifier.dense`, tanh, `classifier.out_proj`.
`AutoModelForAudioClassification` would give them a random head without an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from cpbench.annotators._checkpoints import Checkpoint, in_equal_lengths
from cpbench.annotators._windows import Piece, Windows
from cpbench.errors import UserError
from cpbench.records import Annotation, Heard, Tag

if TYPE_CHECKING:
    import numpy as np
    import torch

ORDER = ("arousal", "dominance", "valence")  # of the outputs, where the configuration does not name them
SCALE = (0.0, 1.0)  # what it was trained to say; a regression may overshoot, and is cut there
LAYERS = ("dense", "out_proj")


@dataclass
class Audeering:
    """`window`, `hop`, `context`, `speech`: see `Windows`; by default one tag a clip.

    Values are stored from -1 to 1, with the head's own scale of 0 to 1 beside them.
    """

    path: str  # a folder, or a Hub id
    window: float | None = None
    hop: float | None = None
    context: float = 1.0
    speech: float = 0.25
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: int = 16
    revision: str | None = None
    trust_remote_code: bool = False

    @cached_property
    def name(self) -> str:
        return f"audeering/{self.path}@{self._checkpoint.stated_revision}"

    @property
    def sampling_rate(self) -> int:
        """Hz that `annotate` needs its sounds at."""
        return self._checkpoint.sampling_rate

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        """Yield the tags of each sound, in order. Raises UserError for a checkpoint of another layout."""
        windows = Windows(self.window, self.hop, self.context, self.speech, self._checkpoint.longest)
        for heard in sounds:
            pieces = windows.of(heard)
            rows = self._dimensions(pieces)
            tags = tuple(self._tag(piece, row) for piece, row in zip(pieces, rows, strict=True))
            yield Annotation(heard.sound.clip.sha256 or heard.sound.clip.path, self.name, tags)

    def _tag(self, piece: Piece, row: np.ndarray) -> Tag:
        low, high = SCALE
        levels = [round(2.0 * (min(max(float(value), low), high) - low) / (high - low) - 1.0, 6) for value in row]
        named = dict(zip(self._order, levels, strict=True))
        return Tag(
            round(piece.start, 3),
            round(piece.end, 3),
            self.name,
            {},
            valence=named["valence"],
            arousal=named["arousal"],
            dominance=named["dominance"],
            scale=SCALE,
        )

    def _dimensions(self, pieces: list[Piece]) -> list[np.ndarray]:
        """(3,) a piece, in the order of the outputs."""
        import torch

        rows: list[np.ndarray] = [None] * len(pieces)  # type: ignore[list-item]
        for group in in_equal_lengths([piece.wave for piece in pieces], self.batch_size):
            waves = [pieces[index].wave for index in group]
            inputs = self._checkpoint.extractor(waves, sampling_rate=self.sampling_rate, return_tensors="pt")
            values = inputs["input_values"].to(self._encoder.device, self._encoder.dtype)
            with torch.inference_mode():
                pooled = self._encoder(values).last_hidden_state.mean(dim=1).float()
                dense, out = self._head["dense"], self._head["out_proj"]
                given = torch.nn.functional.linear(pooled, *dense).tanh()
                given = torch.nn.functional.linear(given, *out)
            for index, row in zip(group, given.cpu().numpy(), strict=True):
                rows[index] = row
        return rows

    @cached_property
    def _order(self) -> tuple[str, ...]:
        config = self._checkpoint.config
        named = tuple(str(config.id2label[index]).lower() for index in range(config.num_labels))
        return named if sorted(named) == sorted(ORDER) else ORDER

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(self.path, self.revision, self.trust_remote_code, self.device, self.dtype)

    @cached_property
    def _encoder(self) -> Any:
        from transformers import AutoModel

        _ = self._head  # a checkpoint of another layout is refused before gigabytes are loaded
        encoder, missing = self._checkpoint.model(AutoModel)
        if missing:
            raise UserError(f"{self.path} lacks weights of its encoder, {missing[0]} first")
        return encoder

    @cached_property
    def _head(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """layer -> (weight, bias), float32."""
        import torch
        from safetensors import safe_open

        from cpbench.flow.device import best_device

        device = torch.device(best_device() if self.device == "auto" else self.device)
        with safe_open(self._file(), framework="pt") as file:
            names = set(file.keys())
            wanted = [f"classifier.{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")]
            if lacking := [name for name in wanted if name not in names]:
                raise UserError(
                    f"{self.path} has no dimensional head: it lacks {lacking[0]}",
                    mend=f"--annotator classifier/{self.path}, if it gives categories",
                )
            weights = {name: file.get_tensor(name).float().to(device) for name in wanted}
        outputs = len(weights["classifier.out_proj.bias"])
        if outputs != len(ORDER):
            raise UserError(f"{self.path} should give {', '.join(ORDER)}; its outputs are", value=outputs)
        return {layer: (weights[f"classifier.{layer}.weight"], weights[f"classifier.{layer}.bias"]) for layer in LAYERS}

    def _file(self) -> str:
        """The weights' file, from the folder or the Hub's cache."""
        from transformers.utils import cached_file

        try:
            found = cached_file(self.path, "model.safetensors", revision=self.revision)
        except OSError as error:
            reason = str(error).strip().split("\n")[0]
            raise UserError(
                f"{self.path} has no model.safetensors ({reason})",
                mend="convert its pytorch_model.bin: AutoModel.from_pretrained keeps no head, so load the state with "
                "torch.load(weights_only=True), safetensors.torch.save_file",
            ) from None
        return str(found)
