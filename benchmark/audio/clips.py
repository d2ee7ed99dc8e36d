"""From a file, its bytes or its samples to a `Clip`: hashed and measured, not decoded."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpbench.errors import UserError
from cpbench.records import Clip, Tag

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})
MAGIC = ((b"RIFF", ".wav"), (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"ID3", ".mp3"), (b"\xff\xfb", ".mp3"))


def clip(
    path: str | os.PathLike[str],
    *,
    recording: str | None = None,
    speaker: str | None = None,
    gender: str | None = None,
    transcript: str | None = None,
    tags: tuple[Tag, ...] = (),
) -> Clip:
    """A file as a `Clip`: the sha256 of its bytes, and its seconds as its header states them; nothing is decoded.

    `recording`: the unit of independence that it was cut from; None: the clip is a recording of its own. Never raises
    for a bad file: a missing or unreadable one has `sha256` None, one without a readable header has `seconds` None, and
    `load` says why.
    """
    where = os.path.abspath(path)  # noqa: PTH100  Path.absolute keeps "..", and one file should have one path
    sha256 = _sha256(where)
    seconds = None if sha256 is None else _seconds(where)
    return Clip(where, sha256, seconds, recording or sha256 or where, speaker, gender, transcript, tags)


def clip_from_bytes(
    data: bytes,
    *,
    name: str | None = None,
    recording: str | None = None,
    speaker: str | None = None,
    gender: str | None = None,
    transcript: str | None = None,
) -> Clip:
    """The bytes of a sound file as a `Clip` in the cache folder, in a file named by their sha256; written once.

    `name` is what the file was called, for its suffix. Raises UserError where the cache cannot be written.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    path = cache_folder() / "clips" / f"{sha256}{_suffix(data, name)}"
    if not path.is_file() or path.stat().st_size != len(data):
        _write(path, data)
    return Clip(str(path), sha256, _seconds(str(path)), recording or sha256, speaker, gender, transcript)


def clip_from_samples(
    samples: Any,
    sampling_rate: int,
    *,
    recording: str | None = None,
    speaker: str | None = None,
    gender: str | None = None,
    transcript: str | None = None,
) -> Clip:
    """Decoded samples as a `Clip` in the cache folder: a WAV of 32-bit floats, the same bytes on every machine.

    `samples`: (T,), (T, channels) or (channels, T), floats in [-1, 1] or integers of their type's range; channels are
    averaged. Samples that are not numbers are kept, so that `load` refuses them by clip.
    """
    wave = _mono(samples)
    return clip_from_bytes(
        _float_wav(wave, sampling_rate),
        name="samples.wav",
        recording=recording,
        speaker=speaker,
        gender=gender,
        transcript=transcript,
    )


def cache_folder() -> Path:
    """Where clips that came as bytes are kept: $CPBENCH_CACHE, else ~/.cache/cpbench."""
    return Path(os.environ.get("CPBENCH_CACHE") or Path.home() / ".cache" / "cpbench").absolute()


def _sha256(path: str) -> str | None:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _seconds(path: str) -> float | None:
    """What the header says; None where there is no readable one, or where it states no length."""
    import soundfile

    if Path(path).stat().st_size == 0:  # libsndfile would guess at the format from the suffix
        return None
    try:
        info = soundfile.info(path)
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        return None
    return info.frames / info.samplerate if 0 < info.frames < 2**62 else None  # a stream states the largest number


def _suffix(data: bytes, name: str | None) -> str:
    """By the bytes, else by the name: a wrong suffix would make libsndfile guess wrongly."""
    found = next((suffix for magic, suffix in MAGIC if data.startswith(magic)), None)
    named = Path(name or "").suffix.lower()
    return found or (named if named in SUFFIXES else ".audio")


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: ranks and shards may write the same clip at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(
            f"a clip cannot be written to the cache ({error.strerror or error})",
            value=str(path.parent),
            mend="export CPBENCH_CACHE=FOLDER, on a disk with room",
        ) from None


def _mono(samples: Any) -> np.ndarray:
    """float32 (T,): integers scaled by their type's range, channels (the shorter axis) averaged."""
    import numpy as np

    wave = np.asarray(samples)
    if wave.dtype.kind == "i":
        wave = wave.astype(np.float64) / -float(np.iinfo(wave.dtype).min)
    if wave.ndim == 2:
        wave = wave.mean(axis=int(np.argmin(wave.shape)), dtype=np.float64)
    if wave.ndim != 1 or wave.dtype.kind != "f":
        raise ValueError(f"samples of shape {wave.shape} and type {wave.dtype}")
    return wave.astype(np.float32)


def _float_wav(wave: np.ndarray, sampling_rate: int) -> bytes:
    """A mono WAV of IEEE floats. Made here, for libsndfile puts the time of writing into a PEAK chunk."""
    data = wave.astype("<f4").tobytes()
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 3, 1, sampling_rate, 4 * sampling_rate, 4, 32, 0)
    fact = struct.pack("<4sII", b"fact", 4, len(wave))
    body = b"WAVE" + form + fact + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body
