"""Log-mel features that keep the absolute level: how loudly somebody speaks is part of how they feel."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, SequenceFeatureExtractor

from cpbench.errors import BadClip

_FLOOR = 1e-7  # power below which a mel band is silent: the noise of a quiet 16-bit recording
_OFFSET, _SCALE = 3.0, 2.0  # fixed, so that no clip is normalised by its own level


class LogMelExtractor(SequenceFeatureExtractor):  # type: ignore[misc]
    """(log10(mel + floor) + 3) / 2 every 10 ms: no statistics of the clip enter.

    `input_features` float32 (B, n_mels, frames) and `attention_mask` (B, frames), padded at the right with 0; a padded
    batch holds the same numbers as each clip alone.
    """

    model_input_names = ["input_features", "attention_mask"]  # noqa: RUF012 (as the base class declares it)

    def __init__(
        self,
        feature_size: int = 80,
        sampling_rate: int = 16000,
        hop_length: int = 160,
        n_fft: int = 512,
        padding_value: float = 0.0,
        **kwargs: Any,  # what a preprocessor_config.json holds besides: the base class keeps it
    ) -> None:
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)
        self.hop_length = hop_length
        self.n_fft = n_fft

    def __call__(
        self,
        raw_speech: np.ndarray | Sequence[np.ndarray],
        *,
        sampling_rate: int | None = None,
        padding: bool | str = True,
        max_length: int | None = None,
        return_attention_mask: bool = True,
        return_tensors: str | None = None,
        device: str = "cpu",
        **kwargs: Any,
    ) -> BatchFeature:
        """Features of mono clips, float32 (T,) in [-1, 1] each, padded to the longest, or to `max_length` samples where
        `padding` is "max_length". Raises ValueError for another rate, BadClip for no samples.
        """
        if sampling_rate not in (None, self.sampling_rate):
            raise ValueError(
                f"audio of {sampling_rate} Hz given to a model of {self.sampling_rate} Hz: resample it first"
            )
        clips = [raw_speech] if isinstance(raw_speech, np.ndarray) and raw_speech.ndim == 1 else list(raw_speech)
        mels = [self.log_mel(torch.as_tensor(np.asarray(clip, dtype=np.float32), device=device)) for clip in clips]
        longest = max(mel.shape[1] for mel in mels)
        if padding == "max_length" and max_length is not None:
            longest = max(longest, max_length // self.hop_length)
        features = torch.full((len(mels), self.feature_size, longest), self.padding_value, device=device)
        mask = torch.zeros(len(mels), longest, dtype=torch.long, device=device)
        for row, mel in enumerate(mels):
            features[row, :, : mel.shape[1]] = mel
            mask[row, : mel.shape[1]] = 1
        return BatchFeature(
            {"input_features": features.cpu(), "attention_mask": mask.cpu()}, tensor_type=return_tensors or "pt"
        )

    def log_mel(self, wave: torch.Tensor) -> torch.Tensor:
        """float32 (T,) to (feature_size, max(1, T // hop_length))."""
        if wave.ndim != 1 or wave.numel() == 0:
            raise BadClip(f"no mono samples: shape {tuple(wave.shape)}")
        if len(wave) < self.n_fft:
            wave = torch.nn.functional.pad(wave, (0, self.n_fft - len(wave)))
        window, filters = _window(self.n_fft), _filters(self.feature_size, self.sampling_rate, self.n_fft)
        spectrum = torch.stft(
            wave, self.n_fft, self.hop_length, window=window.to(wave.device), center=True, return_complex=True
        )
        frames = max(1, len(wave) // self.hop_length)
        power = spectrum[:, :frames].abs() ** 2 / self.n_fft
        return (torch.log10(filters.to(wave.device) @ power + _FLOOR) + _OFFSET) / _SCALE


@functools.cache
def _window(size: int) -> torch.Tensor:
    return torch.hann_window(size)


@functools.cache
def _filters(bands: int, sampling_rate: int, n_fft: int) -> torch.Tensor:
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        num_frequency_bins=n_fft // 2 + 1,
        num_mel_filters=bands,
        min_frequency=40.0,
        max_frequency=sampling_rate / 2,
        sampling_rate=sampling_rate,
        norm=None,
        mel_scale="slaney",
    )
    return torch.from_numpy(bank.T.astype(np.float32)).contiguous()
