"""From a `Sound` to samples and from samples to windows and WAV bytes."""

from __future__ import annotations

import io
import math
import struct
import wave as wave_file
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from cpbench.audio.resampling import resample
from cpbench.errors import BadClip, UserError
from cpbench.records import Clip, Heard, Sound

SHORTEST = 0.1  # seconds: below it there is no syllable, and encoders fail on a frame or two
UNSTATED = 0x7FFFF000  # sizes from here on, and 0, are what a program writes that pipes its WAV out


@dataclass(frozen=True)
class Excerpt:
    """An effect: the samples from `start` up to `stop` (seconds)."""

    start: float
    stop: float

    def __call__(self, wave: np.ndarray, sampling_rate: int) -> np.ndarray:
        return wave[round(self.start * sampling_rate) : round(self.stop * sampling_rate)]


def load(sound: Sound, sampling_rate: int) -> Heard:
    """Decode a clip, average its channels, resample it, apply the effects in their order.

    The wave is float32 (T,), mono, at `sampling_rate`, in [-1, 1]: what lies beyond is clipped, for resampling may
    overshoot. Raises BadClip with a plain reason: missing, empty, not decodable, cut short, without samples, shorter
    than 0.1 s, with samples that are not numbers, or what an effect cannot be done to.
    """
    wave, rate = _decode(sound.clip)
    _check(wave, rate, sound.clip.path)
    wave = resample(wave, rate, sampling_rate)
    for effect in sound.effects:
        try:
            wave = effect(wave, sampling_rate)
        except BadClip as error:
            raise BadClip(f"{sound.clip.path}: {error}") from None
    if sound.effects:
        _check(wave, sampling_rate, f"{sound.clip.path} after {', '.join(map(repr, sound.effects))}")
    return Heard(sound, np.clip(wave, -1.0, 1.0).astype(np.float32, copy=False), sampling_rate)


def windows(heard: Heard, seconds: float) -> list[Heard]:
    """Split into consecutive pieces of at most `seconds`; every sample is in exactly one.

    The last piece may be shorter, but not below 0.1 s: then the last two share their samples evenly. Each piece is a
    sound of its own (an `Excerpt`), so that nothing takes two of them for one. Raises ValueError for a window below
    0.2 s.
    """
    rate, total = heard.sampling_rate, len(heard.wave)
    most = math.floor(seconds * rate)
    if seconds < 2 * SHORTEST:
        raise ValueError(f"a window of {seconds} s is shorter than {2 * SHORTEST} s")
    if total <= most:
        return [heard]
    cuts = [*range(0, total, most), total]
    if cuts[-1] - cuts[-2] < SHORTEST * rate:
        cuts[-2] = (cuts[-3] + total + 1) // 2
    return [_piece(heard, start, stop) for start, stop in pairwise(cuts)]


def wav_bytes(heard: Heard) -> bytes:
    """The wave as a 16-bit PCM WAV file; the same samples always give the same bytes."""
    samples = np.clip(np.rint(heard.wave * 32768.0), -32768, 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave_file.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(heard.sampling_rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def write_wav(heard: Heard, path: Path) -> None:
    """Write the wave as `wav_bytes`, for a program that reads files. Raises UserError where that cannot be done."""
    try:
        path.write_bytes(wav_bytes(heard))
    except OSError as error:
        reason = f"a clip cannot be written ({error.strerror})"
        raise UserError(reason, value=str(path), mend="export TMPDIR=FOLDER") from None


def _piece(heard: Heard, start: int, stop: int) -> Heard:
    cut = Excerpt(start / heard.sampling_rate, stop / heard.sampling_rate)
    sound = Sound(heard.sound.clip, (*heard.sound.effects, cut))
    return Heard(sound, heard.wave[start:stop], heard.sampling_rate)


def _decode(clip: Clip) -> tuple[np.ndarray, int]:
    """The file's samples as float32 (T,), channels averaged, at the file's own rate."""
    import soundfile

    path = Path(clip.path)
    try:
        if path.stat().st_size == 0:
            raise BadClip(f"{path}: the file is empty")
        with soundfile.SoundFile(path) as file:
            stated, rate = file.frames, file.samplerate
            channels = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise BadClip(f"{path}: cannot be decoded ({_reason(error)})") from None
    except FileNotFoundError:
        raise BadClip(f"{path}: no such file") from None
    except (OSError, RuntimeError) as error:
        raise BadClip(f"{path}: cannot be read ({error})") from None
    if (lost := _lost(path, stated - len(channels), rate)) is not None:
        raise BadClip(f"{path}: the file is cut short ({lost})")
    return channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1, dtype=np.float32), rate


def _reason(error: Exception) -> str:
    """libsndfile says of every broken MP3 that it does not exist."""
    said = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return "not a sound file" if "does not exist" in said else said


def _check(wave: np.ndarray, rate: int, name: str) -> None:
    if wave.ndim != 1 or len(wave) == 0:
        raise BadClip(f"{name}: holds no samples")
    if len(wave) < SHORTEST * rate:
        raise BadClip(f"{name}: {len(wave) / rate:.3f} s is shorter than {SHORTEST} s")
    if not np.isfinite(wave).all():
        bad = int(np.count_nonzero(~np.isfinite(wave)))
        raise BadClip(f"{name}: {bad} of {len(wave)} samples are not numbers")


def _lost(path: Path, frames: int, rate: int) -> str | None:
    """How much of a truncated file is lost, in words; None: it is whole. libsndfile reads most of them in silence."""
    if frames > SHORTEST * rate:
        return f"{frames / rate:.2f} s are missing"
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"RIFF":
        return _lost_of_wav(path)
    return _lost_of_ogg(path) if magic == b"OggS" else None


def _lost_of_wav(path: Path) -> str | None:
    """Hold the size that the data chunk states against the size of the file."""
    size, second = path.stat().st_size, 0
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"fmt " and length >= 16:
                form = file.read(length + length % 2)
                second = struct.unpack("<I", form[8:12])[0]
                continue
            if name == b"data":
                missing = file.tell() + length - size
                cut = 0 < length < UNSTATED and missing > SHORTEST * second
                return f"{missing} of {length} bytes are missing" if cut else None
            file.seek(length + length % 2, io.SEEK_CUR)
    return None


def _lost_of_ogg(path: Path) -> str | None:
    """An Ogg stream ends with a whole page that bears the end-of-stream flag."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, 65_536 + 512), io.SEEK_END)  # a page is at most 65,307 bytes
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return "its last page is incomplete"
    whole = len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return None if whole and page[5] & 4 else "its end is missing"
