"""What the encoder is given of each sound: log-mel windows or waves, and the prosody that it may be taught."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from cpbench.audio import load
from cpbench.errors import BadClip, UserError
from cpbench.records import Sound
from cpbench.training.prosody import prosody

GIGABYTE = 2**30


class Features:
    """Each sound's windows, kept as float16 up to a budget of memory (16 kB a second of log-mel), else made again."""

    def __init__(self, processor: Any, memory_gb: float = 4.0) -> None:
        self._processor = processor
        self._budget = round(memory_gb * GIGABYTE)
        self._known: dict[Sound, list[torch.Tensor]] = {}
        self._prosody: dict[Sound, list[torch.Tensor]] = {}
        self._counts: dict[Sound, int] = {}

    def windows(self, sound: Sound) -> list[torch.Tensor]:
        """float16 (mels, frames), one a window; (1, samples) for an encoder of waves. Raises UserError."""
        if (known := self._known.get(sound)) is not None:
            return known
        made = self.made(sound)
        self._keep(self._known, sound, made)
        return made

    def made(self, sound: Sound) -> list[torch.Tensor]:
        """As `windows`, without keeping them."""
        made = self._processor(text=self._processor.audio_token, audio=[self._wave(sound)])
        pairs = zip(made["input_features"], made["input_features_mask"], strict=True)
        return [_valid(window, mask, self._processor.trim) for window, mask in pairs]

    def embeddings(self, sound: Sound) -> int:
        """How many embeddings a sound becomes."""
        if sound not in self._counts:
            step = self._processor.mel_frames_per_embedding
            self._counts[sound] = sum(-(-window.shape[-1] // step) for window in self.windows(sound))
        return self._counts[sound]

    def prosody(self, sound: Sound) -> list[torch.Tensor]:
        """float32 (frames, 3), one a window, a frame every 10 ms: see `prosody.prosody`."""
        if (known := self._prosody.get(sound)) is not None:
            return known
        rate = self._processor.feature_extractor.sampling_rate
        made = [torch.from_numpy(prosody(piece, rate)) for piece in self._pieces(self._wave(sound))]
        self._keep(self._prosody, sound, made)
        return made

    def _wave(self, sound: Sound) -> np.ndarray:
        try:
            return load(sound, self._processor.feature_extractor.sampling_rate).wave
        except BadClip as error:
            said = f"a clip of the training data cannot be heard: {error}"
            raise UserError(said, mend="take its lines out") from None

    def _pieces(self, wave: np.ndarray) -> list[np.ndarray]:
        size = round(self._processor.window_seconds * self._processor.feature_extractor.sampling_rate)
        return [wave[start : start + size] for start in range(0, max(1, len(wave)), size)]

    def _keep(self, kept: dict[Sound, list[torch.Tensor]], sound: Sound, made: list[torch.Tensor]) -> None:
        size = sum(window.nbytes for window in made)
        if size <= self._budget:
            self._budget -= size
            kept[sound] = made


def _valid(window: torch.Tensor, mask: torch.Tensor, trim: bool) -> torch.Tensor:
    window = window if window.ndim == 2 else window[None]
    return (window[:, : int(mask.sum())] if trim else window).half()
