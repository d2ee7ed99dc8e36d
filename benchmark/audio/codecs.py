"""Speech through a codec and back, and Ogg/Opus files whose bytes depend on nothing but the samples."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, Literal

from cpbench.audio.resampling import of_length, resample

if TYPE_CHECKING:
    import numpy as np

Codec = Literal["opus", "mp3", "mulaw"]
KILOBITS: dict[Codec, tuple[int, ...]] = {
    "opus": tuple(range(6, 257)),
    "mp3": (16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # of MPEG-2, layer III
    "mulaw": (64,),
}
"""The bit rates (kbit/s) that a codec has, for one channel."""
RATES: dict[Codec, tuple[int, ...]] = {
    "opus": (8000, 12000, 16000, 24000, 48000),
    "mp3": (16000, 24000),
    "mulaw": (8000,),
}
"""The sampling rates that a codec takes. A wave at another one is resampled to the next higher, else to the highest."""
FORM: dict[Codec, dict[str, str]] = {
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT"},
    "mulaw": {"format": "WAV", "subtype": "ULAW"},
}
MP3_DELAY = 1105
"""Samples by which an MP3 lags that states no delay: a frame of few bits has no room for LAME's tag."""
_POLYNOMIAL = 0x04C11DB7  # RFC 3533: no reflection, initial value 0


def transcoded(wave: np.ndarray, sampling_rate: int, codec: Codec, kilobits: float) -> np.ndarray:
    """Encode and decode float32 (T,), mono, in [-1, 1]: float32 (T,), aligned with it, the same every time.

    `mulaw` is a telephone line: G.711 at 8 kHz. A lossy decoder may overshoot full scale by a few per cent.
    """
    import soundfile

    rate = min((known for known in RATES[codec] if known >= sampling_rate), default=RATES[codec][-1])
    coded = resample(wave, sampling_rate, rate)
    decoded, _ = soundfile.read(io.BytesIO(_encoded(coded, rate, codec, kilobits)), dtype="float32")
    if codec == "mp3" and len(decoded) != len(coded):
        decoded = decoded[MP3_DELAY:]
    return of_length(resample(of_length(decoded, len(coded)), rate, sampling_rate), len(wave))


def opus_bytes(wave: np.ndarray, sampling_rate: int, *, kilobits: float = 18.5) -> bytes:
    """Encode float32 (T,), mono, in [-1, 1] as Ogg/Opus of about that many kbit/s, the same bytes every time."""
    return without_serial(_encoded(wave, sampling_rate, "opus", kilobits))


def without_serial(data: bytes) -> bytes:
    """Set the serial number of every Ogg page to 0 and put its checksum right: libsndfile draws one at random."""
    out = bytearray(data)
    at = 0
    while at < len(out):
        segments = out[at + 26]
        end = at + 27 + segments + sum(out[at + 27 : at + 27 + segments])
        out[at + 14 : at + 18] = bytes(4)
        out[at + 22 : at + 26] = bytes(4)
        out[at + 22 : at + 26] = struct.pack("<I", _checksum(out[at:end]))
        at = end
    return bytes(out)


def _encoded(wave: np.ndarray, sampling_rate: int, codec: Codec, kilobits: float) -> bytes:
    import soundfile

    options: dict[str, Any] = {"samplerate": sampling_rate, **FORM[codec]}
    if (level := _compression(codec, kilobits)) is not None:
        options["compression_level"] = level
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, **options)
    return buffer.getvalue()


def _compression(codec: Codec, kilobits: float) -> float | None:
    """libsndfile's compression level, from 0 to 1, for a bit rate; it spans what the codec offers linearly."""
    if codec == "opus":
        return 1 - (kilobits - 6) / 250  # 6 to 256 kbit/s
    if codec == "mp3":
        return (160 - kilobits) / (160 - 8)  # 8 to 160 kbit/s at 16 to 24 kHz
    return None


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ _POLYNOMIAL if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        rows.append(value)
    return tuple(rows)


_TABLE = _table()


def _checksum(page: bytes | bytearray) -> int:
    value = 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ _TABLE[(value >> 24) ^ byte]
    return value
