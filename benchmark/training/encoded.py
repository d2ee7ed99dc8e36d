"""A frozen encoder's outputs on disk: each sound is encoded once, whatever the number of questions and epochs.

    <folder>/<digest of encoder and features>-<rank>.jsonl    which sound lies where
    <folder>/<digest of encoder and features>-<rank>.bin      frames, one after the other, (frames, H)

Only what a batch needs is read, through the system's own file cache: memory does not grow with the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from cpbench.errors import UserError
from cpbench.fingerprint import digest
from cpbench.flow.ledger import Ledger
from cpbench.flow.ranks import Ranks
from cpbench.flow.watch import Watch
from cpbench.records import Sound
from cpbench.training.features import Features

Precision = Literal["float16", "bfloat16", "float32"]
BATCH = 240.0  # seconds of audio that are encoded at once
_BYTES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "bfloat16": np.dtype("<i2"), "float32": np.dtype("<f4")}


@dataclass(frozen=True)
class Place:
    """Where a sound's encoder frames lie: one line of the index."""

    key: str  # of the sound
    start: int  # frame of the file
    windows: tuple[tuple[int, int], ...]  # of each window: its encoder frames, and the frames that it was made of


class Encoded:
    """The outputs of one frozen encoder, by sound. `fill` encodes what is missing; then `windows` reads."""

    def __init__(self, folder: Path, model: Any, processor: Any, precision: Precision) -> None:
        self._folder, self._model, self._processor = folder, model, processor
        self._precision = precision
        self._size = int(model.config.encoder_config.hidden_size)
        self._name = encoder_digest(model, processor, precision)[:20]
        self._places: dict[str, tuple[int, Place]] = {}
        self._files: dict[int, np.ndarray] = {}

    def fill(self, sounds: Iterable[Sound], features: Features, *, ranks: Ranks, watch: Watch) -> None:
        """Encode the sounds that no file holds; with several ranks, every one its part. Raises UserError."""
        known = self._indexed()
        wanted = {_key(sound): sound for sound in sounds}
        left = sorted((sound for key, sound in wanted.items() if key not in known), key=_longest_first)
        own = left[ranks.index :: ranks.count]
        watch.stage("encoding sounds", total=len(wanted), done=len(wanted) - len(left))
        if own:
            self._write(own, features, ranks.index, watch)
        ranks.barrier()
        self._places = self._indexed()
        self._files = {}

    def windows(self, sound: Sound) -> list[tuple[torch.Tensor, int]]:
        """Each window's states (frames, H), and how many feature frames it was made of."""
        part, place = self._places[_key(sound)]
        frames = self._frames(part)
        found, at = [], place.start
        for count, mels in place.windows:
            piece = torch.from_numpy(np.array(frames[at : at + count]))
            found.append((piece.view(torch.bfloat16) if self._precision == "bfloat16" else piece, mels))
            at += count
        return found

    def embeddings(self, sound: Sound) -> int:
        """How many embeddings a sound becomes."""
        step = self._processor.mel_frames_per_embedding
        return sum(-(-mels // step) for _, mels in self._places[_key(sound)][1].windows)

    def _frames(self, part: int) -> np.ndarray:
        if part not in self._files:
            mapped = np.memmap(self._path(part, "bin"), dtype=_BYTES[self._precision], mode="r")
            self._files[part] = mapped.reshape(-1, self._size)
        return self._files[part]

    def _indexed(self) -> dict[str, tuple[int, Place]]:
        """Every sound whose frames lie whole in a file, and in which."""
        found: dict[str, tuple[int, Place]] = {}
        for path in sorted(self._folder.glob(f"{self._name}-*.jsonl")):
            part = int(path.stem.rpartition("-")[2])
            held = self._held(part)
            for place in Ledger(path, Place):
                if place.start + sum(count for count, _ in place.windows) <= held:
                    found[place.key] = (part, place)
        return found

    def _held(self, part: int) -> int:
        """How many whole frames a file holds."""
        path = self._path(part, "bin")
        return path.stat().st_size // (self._size * _BYTES[self._precision].itemsize) if path.is_file() else 0

    def _path(self, part: int, suffix: str) -> Path:
        return self._folder / f"{self._name}-{part}.{suffix}"

    def _write(self, sounds: Sequence[Sound], features: Features, part: int, watch: Watch) -> None:
        """Append frames, then the line that says where they lie: a kill between the two only wastes the frames."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with Ledger(self._path(part, "jsonl"), Place) as index, self._path(part, "bin").open("ab") as file:
                at = self._held(part)
                file.truncate(at * self._size * _BYTES[self._precision].itemsize)
                file.seek(0, 2)
                for sound, windows in self._encoded(sounds, features):
                    counts = [(len(states), mels) for states, mels in windows]
                    for states, _ in windows:
                        file.write(self._bytes(states))
                    file.flush()
                    index.append(Place(_key(sound), at, tuple(counts)))
                    at += sum(count for count, _ in counts)
                    watch.advance()
        except OSError as error:
            raise UserError(
                f"the encoder's outputs cannot be written to {self._folder}: {error.strerror or error}",
                mend="--set cache=DIR on a larger disk; or --set cache=off, to encode every sound each time",
            ) from error

    def _bytes(self, states: torch.Tensor) -> bytes:
        if self._precision == "bfloat16":
            return states.to(torch.bfloat16).contiguous().view(torch.int16).numpy().tobytes()
        return np.ascontiguousarray(states.float().numpy().astype(_BYTES[self._precision])).tobytes()

    def _encoded(
        self, sounds: Sequence[Sound], features: Features
    ) -> Iterator[tuple[Sound, list[tuple[torch.Tensor, int]]]]:
        batch: list[tuple[Sound, list[torch.Tensor]]] = []
        cost = 0.0
        for sound in sounds:
            windows = features.made(sound)
            cost += (sound.clip.seconds or 30.0) if self._processor.trim else 30.0 * len(windows)
            batch.append((sound, windows))
            if cost >= BATCH:
                yield from self._heard(batch)
                batch, cost = [], 0.0
        if batch:
            yield from self._heard(batch)

    def _heard(
        self, batch: Sequence[tuple[Sound, list[torch.Tensor]]]
    ) -> Iterator[tuple[Sound, list[tuple[torch.Tensor, int]]]]:
        from cpbench.training.batches import padded

        model = self._model
        inputs = padded([window for _, windows in batch for window in windows])
        device = next(model.audio_encoder.parameters()).device
        mask = inputs["input_features_mask"]
        with torch.inference_mode():
            states = model.encode(inputs["input_features"].to(device), mask.to(device)).cpu()
        row = 0
        for sound, windows in batch:
            found = []
            for _ in windows:
                mels = int(mask[row].sum())
                count = -(-mels // model.config.downsampling) if self._processor.trim else states.shape[1]
                found.append((states[row, :count], mels))
                row += 1
            yield sound, found


def encoder_digest(model: Any, processor: Any, precision: str) -> str:
    """What an encoder's outputs depend on: its weights, its features, and how they are kept."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(model.audio_encoder.state_dict().items()):
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    settings = processor.feature_extractor.to_dict()
    return digest(hashed.hexdigest(), settings, processor.window_seconds, processor.trim, precision)


def _key(sound: Sound) -> str:
    """A sound by its bytes and its effects."""
    return digest(sound.clip.sha256, [repr(effect) for effect in sound.effects])


def _longest_first(sound: Sound) -> float:
    return -(sound.clip.seconds or 0.0)
