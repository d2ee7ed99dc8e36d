"""`classifier/PATH`: the probabilities of emotions, by any transformers checkpoint for audio classification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from cpbench.annotators._checkpoints import Checkpoint, in_equal_lengths
from cpbench.annotators._windows import Piece, Windows
from cpbench.errors import UsageError, UserError
from cpbench.labels import emotion_named
from cpbench.records import Annotation, Heard, Tag

if TYPE_CHECKING:
    import numpy as np

DIMENSIONAL = {"arousal", "dominance", "valence"}
OTHERS = "-A labels=anger,neutral,... names the outputs of a checkpoint in their order"


@dataclass
class Classifier:
    """`AutoModelForAudioClassification`: wav2vec 2.0, HuBERT, WavLM, Whisper, AST and their like.

    `window`, `hop`, `context`, `speech`: see `Windows`; by default one tag a clip. `labels`: names for the outputs,
    comma-separated, where the checkpoint has none or others. Labels that name an emotion are stored in our spelling
    ("生气/angry" is anger), and outputs of one emotion are added up; the rest are stored as the checkpoint has them.
    Windows are heard together where they are of one length; nothing is padded.
    """

    path: str  # a folder, or a Hub id
    window: float | None = None
    hop: float | None = None
    context: float = 1.0
    speech: float = 0.25
    labels: str | None = None
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: int = 16
    revision: str | None = None
    trust_remote_code: bool = False

    @cached_property
    def name(self) -> str:
        return f"classifier/{self.path}@{self._checkpoint.stated_revision}"

    @property
    def sampling_rate(self) -> int:
        """Hz that `annotate` needs its sounds at."""
        return self._checkpoint.sampling_rate

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        """Yield the tags of each sound, in order.

        Raises UserError for a checkpoint whose head is random, that gives no categories, or none that is an emotion.
        """
        for heard in sounds:
            pieces = self._windows.of(heard)
            tags = [
                Tag(round(piece.start, 3), round(piece.end, 3), self.name, self._emotion(row))
                for piece, row in zip(pieces, self._probabilities(pieces), strict=True)
            ]
            yield Annotation(heard.sound.clip.sha256 or heard.sound.clip.path, self.name, tuple(tags))

    def _probabilities(self, pieces: list[Piece]) -> list[np.ndarray]:
        import torch

        rows: list[np.ndarray] = [None] * len(pieces)  # type: ignore[list-item]
        for group in in_equal_lengths([piece.wave for piece in pieces], self.batch_size):
            waves = [pieces[index].wave for index in group]
            inputs = self._checkpoint.extractor(waves, sampling_rate=self.sampling_rate, return_tensors="pt")
            inputs = {
                key: value.to(self._model.device, self._model.dtype if value.is_floating_point() else value.dtype)
                for key, value in inputs.items()
            }
            with torch.inference_mode():
                logits = self._model(**inputs).logits.float()
            shares = logits.sigmoid() if self._several else logits.softmax(dim=-1)
            for index, row in zip(group, shares.cpu().numpy(), strict=True):
                rows[index] = row
        return rows

    def _emotion(self, shares: np.ndarray) -> dict[str, float]:
        emotion: dict[str, float] = {}
        for label, share in zip(self._labels, shares, strict=True):
            emotion[label] = emotion.get(label, 0.0) + float(share)
        return {label: round(min(share, 1.0), 6) for label, share in emotion.items()}

    @property
    def _several(self) -> bool:
        """Whether each label is a question of its own."""
        return getattr(self._checkpoint.config, "problem_type", None) == "multi_label_classification"

    @cached_property
    def _windows(self) -> Windows:
        return Windows(self.window, self.hop, self.context, self.speech, self._checkpoint.longest)

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        config = self._checkpoint.config
        given = [config.id2label[index] for index in range(config.num_labels)]
        if self.labels is not None:
            named = [label.strip() for label in self.labels.split(",")]
            if len(named) != len(given) or not all(named):
                raise UsageError(f"{self.path} has {len(given)} outputs, not {len(named)} labels:", value=self.labels)
            return tuple(emotion_named(label) or label for label in named)
        known = [emotion_named(label) for label in given]
        if not any(known):
            raise UserError(f"none of the labels of {self.path} names an emotion:", value=given[:12], mend=OTHERS)
        return tuple(emotion or label for emotion, label in zip(known, given, strict=True))

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(self.path, self.revision, self.trust_remote_code, self.device, self.dtype)

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModelForAudioClassification

        config = self._checkpoint.config
        if config.problem_type == "regression" or set(config.id2label.values()) == DIMENSIONAL:
            raise UserError(f"{self.path} gives dimensions, not categories", mend=f"--annotator audeering/{self.path}")
        _ = self._labels  # wrong ones are said before gigabytes are loaded
        model, missing = self._checkpoint.model(AutoModelForAudioClassification)
        if missing:
            raise UserError(
                f"{self.path} lacks weights of a {type(model).__name__}, {missing[0]} first: it would guess",
                mend="a checkpoint that was trained to classify; audeering/PATH for audeering's dimensional head",
            )
        return model
