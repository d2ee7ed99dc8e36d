"""Ogg/Opus files whose bytes depend on nothing but the samples."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_POLYNOMIAL = 0x04C11DB7  # RFC 3533: no reflection, initial value 0


def opus_bytes(wave: np.ndarray, sampling_rate: int) -> bytes:
    """Encode float32 (T,), mono, in [-1, 1] as Ogg/Opus of about 18 kbit/s, the same bytes every time."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, wave, sampling_rate, format="OGG", subtype="OPUS", compression_level=0.95)
    return without_serial(buffer.getvalue())


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
