"""Audio: from a file to a `Clip`, from a `Clip` to samples, and nothing else opens a sound file.

clip, clip_from_bytes, clip_from_samples    a file, its bytes, or samples in memory -> a `Clip`, known by its sha256
load(sound, sampling_rate)                  a clip and its effects -> `Heard`, the only record that holds samples
windows(heard, seconds), wav_bytes(heard)   what a model with a window, or an endpoint, takes of it
"""

from __future__ import annotations

from cpbench.audio.clips import cache_folder, clip, clip_from_bytes, clip_from_samples
from cpbench.audio.decode import SHORTEST, Excerpt, load, wav_bytes, windows, write_wav

__all__ = [
    "SHORTEST",
    "Excerpt",
    "cache_folder",
    "clip",
    "clip_from_bytes",
    "clip_from_samples",
    "load",
    "wav_bytes",
    "windows",
    "write_wav",
]
