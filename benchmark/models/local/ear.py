"""A processor's ear: its rate, how much of a clip it takes at once, and what it makes of a wave."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from cpbench.audio import windows
from cpbench.records import Heard, Turn

MARGIN = 0.2  # seconds of silence behind the longest wave, so that the last frame hears nothing else
WAVES = "input_values"  # how transformers calls samples that enter a model as they are


@dataclass(frozen=True)
class Ear:
    """The feature extractor of a processor, and what is known of it without knowing its class."""

    extractor: Any
    window: float | None  # seconds of one audio part that the model can take; None: no bound known
    chunk: float | None  # seconds that one row of features spans at most, where the processor works in chunks
    padded: bool  # whether a row spans the whole chunk however short its content

    @property
    def sampling_rate(self) -> int:
        return int(self.extractor.sampling_rate)

    @property
    def hop(self) -> float:
        """Seconds a frame; of an extractor that hands on the wave, a sample."""
        if self.extractor.model_input_names[0] == WAVES:
            return 1 / self.sampling_rate
        return float(getattr(self.extractor, "hop_length", self.sampling_rate / 100) / self.sampling_rate)

    def rows(self, heard: Heard) -> int:
        """How many rows of features one audio part gives."""
        return 1 if self.chunk is None else max(1, math.ceil(len(heard.wave) / round(self.chunk * heard.sampling_rate)))

    def padded_seconds(self, heard: Heard) -> float:
        """What encoding this part costs, in seconds of audio."""
        return self.rows(heard) * self.chunk if self.chunk is not None and self.padded else heard.seconds

    def features(self, heard: Heard) -> np.ndarray:
        """What the extractor makes of a wave, called directly: float32 (features, frames), chunks joined in time."""
        if self.chunk is None:
            return self._features_of(heard.wave)
        if self.window == self.chunk:  # it cuts: what is longer comes to it in windows
            return join([self._features_of(piece.wave) for piece in windows(heard, self.chunk)])
        size = round(self.chunk * heard.sampling_rate)
        return join([self._features_of(heard.wave[start : start + size]) for start in range(0, len(heard.wave), size)])

    def _features_of(self, wave: np.ndarray) -> np.ndarray:
        import torch

        accepted = inspect.signature(self.extractor.__call__).parameters
        wanted = {"sampling_rate": self.sampling_rate, "return_attention_mask": True, "return_tensors": "pt"}
        options = {key: value for key, value in wanted.items() if key in accepted}
        if self.chunk is not None:
            options["padding"] = "max_length"
            if self.extractor.model_input_names[0] == WAVES:
                options["max_length"] = round(self.chunk * self.sampling_rate)
        with torch.inference_mode():
            made = self.extractor([wave], **options)
        tensors = {key: torch.as_tensor(value) for key, value in made.items() if not isinstance(value, list)}
        floating = [value for value in tensors.values() if value.is_floating_point()]
        row = next((value[0] for value in floating if value.ndim == 3), None)
        row = floating[0][:1] if row is None else row  # a wave: one feature, its samples the frames
        return valid(row.float().numpy(), frame_mask(tensors))


def ear_of(processor: Any) -> Ear:
    """Read an extractor's limits off its attributes.

    Processors that chunk by themselves state `max_audio_len` (AudioFlamingo3, GLM-ASR) or `window_seconds` (speechlm,
    without a bound); the Whisper extractor cuts, without a word, at `chunk_length`; others (Gemma3n) cut at the
    `max_length` of their call.
    """
    extractor = processor._audio_processor
    if (span := getattr(processor, "window_seconds", None)) is not None:
        return Ear(extractor, None, float(span), padded=not getattr(processor, "trim", False))
    chunk = getattr(extractor, "chunk_length", None)
    longest = getattr(processor, "max_audio_len", None)
    if longest is None and chunk is None:
        default = getattr(inspect.signature(extractor.__call__).parameters.get("max_length"), "default", None)
        longest = default / extractor.sampling_rate if isinstance(default, int) else None
    if chunk is not None and longest is not None:
        longest = longest // chunk * chunk
    return Ear(extractor, float(longest) if longest else _seconds(chunk), _seconds(chunk), padded=True)


@dataclass(frozen=True)
class Saving:
    """How an extractor is spared work."""

    once: bool = False  # a wave that several texts share is worked on once
    short: bool = False  # of the silence that pads a row to the whole window, one frame is worked out and repeated


Place = tuple[int, tuple[int, ...], tuple[int, ...], str]


@dataclass
class Sparing:
    """A feature extractor that is spared work; in all else it is the extractor.

    A wave is known by its place in memory: all that are asked for are alive.
    """

    extractor: Any
    window: int | None  # samples that a padded row spans; None: rows are not padded to a window
    saving: Saving = field(default_factory=Saving)
    asked: Mapping[str, Any] | None = None  # how the processor asked last, for what is extracted ahead of it
    made: dict[Place, tuple[np.ndarray, Any]] = field(default_factory=dict)  # waves and rows, ahead of their batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.extractor, name)

    def __call__(self, waves: Any, *positional: Any, **named: Any) -> Any:
        """What the extractor gives for these waves."""
        if positional or not isinstance(waves, list | tuple) or not all(isinstance(wave, np.ndarray) for wave in waves):
            return self.extractor(waves, *positional, **named)
        names = list(map(_place, waves)) if self.saving.once else list(range(len(waves)))
        distinct = dict(zip(names, waves, strict=True))
        made = self._extracted(list(distinct.values()), named)
        order = {name: number for number, name in enumerate(distinct)}
        index = [order[name] for name in names]
        for name, value in made.items() if len(order) < len(waves) else ():
            if len(value) == len(order):
                made[name] = [value[row] for row in index] if isinstance(value, list) else value[index]
        return made

    def ahead(self, waves: Sequence[np.ndarray]) -> None:
        """Extract what a batch will ask for, in whatever thread this is."""
        if self.asked is not None and self.saving.short:
            for wave in waves:
                if (place := _place(wave)) not in self.made:
                    self.made[place] = wave, self._row(wave, self.asked)

    def _extracted(self, waves: Sequence[np.ndarray], named: Mapping[str, Any]) -> Any:
        if not (self.saving.short and self._pads(named)):
            return self.extractor(waves, **named)
        self.asked = named
        ready = [self.made.pop(_place(wave), None) for wave in waves]
        rows = [self._row(wave, named) if had is None else had[1] for wave, had in zip(waves, ready, strict=True)]
        return type(rows[0])({name: _joined([row[name] for row in rows]) for name in rows[0]})

    def _pads(self, named: Mapping[str, Any]) -> bool:
        """Whether an extractor that is asked so pads every row to the whole window."""
        if not self.window or not getattr(self.extractor, "hop_length", None):
            return False
        default = inspect.signature(self.extractor.__call__).parameters.get("padding")
        padding = named.get("padding", None if default is None else default.default)
        return padding == "max_length" and named.get("max_length") in (None, self.window)

    def _row(self, wave: np.ndarray, named: Mapping[str, Any]) -> Any:
        """One wave's row of features, as long as the window, of which no more is extracted than the wave needs."""
        hop, window = self.extractor.hop_length, self.window or 0
        frames = -(-(len(wave) + round(MARGIN * self.extractor.sampling_rate)) // hop)
        if frames >= window // hop:
            return self.extractor([wave], **named)
        made = self.extractor([wave], **{**named, "max_length": frames * hop})
        for name, value in made.items():
            made[name] = _lengthened(value, frames, window // hop)
        return made


def _place(wave: np.ndarray) -> Place:
    return wave.__array_interface__["data"][0], wave.shape, wave.strides, wave.dtype.str


def _joined(rows: Sequence[Any]) -> Any:
    import torch

    return torch.cat(list(rows)) if isinstance(rows[0], torch.Tensor) else np.concatenate(rows)


def _lengthened(value: Any, frames: int, window: int) -> Any:
    """An array of so many frames with its last one repeated up to the window; a mask with 0. Raises ValueError for what
    has no axis of frames."""
    import torch

    tensor = torch.as_tensor(np.asarray(value) if isinstance(value, list) else value)
    axis = next((axis for axis in reversed(range(1, tensor.ndim)) if tensor.shape[axis] == frames), None)
    if axis is None:
        raise ValueError(f"no axis of {frames} frames: {tuple(tensor.shape)}")
    last = tensor.narrow(axis, frames - 1, 1)
    shape = list(tensor.shape)
    shape[axis] = window - frames
    more = (last if tensor.is_floating_point() else torch.zeros_like(last)).expand(shape)
    longer = torch.cat([tensor, more], dim=axis)
    return longer if isinstance(value, torch.Tensor) else longer.numpy()


@contextlib.contextmanager
def put_before(processor: Any, sparing: Sparing) -> Iterator[None]:
    """Within it the processor's extractor is the one that is spared work."""
    name = "audio_processor" if hasattr(processor, "audio_processor") else "feature_extractor"
    setattr(processor, name, sparing)
    try:
        yield
    finally:
        setattr(processor, name, sparing.extractor)


def frame_mask(inputs: Mapping[str, Any]) -> Any | None:
    """The (rows, frames) mask of valid feature frames among a model's inputs; None: there is none."""
    for name, value in inputs.items():
        if "mask" in name and name != "attention_mask" and getattr(value, "ndim", 0) == 2:
            return value
    mask = inputs.get("attention_mask")  # an extractor alone calls its frame mask so
    return mask if "input_ids" not in inputs and mask is not None and mask.ndim == 2 else None


def valid(row: np.ndarray, mask: Any | None) -> np.ndarray:
    """One row of features, its time axis cut to the valid frames and put last: float32 (features, frames)."""
    if mask is None:
        return row
    mask = np.asarray(mask).reshape(-1)
    frames = int((mask > 0).sum())
    return row[:, :frames] if row.shape[1] == len(mask) else row[:frames].T


def join(rows: list[np.ndarray]) -> np.ndarray:
    """Rows (features, frames) joined in time."""
    return np.concatenate(rows, axis=-1)


def spans(ear: Ear, turns: Sequence[Turn], rows: int) -> list[slice] | None:
    """Which of a batch's rows of features belong to which turn; None where they do not add up.

    A row is a chunk of an audio part, or the part itself where the extractor makes one row of whatever it is given.
    """
    for counts in ([sum(map(ear.rows, turn.heard)) for turn in turns], [len(turn.heard) for turn in turns]):
        if sum(counts) == rows:
            ends = list(accumulate(counts))
            return [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    return None


def _seconds(value: float | None) -> float | None:
    return None if value is None else float(value)
