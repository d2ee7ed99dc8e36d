"""Audio: from a file to a `Clip`, from a `Clip` to samples, and nothing else opens a sound file.

clip, clip_from_bytes, clip_from_samples    a file, its bytes, or samples in memory -> a `Clip`, known by its sha256
load(sound, sampling_rate)                  a clip and its effects -> `Heard`, the only record that holds samples
windows(heard, seconds), wav_bytes(heard)   what a model with a window, or an endpoint, takes of it
speech_spans(wave, sampling_rate)           where somebody speaks; pitch(wave, sampling_rate): how high, every 10 ms
grid(seconds, window, hop)                  the windows that tags stand on
transcoded(wave, rate, codec, kilobits)     through Opus, MP3 or a telephone line and back
sped(wave, factor)                          played faster or slower
opus_bytes(wave, rate)                      an Ogg/Opus file, the same bytes every time
"""

from __future__ import annotations

from cpbench.audio.activity import grid, speech_spans
from cpbench.audio.clips import cache_folder, clip, clip_from_bytes, clip_from_samples
from cpbench.audio.codecs import KILOBITS, Codec, opus_bytes, transcoded, without_serial
from cpbench.audio.decode import SHORTEST, Excerpt, load, wav_bytes, windows, write_wav
from cpbench.audio.pitch import Track, pitch
from cpbench.audio.resampling import sped

__all__ = [
    "KILOBITS",
    "SHORTEST",
    "Codec",
    "Excerpt",
    "Track",
    "cache_folder",
    "clip",
    "clip_from_bytes",
    "clip_from_samples",
    "grid",
    "load",
    "opus_bytes",
    "pitch",
    "sped",
    "speech_spans",
    "transcoded",
    "wav_bytes",
    "windows",
    "without_serial",
    "write_wav",
]
